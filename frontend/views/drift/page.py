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
from concord.types.drift import DriftReport
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import task_picker as choice
from frontend.data import service
from frontend.text import wording as words
from frontend.text.language import decimal, mark, percent, say, say_count
from frontend.views.drift import compared, differences
from frontend.views.drift import data as drift
from frontend.views.drift import errors as drift_errors
from frontend.views.drift import states as drift_states

DAYS: Final[Mapping[str, float | None]] = {
    mark("the last hour"): 1 / 24,
    mark("the last day"): 1.0,
    mark("the last 7 days"): 7.0,
    mark("the last 30 days"): 30.0,
    mark("all that are kept"): None,
}
LIMITS: Final = (1_000, 10_000, 100_000)
"""The newest so many. Ten thousand are a second's work and more than the tests need."""

_HEADLINES: Final = {
    "drifted": mark("The rows have drifted: {names}."),
    "steady": mark("The rows look like those that were learned from."),
}


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    st.markdown(say("Are the rows that are asked now still like those that the models learned from?"))
    tasks = choice.tasks(url)
    if not tasks:
        return
    task = choice.task(tasks)
    days, limit = _window()
    reader = access.reading(url)
    try:
        with st.spinner(say("Comparing rounds…")):
            report = drift.report(reader.client, reader.key, url, task.task, days, limit)
    except ConcordError as error:
        drift_states.refused(url, task, error)
        return
    _show(url, task, report)


def _window() -> tuple[float | None, int]:
    left, right = st.columns(2)
    with left:
        stated = st.selectbox(
            say("Rounds of"), list(DAYS), index=len(DAYS) - 1, format_func=say, key="drift/days"
        )
    with right:
        limit = st.selectbox(
            say("At most"),
            LIMITS,
            index=1,
            format_func=lambda count: say("the newest {count}", count=decimal(count)),
            key="drift/limit",
            help=say("More rounds take the service longer: some 15,000 a second."),
        )
    return DAYS[stated], limit


def _show(url: str, task: TaskSummary, report: DriftReport) -> None:
    schema = _schema(url, task)
    _headline(schema, report)
    drift_errors.show(schema, report)
    columns = {differences.name(schema, one.name): one for one in report.features}
    st.subheader(say("Each column, then and now"))
    compared.table(columns, of=say("Column"))
    then = say_count("then: {count} row learned from", "then: {count} rows learned from", report.profile_rows)
    compared.pictures(columns, then, report.least_rows, "columns")
    if report.target is not None:
        st.subheader(say("What was true, then and now"))
        st.markdown(words.small(say("The labels that came in, against the answers that were learned from.")))
        target = {differences.name(schema, report.target.name): report.target}
        compared.table(target, of=say("Column"))
        compared.pictures(target, then, report.least_rows, "target")
    st.subheader(say("What each node answers"))
    _answers(report)
    drift_states.again()


def _schema(url: str, task: TaskSummary) -> TaskSchema | None:
    """For names and units; a report can be read without."""
    try:
        return service.schema(url, task.task)
    except ConcordError:
        return None


def _headline(schema: TaskSchema | None, report: DriftReport) -> None:
    if report.status == "too_few_rows":
        drift_states.few(report)
    else:
        look = differences.STANDINGS[report.status]
        said = say(_HEADLINES[report.status], names=words.plain(", ".join(_drifted(schema, report))))
        st.markdown(f"## :{look.colour}[{look.icon} {said}]")
    st.markdown(words.small(_compared_with(report)))


def _drifted(schema: TaskSchema | None, report: DriftReport) -> list[str]:
    """What has drifted; errors that have grown are said below, and by the headline where nothing else has."""
    compared = [*report.features, *([report.target] if report.target else [])]
    names = [differences.name(schema, one.name) for one in compared if one.status == "drifted"]
    names += [
        say("answers of {node}", node=said.node)
        for said in report.answers
        if said.difference.status == "drifted"
    ]
    return names


def _compared_with(report: DriftReport) -> str:
    told = [
        say_count("{count} row was compared", "{count} rows were compared", report.rows),
        say_count(
            "with {count} row that {nodes} learned from",
            "with {count} rows that {nodes} learned from",
            report.profile_rows,
            nodes=words.plain(", ".join(report.profile_nodes)),
        ),
    ]
    said = " ".join(told) + "."
    if report.since and report.until:
        said += " " + say(
            "They were asked from {since} to {until} (UTC).",
            since=_when(report.since),
            until=_when(report.until),
        )
    return (
        said
        + " "
        + say("The chance of any false alarm on this page is {level} at most.", level=percent(report.level))
    )


def _when(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _answers(report: DriftReport) -> None:
    named = {f"{said.node} v{said.version}": said.difference for said in report.answers}
    if not named:
        st.info(
            say("No model says what it answered to the rows that were held out from its fit."),
            icon=":material/info:",
        )
        return
    st.markdown(
        words.small(say("Each version against its own answers to the rows that were held out from its fit."))
    )
    compared.table(named, of=say("Node"))
    fresh = [title for title, one in named.items() if one.rows < report.least_rows <= report.rows]
    if fresh:
        new = say(
            "{nodes}: too new to say. What an older version answered does not count.",
            nodes=words.plain(", ".join(fresh)),
        )
        st.markdown(words.small(new))
    compared.pictures(named, say("then: rows held out"), report.least_rows, "nodes")
