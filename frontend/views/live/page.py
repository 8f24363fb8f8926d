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
from concord.types.answers import TaskSummary
from frontend.charts import lines
from frontend.components import states, task_picker
from frontend.data import series
from frontend.data.prometheus import PrometheusServer
from frontend.data.series import IndicatorSeries
from frontend.text import wording
from frontend.text.language import N_, _, ngettext
from frontend.views.live import data, indicators, notices
from frontend.views.live.data import LiveIndicators

DRAW_SECONDS: Final = 5
"""How often the figures are drawn anew."""

SPANS: Final[Mapping[str, int]] = {
    N_("5 minutes"): 300,
    N_("15 minutes"): 900,
    N_("1 hour"): 3600,
    N_("6 hours"): 6 * 3600,
}
_USUAL: Final = 1

_TASK: Final = "task"
"""In the address, as on the other pages; without it all tasks are shown together."""

_CHOICE: Final = "live/kept"


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    tasks = task_picker.list_tasks(url)
    if not tasks:
        return
    left, right = st.columns(2)
    with left:
        task = _task(tasks)
    with right:
        names = list(SPANS)
        span = st.selectbox(_("Over the last"), names, index=_USUAL, format_func=_, key="live/span")
    _show_indicators(url, task, SPANS[span])


def _task(tasks: Sequence[TaskSummary]) -> str | None:
    by_name = {task.task: task for task in tasks}
    names = [None, *by_name]
    stated = st.query_params.get(_TASK) or st.session_state.get(_CHOICE)
    chosen = st.selectbox(
        _("Task"),
        names,
        index=names.index(stated) if stated in by_name else 0,
        format_func=lambda name: (
            wording.format_task(by_name[name], tasks) if name in by_name else _("All tasks")
        ),
        key="live/task",
        on_change=_name_in_address,
    )
    st.session_state[_CHOICE] = chosen
    return chosen


def _name_in_address() -> None:
    chosen = st.session_state["live/task"]
    if chosen is None:
        st.query_params.pop(_TASK, None)
    else:
        st.query_params[_TASK] = chosen


@st.fragment(run_every=DRAW_SECONDS)
def _show_indicators(url: str, task: str | None, seconds: int) -> None:
    settings = Settings.read()
    place = (
        PrometheusServer(settings.prometheus, settings.prometheus_namespace) if settings.prometheus else None
    )
    seen = data.read_indicators(url, place, task, seconds)
    if seen.without is not None:
        notices.show_without_prometheus(seen.without)
    if seen.course is None:
        states.show_away(url, seen.problem or ConcordError(_("The service says nothing of its figures.")))
        return
    if seen.problem is not None:
        notices.show_silent(seen.problem)
    if not seen.course.was_asked:
        notices.show_nothing_asked()
    elif not seen.course.lines[series.REQUESTS]:
        notices.show_one_sample(2 * DRAW_SECONDS)
    else:
        _show_series(seen, task, seconds)
    st.markdown(wording.small(_source(seen)))


def _show_series(seen: LiveIndicators, task: str | None, seconds: int) -> None:
    course = seen.course
    assert course is not None
    if course.is_quiet():
        st.info(
            _("**Nothing was asked in this time.** Earlier there was something."), icon=":material/bedtime:"
        )
    with st.container(horizontal=True, gap="medium"):
        for figure in indicators.HEADLINES:
            if figure.name != series.FAILED or task is None:
                _show_headline(course, figure)
    now = time.time()
    pictures = [one for one in indicators.CHARTS if any(course.lines.get(name) for name in one.names)]
    for start in range(0, len(pictures), 2):
        for picture, column in zip(pictures[start : start + 2], st.columns(2, gap="large"), strict=False):
            with column:
                _show_chart(course, picture, now - seconds, now)
    with st.expander(_("The same as a table")):
        _table(course)


def _show_headline(course: IndicatorSeries, figure: indicators.Headline) -> None:
    value = course.now(figure.name)
    with st.container(width="content", gap=None):
        st.metric(
            _(figure.title),
            indicators.format_indicator(figure.name, value),
            width="content",
            help=_(figure.help),
        )
        if figure.remark:
            st.markdown(wording.small(_(figure.remark)))


def _show_chart(
    course: IndicatorSeries, picture: indicators.IndicatorChart, since: float, until: float
) -> None:
    drawn = [
        lines.ChartLine(_(indicators.NAMES[name]), course.lines[name])
        for name in picture.names
        if course.lines.get(name)
    ]
    st.subheader(_(picture.title))
    st.markdown(wording.small(_(picture.about)))
    is_light = st.context.theme.type == "light"
    st.html(lines.lines_legend(drawn, is_light=is_light))
    clock = "%H:%M:%S" if until - since <= SPANS["5 minutes"] else "%H:%M"
    frame = lines.ChartFrame(since, until, picture.format, picture.factor, picture.most, clock)
    st.altair_chart(
        lines.draw_lines(drawn, frame, is_light=is_light),
        width="stretch",
        alt=indicators.describe_chart(course, picture),
        theme="streamlit",
        key=f"live/{picture.title}",
    )


def _table(course: IndicatorSeries) -> None:
    zone = st.context.timezone or "UTC"
    st.dataframe(
        pd.DataFrame(indicators.list_rows(course, zone)),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=_("All figures in time, the newest first."),
        column_config={
            _("Time"): st.column_config.TextColumn(pinned=True),
            **{
                indicators.column_heading(name): st.column_config.NumberColumn(
                    format=indicators.column_format(name)
                )
                for name in series.INDICATORS
            },
        },
        key="live/table",
    )


def _source(seen: LiveIndicators) -> str:
    if seen.source == "prometheus":
        return _(
            "From Prometheus; each value is of the five minutes before it. Drawn anew every {seconds} "
            "seconds.",
            seconds=DRAW_SECONDS,
        )
    said = ngettext(
        "From the service's own metrics, {count} sample, taken while somebody looks at this page; each "
        "value is of the minute before it or longer.",
        "From the service's own metrics, {count} samples, taken while somebody looks at this page; each "
        "value is of the minute before it or longer.",
        seen.samples,
    )
    if seen.course is not None and seen.course.is_partial:
        said += " " + _("**More than one process answers; these are the figures of one of them.**")
    if seen.without is None:
        said += " " + _("A Prometheus that `CONCORD_PROMETHEUS` names would know all replicas, and the past.")
    return said
