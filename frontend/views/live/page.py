"""The page of live figures: how much is asked, how long it takes, how far nodes agree, what fails.

It is drawn anew every few seconds, in a fragment, so that no choice of a person's is lost by it. Figures come
from Prometheus where `CONCORD_PROMETHEUS` names one that answers, else from the service itself; the page says
which, and from when on they are known.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd
import streamlit as st

from concord.errors import ConcordError
from concord.settings import Settings
from concord.types.tasks import TaskSummary
from frontend.charts import lines
from frontend.components import states
from frontend.components import task_picker as choice
from frontend.data import series as courses
from frontend.data.prometheus import Place
from frontend.data.series import Course
from frontend.text import wording as words
from frontend.text.language import mark, say, say_count
from frontend.views.live import data as live
from frontend.views.live import figures
from frontend.views.live import states as live_states
from frontend.views.live.data import Seen

DRAW_SECONDS: Final = 5
"""How often the figures are drawn anew."""

SPANS: Final[Mapping[str, int]] = {
    mark("5 minutes"): 300,
    mark("15 minutes"): 900,
    mark("1 hour"): 3600,
    mark("6 hours"): 6 * 3600,
}
_USUAL: Final = 1

_TASK: Final = "task"
"""In the address, as on the other pages; without it all tasks are shown together."""

_KEPT: Final = "live/kept"


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    tasks = choice.tasks(url)
    if not tasks:
        return
    left, right = st.columns(2)
    with left:
        task = _task(tasks)
    with right:
        names = list(SPANS)
        span = st.selectbox(say("Over the last"), names, index=_USUAL, format_func=say, key="live/span")
    _figures(url, task, SPANS[span])


def _task(tasks: Sequence[TaskSummary]) -> str | None:
    by_name = {task.task: task for task in tasks}
    names = [None, *by_name]
    stated = st.query_params.get(_TASK) or st.session_state.get(_KEPT)
    chosen = st.selectbox(
        say("Task"),
        names,
        index=names.index(stated) if stated in by_name else 0,
        format_func=lambda name: (
            words.task_name(by_name[name], tasks) if name in by_name else say("All tasks")
        ),
        key="live/task",
        on_change=_name_in_address,
    )
    st.session_state[_KEPT] = chosen
    return chosen


def _name_in_address() -> None:
    chosen = st.session_state["live/task"]
    if chosen is None:
        st.query_params.pop(_TASK, None)
    else:
        st.query_params[_TASK] = chosen


@st.fragment(run_every=DRAW_SECONDS)
def _figures(url: str, task: str | None, seconds: int) -> None:
    settings = Settings.read()
    place = Place(settings.prometheus, settings.prometheus_namespace) if settings.prometheus else None
    seen = live.see(url, place, task, seconds)
    if seen.without is not None:
        live_states.without_prometheus(seen.without)
    if seen.course is None:
        states.away(url, seen.problem or ConcordError(say("The service says nothing of its figures.")))
        return
    if seen.problem is not None:
        live_states.silent(seen.problem)
    if not seen.course.was_asked:
        live_states.nothing_asked()
    elif not seen.course.lines[courses.REQUESTS]:
        live_states.one_sample(2 * DRAW_SECONDS)
    else:
        _course(seen, task, seconds)
    st.markdown(words.small(_source(seen)))


def _course(seen: Seen, task: str | None, seconds: int) -> None:
    course = seen.course
    assert course is not None
    if course.is_quiet():
        st.info(
            say("**Nothing was asked in this time.** Earlier there was something."), icon=":material/bedtime:"
        )
    with st.container(horizontal=True, gap="medium"):
        for figure in figures.HEADLINES:
            if figure.name != courses.FAILED or task is None:
                _figure(course, figure)
    now = time.time()
    pictures = [one for one in figures.PICTURES if any(course.lines.get(name) for name in one.names)]
    for start in range(0, len(pictures), 2):
        for picture, column in zip(pictures[start : start + 2], st.columns(2, gap="large"), strict=False):
            with column:
                _picture(course, picture, now - seconds, now)
    with st.expander(say("The same as a table")):
        _table(course)


def _figure(course: Course, figure: figures.Figure) -> None:
    value = course.now(figure.name)
    with st.container(width="content", gap=None):
        st.metric(
            say(figure.title), figures.written(figure.name, value), width="content", help=say(figure.help)
        )
        if figure.remark:
            st.markdown(words.small(say(figure.remark)))


def _picture(course: Course, picture: figures.Picture, since: float, until: float) -> None:
    drawn = [
        lines.Line(say(figures.NAMES[name]), course.lines[name])
        for name in picture.names
        if course.lines.get(name)
    ]
    st.subheader(say(picture.title))
    st.markdown(words.small(say(picture.about)))
    is_light = st.context.theme.type == "light"
    st.html(lines.key(drawn, is_light=is_light))
    clock = "%H:%M:%S" if until - since <= SPANS["5 minutes"] else "%H:%M"
    frame = lines.Frame(since, until, picture.format, picture.factor, picture.most, clock)
    st.altair_chart(
        lines.picture(drawn, frame, is_light=is_light),
        width="stretch",
        alt=figures.describe(course, picture),
        theme="streamlit",
        key=f"live/{picture.title}",
    )


def _table(course: Course) -> None:
    zone = st.context.timezone or "UTC"
    st.dataframe(
        pd.DataFrame(figures.rows(course, zone)),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=say("All figures in time, the newest first."),
        column_config={
            say("Time"): st.column_config.TextColumn(pinned=True),
            **{
                figures.heading(name): st.column_config.NumberColumn(format=figures.column_format(name))
                for name in courses.FIGURES
            },
        },
        key="live/table",
    )


def _source(seen: Seen) -> str:
    if seen.source == "prometheus":
        return say(
            "From Prometheus; each value is of the five minutes before it. Drawn anew every {seconds} "
            "seconds.",
            seconds=DRAW_SECONDS,
        )
    said = say_count(
        "From the service's own metrics, {count} sample, taken while somebody looks at this page; each "
        "value is of the minute before it or longer.",
        "From the service's own metrics, {count} samples, taken while somebody looks at this page; each "
        "value is of the minute before it or longer.",
        seen.samples,
    )
    if seen.course is not None and seen.course.is_partial:
        said += " " + say("**More than one process answers; these are the figures of one of them.**")
    if seen.without is None:
        said += " " + say(
            "A Prometheus that `CONCORD_PROMETHEUS` names would know all replicas, and the past."
        )
    return said
