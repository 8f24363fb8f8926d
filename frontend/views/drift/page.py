"""The page Drift: whether rows still look like those that the models learned from, and errors have grown.

First the verdict in a sentence, then the errors, each column and the label, and the answers of each node.
The page shows the service's report and tests nothing itself.
"""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.tasks.schema import TaskSchema
from concord.types.drift import DriftReport
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import task_picker
from frontend.components.message import show_small
from frontend.data import service
from frontend.text import times, wording
from frontend.text.language import N_, _, format_decimal, format_percent, ngettext
from frontend.views.drift import data, difference_text, notices
from frontend.views.drift.differences import show_differences, show_distributions
from frontend.views.drift.error_trend import show_errors

DAYS: Final[Mapping[str, float | None]] = {
    N_("the last hour"): 1 / 24,
    N_("the last day"): 1.0,
    N_("the last 7 days"): 7.0,
    N_("the last 30 days"): 30.0,
    N_("all that are kept"): None,
}
LIMITS: Final = (1_000, 10_000, 100_000)
"""Newest rounds to compare. Ten thousand take the service a second and are more than the tests need."""

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
    task = task_picker.pick(url)
    if task is None:
        return
    days, limit = _choose_window()
    try:
        with st.spinner(_("Comparing rounds…")):
            report = data.read_report(access.find_reader(url), task.task, days, limit)
    except ConcordError as error:
        notices.show_refused(url, task, error)
        return
    _show_report(url, task, report)


def _choose_window() -> tuple[float | None, int]:
    left, right = st.columns(2)
    with left:
        span = st.selectbox(_("Rounds of"), list(DAYS), index=len(DAYS) - 1, format_func=_, key="drift/days")
    with right:
        limit = st.selectbox(
            _("At most"),
            LIMITS,
            index=1,
            format_func=lambda count: _("the newest {count}", count=format_decimal(count)),
            key="drift/limit",
            help=_("More rounds take the service longer: some 15,000 a second."),
        )
    return DAYS[span], limit


def _show_report(url: str, task: TaskSummary, report: DriftReport) -> None:
    schema = _read_schema(url, task)
    _show_headline(schema, report)
    show_errors(schema, report)
    columns = {
        difference_text.format_column(schema, difference.name): difference for difference in report.features
    }
    st.subheader(_("Each column, then and now"))
    show_differences(columns, _("Column"))
    then = ngettext("then: {count} row learned from", "then: {count} rows learned from", report.profile_rows)
    show_distributions(columns, then, report.least_rows, "columns")
    if report.target is not None:
        st.subheader(_("What was true, then and now"))
        show_small(_("The labels that came in, against the answers that were learned from."))
        target = {difference_text.format_column(schema, report.target.name): report.target}
        show_differences(target, _("Column"))
        show_distributions(target, then, report.least_rows, "target")
    st.subheader(_("What each node answers"))
    _show_answers(report)
    notices.offer_reload()


def _read_schema(url: str, task: TaskSummary) -> TaskSchema | None:
    """The schema, for names and units; None where it cannot be had: the report can be read without."""
    try:
        return service.read_schema(url, task.task)
    except ConcordError:
        return None


def _show_headline(schema: TaskSchema | None, report: DriftReport) -> None:
    if report.status == "too_few_rows":
        notices.show_too_few(report)
    else:
        badge = difference_text.STANDINGS[report.status]
        headline = _(
            _HEADLINES[report.status], names=wording.escape(", ".join(_list_drifted(schema, report)))
        )
        st.markdown(f"## {badge.markdown(headline)}")
    show_small(_describe_comparison(report))


def _list_drifted(schema: TaskSchema | None, report: DriftReport) -> list[str]:
    """Names of the columns and nodes' answers that have drifted."""
    compared = [*report.features, *([report.target] if report.target else [])]
    names = [
        difference_text.format_column(schema, difference.name)
        for difference in compared
        if difference.status == "drifted"
    ]
    names += [
        _("answers of {node}", node=answers.node)
        for answers in report.answers
        if answers.difference.status == "drifted"
    ]
    return names


def _describe_comparison(report: DriftReport) -> str:
    compared = ngettext("{count} row was compared", "{count} rows were compared", report.rows)
    learned = ngettext(
        "with {count} row that {nodes} learned from",
        "with {count} rows that {nodes} learned from",
        report.profile_rows,
        nodes=wording.escape(", ".join(report.profile_nodes)),
    )
    asked = ""
    if report.since and report.until:
        asked = _(
            "They were asked from {since} to {until} (UTC).",
            since=times.format_utc_minute(report.since),
            until=times.format_utc_minute(report.until),
        )
    level = format_percent(report.level)
    alarms = _("The chance of any false alarm on this page is {level} at most.", level=level)
    return " ".join(filter(None, (f"{compared} {learned}.", asked, alarms)))


def _show_answers(report: DriftReport) -> None:
    differences = {f"{answers.node} v{answers.version}": answers.difference for answers in report.answers}
    if not differences:
        st.info(
            _("No model says what it answered to the rows that were held out from its fit."),
            icon=":material/info:",
        )
        return
    show_small(_("Each version against its own answers to the rows that were held out from its fit."))
    show_differences(differences, _("Node"))
    new_names = [
        title
        for title, difference in differences.items()
        if difference.rows < report.least_rows <= report.rows
    ]
    if new_names:
        new = _(
            "{nodes}: too new to say. What an older version answered does not count.",
            nodes=wording.escape(", ".join(new_names)),
        )
        show_small(new)
    show_distributions(differences, _("then: rows held out"), report.least_rows, "nodes")
