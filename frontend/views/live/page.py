"""The page Live: how much is asked, how long it takes, how far nodes agree, and what fails.

A fragment draws it anew every few seconds, so that no choice is lost. It says where its indicators come
from: Prometheus (`CONCORD_PROMETHEUS`) or the service itself.
"""

import time
from collections.abc import Mapping
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.settings import Settings
from frontend.charts.lines import ChartFrame, ChartLine, draw_lines, lines_legend
from frontend.components import states, task_picker
from frontend.components.chart import is_light, show_chart
from frontend.components.message import show_metric, show_small
from frontend.components.table import show_table
from frontend.data.prometheus import PrometheusServer
from frontend.data.series import FAILED, INDICATORS, REQUESTS, IndicatorSeries
from frontend.text import times
from frontend.text.language import N_, _, ngettext
from frontend.views.live import data, indicators, notices
from frontend.views.live.data import LiveIndicators

DRAW_SECONDS: Final = 5
"""How often the indicators are drawn anew."""

SPANS: Final[Mapping[str, int]] = {
    N_("5 minutes"): 300,
    N_("15 minutes"): 900,
    N_("1 hour"): 3600,
    N_("6 hours"): 6 * 3600,
}
_USUAL: Final = 1


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
        task = task_picker.pick_name(tasks, "live/task", "live/kept", with_all=True)
    with right:
        names = list(SPANS)
        span = st.selectbox(_("Over the last"), names, index=_USUAL, format_func=_, key="live/span")
    _show_indicators(url, task, SPANS[span])


@st.fragment(run_every=DRAW_SECONDS)
def _show_indicators(url: str, task: str | None, seconds: int) -> None:
    settings = Settings.read()
    server = (
        PrometheusServer(settings.prometheus, settings.prometheus_namespace) if settings.prometheus else None
    )
    live = data.read_indicators(url, server, task, seconds)
    if live.prometheus_problem is not None:
        notices.show_without_prometheus(live.prometheus_problem)
    if live.series is None:
        states.show_away(url, live.problem or ConcordError(_("The service says nothing of its figures.")))
        return
    if live.problem is not None:
        notices.show_silent(live.problem)
    if not live.series.was_asked:
        notices.show_nothing_asked()
    elif not live.series.lines[REQUESTS]:
        notices.show_one_sample(2 * DRAW_SECONDS)
    else:
        _show_series(live, task, seconds)
    show_small(_source(live))


def _show_series(live: LiveIndicators, task: str | None, seconds: int) -> None:
    series = live.series
    assert series is not None
    if series.is_quiet():
        st.info(
            _("**Nothing was asked in this time.** Earlier there was something."), icon=":material/bedtime:"
        )
    with st.container(horizontal=True, gap="medium"):
        for headline in indicators.HEADLINES:
            if headline.name != FAILED or task is None:
                _show_headline(series, headline)
    now = time.time()
    charts = [chart for chart in indicators.CHARTS if any(series.lines.get(name) for name in chart.names)]
    for start in range(0, len(charts), 2):
        for chart, column in zip(charts[start : start + 2], st.columns(2, gap="large"), strict=False):
            with column:
                _show_indicator_chart(series, chart, now - seconds, now)
    with st.expander(_("The same as a table")):
        _table(series)


def _show_headline(series: IndicatorSeries, headline: indicators.Headline) -> None:
    value = indicators.format_indicator(headline.name, series.newest(headline.name))
    show_metric(_(headline.title), value, _(headline.remark), _(headline.help))


def _show_indicator_chart(
    series: IndicatorSeries, chart: indicators.IndicatorChart, since: float, until: float
) -> None:
    chart_lines = [
        ChartLine(_(indicators.NAMES[name]), series.lines[name])
        for name in chart.names
        if series.lines.get(name)
    ]
    st.subheader(_(chart.title))
    show_small(_(chart.about))
    st.html(lines_legend(chart_lines, is_light=is_light()))
    clock = "%H:%M:%S" if until - since <= SPANS["5 minutes"] else "%H:%M"
    frame = ChartFrame(since, until, chart.format, chart.factor, chart.most, clock)
    show_chart(
        draw_lines(chart_lines, frame, is_light=is_light()),
        indicators.describe_chart(series, chart),
        key=f"live/{chart.title}",
    )


def _table(series: IndicatorSeries) -> None:
    show_table(
        indicators.list_rows(series, times.browser_zone()),
        _("All figures in time, the newest first."),
        {
            _("Time"): st.column_config.TextColumn(pinned=True),
            **{
                indicators.column_heading(name): st.column_config.NumberColumn(
                    format=indicators.column_format(name)
                )
                for name in INDICATORS
            },
        },
        key="live/table",
    )


def _source(live: LiveIndicators) -> str:
    if live.source == "prometheus":
        return _(
            "From Prometheus; each value is of the five minutes before it. Drawn anew every {seconds} "
            "seconds.",
            seconds=DRAW_SECONDS,
        )
    text = ngettext(
        "From the service's own metrics, {count} sample, taken while somebody looks at this page; each "
        "value is of the minute before it or longer.",
        "From the service's own metrics, {count} samples, taken while somebody looks at this page; each "
        "value is of the minute before it or longer.",
        live.samples,
    )
    if live.series is not None and live.series.is_partial:
        text += " " + _("**More than one process answers; these are the figures of one of them.**")
    if live.prometheus_problem is None:
        text += " " + _("A Prometheus that `CONCORD_PROMETHEUS` names would know all replicas, and the past.")
    return text
