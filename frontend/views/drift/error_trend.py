"""Whether the errors of labelled rounds have grown: a sentence, a chart over time, and a table."""

from datetime import datetime

import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.drift import DriftReport, ErrorDrift
from frontend.charts.lines import ChartFrame, ChartLine, draw_lines
from frontend.components.chart import is_light, show_chart
from frontend.components.message import show_small
from frontend.components.table import show_table
from frontend.data.series import Point
from frontend.text import times, wording
from frontend.text.language import _, format_percent, ngettext
from frontend.views.drift import difference_text, notices


def show_errors(schema: TaskSchema | None, report: DriftReport) -> None:
    """Shows whether errors have grown.

    Args:
        schema: The task's, which says what an error is.
        report: With its errors.
    """
    st.subheader(_("Have errors grown?"))
    drift = report.errors
    if drift is None or not drift.labelled:
        notices.show_no_labels()
        return
    _show_verdict(schema, drift)
    if drift.course:
        _show_course(schema, drift)


def _show_verdict(schema: TaskSchema | None, drift: ErrorDrift) -> None:
    counted = ngettext(
        "{count} labelled round was looked at.", "{count} labelled rounds were looked at.", drift.labelled
    )
    if drift.problem or drift.error is None or drift.status == "too_few_rows":
        why = wording.escape(drift.problem) if drift.problem else ""
        text = _("**Too early to say whether errors have grown.** {counted} {why}", counted=counted, why=why)
        st.info(text.strip(), icon=":material/hourglass_empty:")
        return
    verdict = difference_text.describe_errors(drift, schema)
    if drift.status == "drifted":
        st.error(verdict, icon=":material/trending_up:")
        st.markdown(
            _(
                "Look at the columns below: if they have drifted too, train the models anew. If only what "
                "was true has, the same rows mean something else now. If neither has, look at the labels "
                "first."
            )
        )
    else:
        st.success(verdict, icon=":material/check:")
    noticed = ""
    if drift.since:
        noticed = _(
            "The change was noticed at a round of {when} (UTC).", when=times.format_utc_minute(drift.since)
        )
    show_small(f"{counted} {noticed}")


def _show_course(schema: TaskSchema | None, drift: ErrorDrift) -> None:
    points = [
        Point(datetime.fromisoformat(stretch.since).timestamp(), stretch.error) for stretch in drift.course
    ]
    # A span of no length has no axis.
    until = max(points[-1].time, points[0].time + 1)
    measure = difference_text.describe_error_measure(schema)
    line = ChartLine(_("error"), points)
    frame = ChartFrame(points[0].time, until, format=".0%", clock="%d.%m. %H:%M")
    errors = "; ".join(
        f"{times.format_utc_minute(stretch.since)}: {format_percent(stretch.error, 1)}"
        for stretch in drift.course
    )
    described = _("Course of the errors, {of}. {said}.", of=measure, said=errors)
    show_small(_("Drawn is {of}, over the time of the rounds.", of=measure))
    show_chart(draw_lines([line], frame, is_light=is_light()), described, key="drift/errors")
    with st.expander(_("The same as a table")):
        rows = [
            {
                _("Rounds from (UTC)"): times.format_utc_minute(stretch.since),
                _("Labelled"): stretch.labelled,
                _("Mean error"): stretch.error * 100,
            }
            for stretch in drift.course
        ]
        show_table(
            rows,
            described,
            {_("Mean error"): st.column_config.NumberColumn(format="%.1f%%")},
            key="drift/errors/table",
        )
