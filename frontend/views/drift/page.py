"""The page of drift: are rows still those that the models learned from, and are answers still as good?

First the verdict in a sentence, then whether errors have grown, then each column, then against now, and last
what each node answers. It shows what the service found and tests nothing itself; a column that drifted is no
fault of anybody's yet, so the page says what to look at and decides nothing.
"""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.tasks.schema import TaskSchema
from concord.types.answers import TaskSummary
from concord.types.drift import DriftReport
from frontend import access
from frontend.components import task_picker
from frontend.data import service
from frontend.text import wording
from frontend.text.language import N_, _, format_decimal, format_percent, ngettext
from frontend.views.drift import data, difference_text, differences, error_trend, notices

DAYS: Final[Mapping[str, float | None]] = {
    N_("the last hour"): 1 / 24,
    N_("the last day"): 1.0,
    N_("the last 7 days"): 7.0,
    N_("the last 30 days"): 30.0,
    N_("all that are kept"): None,
}
LIMITS: Final = (1_000, 10_000, 100_000)
"""The newest so many. Ten thousand are a second's work and more than the tests need."""

_HEADLINES: Final = {
    "drifted": N_("The rows have drifted: {names}."),
    "steady": N_("The rows look like those that were learned from."),
}


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    st.markdown(_("Are the rows that are asked now still like those that the models learned from?"))
    tasks = task_picker.list_tasks(url)
    if not tasks:
        return
    task = task_picker.pick_task(tasks)
    days, limit = _window()
    reader = access.reading_client(url)
    try:
        with st.spinner(_("Comparing rounds…")):
            report = data.read_report(reader.client, reader.key, url, task.task, days, limit)
    except ConcordError as error:
        notices.show_refused(url, task, error)
        return
    _show(url, task, report)


def _window() -> tuple[float | None, int]:
    left, right = st.columns(2)
    with left:
        stated = st.selectbox(
            _("Rounds of"), list(DAYS), index=len(DAYS) - 1, format_func=_, key="drift/days"
        )
    with right:
        limit = st.selectbox(
            _("At most"),
            LIMITS,
            index=1,
            format_func=lambda count: _("the newest {count}", count=format_decimal(count)),
            key="drift/limit",
            help=_("More rounds take the service longer: some 15,000 a second."),
        )
    return DAYS[stated], limit


def _show(url: str, task: TaskSummary, report: DriftReport) -> None:
    schema = _schema(url, task)
    _headline(schema, report)
    error_trend.show_errors(schema, report)
    columns = {difference_text.format_column(schema, one.name): one for one in report.features}
    st.subheader(_("Each column, then and now"))
    differences.show_table(columns, of=_("Column"))
    then = ngettext("then: {count} row learned from", "then: {count} rows learned from", report.profile_rows)
    differences.show_charts(columns, then, report.least_rows, "columns")
    if report.target is not None:
        st.subheader(_("What was true, then and now"))
        st.markdown(wording.small(_("The labels that came in, against the answers that were learned from.")))
        target = {difference_text.format_column(schema, report.target.name): report.target}
        differences.show_table(target, of=_("Column"))
        differences.show_charts(target, then, report.least_rows, "target")
    st.subheader(_("What each node answers"))
    _answers(report)
    notices.offer_refresh()


def _schema(url: str, task: TaskSummary) -> TaskSchema | None:
    """For names and units; a report can be read without."""
    try:
        return service.read_schema(url, task.task)
    except ConcordError:
        return None


def _headline(schema: TaskSchema | None, report: DriftReport) -> None:
    if report.status == "too_few_rows":
        notices.show_too_few(report)
    else:
        look = difference_text.STANDINGS[report.status]
        said = _(_HEADLINES[report.status], names=wording.escape(", ".join(_drifted(schema, report))))
        st.markdown(f"## :{look.colour}[{look.icon} {said}]")
    st.markdown(wording.small(_compared_with(report)))


def _drifted(schema: TaskSchema | None, report: DriftReport) -> list[str]:
    """What has drifted; errors that have grown are said below, and by the headline where nothing else has."""
    compared = [*report.features, *([report.target] if report.target else [])]
    names = [difference_text.format_column(schema, one.name) for one in compared if one.status == "drifted"]
    names += [
        _("answers of {node}", node=said.node)
        for said in report.answers
        if said.difference.status == "drifted"
    ]
    return names


def _compared_with(report: DriftReport) -> str:
    told = [
        ngettext("{count} row was compared", "{count} rows were compared", report.rows),
        ngettext(
            "with {count} row that {nodes} learned from",
            "with {count} rows that {nodes} learned from",
            report.profile_rows,
            nodes=wording.escape(", ".join(report.profile_nodes)),
        ),
    ]
    said = " ".join(told) + "."
    if report.since and report.until:
        said += " " + _(
            "They were asked from {since} to {until} (UTC).",
            since=_format_utc(report.since),
            until=_format_utc(report.until),
        )
    return (
        said
        + " "
        + _(
            "The chance of any false alarm on this page is {level} at most.",
            level=format_percent(report.level),
        )
    )


def _format_utc(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _answers(report: DriftReport) -> None:
    named = {f"{said.node} v{said.version}": said.difference for said in report.answers}
    if not named:
        st.info(
            _("No model says what it answered to the rows that were held out from its fit."),
            icon=":material/info:",
        )
        return
    st.markdown(
        wording.small(_("Each version against its own answers to the rows that were held out from its fit."))
    )
    differences.show_table(named, of=_("Node"))
    fresh = [title for title, one in named.items() if one.rows < report.least_rows <= report.rows]
    if fresh:
        new = _(
            "{nodes}: too new to say. What an older version answered does not count.",
            nodes=wording.escape(", ".join(fresh)),
        )
        st.markdown(wording.small(new))
    differences.show_charts(named, _("then: rows held out"), report.least_rows, "nodes")
