"""Whether the errors of labelled rounds have grown: a sentence, their course, and the same as a table."""

from datetime import datetime

import pandas as pd
import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.drift import DriftReport, ErrorDrift
from frontend.charts import lines
from frontend.data.series import Point
from frontend.text import wording
from frontend.text.language import _, format_percent, ngettext
from frontend.views.drift import difference_text, notices


def show_errors(schema: TaskSchema | None, report: DriftReport) -> None:
    """Draws what is known of the errors.

    Args:
        schema: The task's, which says what an error is.
        report: Whose errors.
    """
    st.subheader(_("Have errors grown?"))
    found = report.errors
    if found is None or not found.labelled:
        notices.show_no_labels()
        return
    _verdict(schema, found)
    if found.course:
        _course(schema, found)


def _verdict(schema: TaskSchema | None, found: ErrorDrift) -> None:
    counted = ngettext(
        "{count} labelled round was looked at.", "{count} labelled rounds were looked at.", found.labelled
    )
    if found.problem or found.error is None or found.status == "too_few_rows":
        why = wording.escape(found.problem) if found.problem else ""
        text = _("**Too early to say whether errors have grown.** {counted} {why}", counted=counted, why=why)
        st.info(text.strip(), icon=":material/hourglass_empty:")
        return
    said = difference_text.describe_errors(found, schema)
    if found.status == "drifted":
        st.error(said, icon=":material/trending_up:")
        st.markdown(
            _(
                "Look at the columns below: if they have drifted too, train the models anew. If only what "
                "was true has, the same rows mean something else now. If neither has, look at the labels "
                "first."
            )
        )
    else:
        st.success(said, icon=":material/check:")
    noticed = ""
    if found.since:
        noticed = _("The change was noticed at a round of {when} (UTC).", when=format_utc(found.since))
    st.markdown(wording.small(f"{counted} {noticed}"))


def _course(schema: TaskSchema | None, found: ErrorDrift) -> None:
    points = [Point(datetime.fromisoformat(one.since).timestamp(), one.error) for one in found.course]
    # A span of no length has no axis.
    until = max(points[-1].time, points[0].time + 1)
    of = difference_text.describe_error_measure(schema)
    line = lines.ChartLine(_("error"), points)
    frame = lines.ChartFrame(points[0].time, until, format=".0%", clock="%d.%m. %H:%M")
    said = "; ".join(f"{format_utc(one.since)}: {format_percent(one.error, 1)}" for one in found.course)
    described = _("Course of the errors, {of}. {said}.", of=of, said=said)
    st.markdown(wording.small(_("Drawn is {of}, over the time of the rounds.", of=of)))
    st.altair_chart(
        lines.draw_lines([line], frame, is_light=st.context.theme.type == "light"),
        width="stretch",
        alt=described,
        theme="streamlit",
        key="drift/errors",
    )
    with st.expander(_("The same as a table")):
        rows = [
            {
                _("Rounds from (UTC)"): format_utc(one.since),
                _("Labelled"): one.labelled,
                _("Mean error"): one.error * 100,
            }
            for one in found.course
        ]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            width="stretch",
            alt=described,
            column_config={_("Mean error"): st.column_config.NumberColumn(format="%.1f%%")},
            key="drift/errors/table",
        )


def format_utc(instant: str) -> str:
    """An instant of the wire's to the minute."""
    return instant[:16].replace("T", " ")
