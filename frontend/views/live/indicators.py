"""Names, units, headlines and charts of the live indicators, which `frontend.data.series` defines."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from frontend.data import series
from frontend.data.series import IndicatorSeries
from frontend.text import language, wording
from frontend.text.language import N_, _

_QUANTILE_NAMES: Final = (
    N_("half are faster (p50)"),
    N_("95% are faster (p95)"),
    N_("99% are faster (p99)"),
)
NAMES: Final[Mapping[str, str]] = {
    series.REQUESTS: N_("requests"),
    series.ROWS: N_("rows"),
    **dict(zip(series.LATENCY, _QUANTILE_NAMES, strict=True)),
    **dict(zip(series.OVERHEAD, _QUANTILE_NAMES, strict=True)),
    series.AGREEMENT: N_("agreement"),
    series.NO_QUORUM: N_("no consensus"),
    series.DEGRADED: N_("a node was missing"),
    series.FAILED: N_("requests that failed (5xx)"),
}
"""Indicator → the name of its line."""


@dataclass(frozen=True)
class Headline:
    """An indicator in the row at the top; texts in English.

    Attributes:
        name: The indicator.
        title: What it is called.
        remark: Below its value.
        help: Explains it.
    """

    name: str
    title: str
    remark: str
    help: str


@dataclass(frozen=True)
class IndicatorChart:
    """A chart of up to three indicators; texts in English.

    Attributes:
        title: Above it.
        about: What it shows, with its unit.
        names: The indicators.
        format: Of the axis, as d3 has it.
        factor: From the indicator's unit to that of the axis.
        most: Top of the axis; None: as high as the values.
    """

    title: str
    about: str
    names: tuple[str, ...]
    format: str = ",.4~r"
    factor: float = 1.0
    most: float | None = None


HEADLINES: Final = (
    Headline(
        series.REQUESTS,
        N_("Requests"),
        N_("a second"),
        N_("Requests for predictions that nodes were asked for; one may hold many rows."),
    ),
    Headline(
        series.LATENCY[0],
        N_("Latency, p50"),
        N_("half are faster"),
        N_("From a request's rows to their answers, within the service."),
    ),
    Headline(
        series.LATENCY[2],
        N_("Latency, p99"),
        N_("99 of 100 are faster"),
        N_("From a request's rows to their answers, within the service."),
    ),
    Headline(
        series.OVERHEAD[2],
        N_("Overhead, p99"),
        N_("added to the slowest node"),
        N_("What Concord adds to its slowest node that counted: 99 of 100 requests are below."),
    ),
    Headline(
        series.AGREEMENT,
        N_("Agreement"),
        N_("of the weight, on average"),
        N_("Share of the weight that stands behind the answer."),
    ),
    Headline(
        series.NO_QUORUM,
        N_("Without consensus"),
        N_("of the rows"),
        N_("Rows for which too few nodes gave a usable answer in time."),
    ),
    Headline(
        series.FAILED,
        N_("Failed"),
        N_("of the requests"),
        N_("Requests for predictions that were answered with a 5xx, of all tasks together."),
    ),
)

CHARTS: Final = (
    IndicatorChart(
        N_("How much is asked?"),
        N_("Requests and their rows, a second."),
        (series.REQUESTS, series.ROWS),
    ),
    IndicatorChart(
        N_("How long do answers take?"),
        N_("Milliseconds of a request."),
        series.LATENCY,
        factor=1000,
    ),
    IndicatorChart(
        N_("What does Concord add?"),
        N_("Milliseconds beyond the slowest node that counted."),
        series.OVERHEAD,
        factor=1000,
    ),
    IndicatorChart(
        N_("How far do nodes agree?"),
        N_("Share of the weight that stands behind the answer, on average."),
        (series.AGREEMENT,),
        ".0%",
        most=1.0,
    ),
    IndicatorChart(
        N_("What fails?"),
        N_("Share of rows without consensus or without a node, and of requests that failed."),
        (series.NO_QUORUM, series.DEGRADED, series.FAILED),
        ".1~%",
    ),
)

_SECONDS: Final = {*series.LATENCY, *series.OVERHEAD}
_A_SECOND: Final = {series.REQUESTS, series.ROWS}


def format_indicator(name: str, value: float | None) -> str:
    """An indicator's value with its unit."""
    if value is None:
        return "–"
    if name in _SECONDS:
        return f"{_digits(value * 1000)} ms"
    return _digits(value) if name in _A_SECOND else wording.format_share(value)


def describe_chart(indicator_series: IndicatorSeries, chart: IndicatorChart) -> str:
    """A chart as text: each line's newest value and its range."""
    parts = []
    for name in chart.names:
        values = [point.value for point in indicator_series.lines.get(name, ()) if point.value is not None]
        if values:
            parts.append(
                _(
                    "{name}: {now} now, {least} to {most} in this time",
                    name=_(NAMES[name]),
                    now=format_indicator(name, indicator_series.newest(name)),
                    least=format_indicator(name, min(values)),
                    most=format_indicator(name, max(values)),
                )
            )
    values_text = "; ".join(parts) or _("no value in this time")
    return f"{_(chart.title)} {values_text}."


def column_heading(name: str) -> str:
    """An indicator's column in the table."""
    for title, names in (
        (N_("Latency {quantile} (ms)"), series.LATENCY),
        (N_("Overhead {quantile} (ms)"), series.OVERHEAD),
    ):
        if name in names:
            return _(title, quantile=f"p{round(series.QUANTILES[names.index(name)] * 100)}")
    title = _(NAMES[name])
    return f"{title[:1].upper()}{title[1:]}" + (f" ({_('a second')})" if name in _A_SECOND else "")


def column_format(name: str) -> str:
    """How Streamlit writes an indicator's column."""
    if name in _SECONDS:
        return "%.1f"
    return "%.2f" if name in _A_SECOND else "%.1f%%"


def list_rows(indicator_series: IndicatorSeries, zone: tzinfo) -> list[dict[str, Any]]:
    """The table's rows, the newest first.

    Args:
        indicator_series: What is listed.
        zone: The reader's time zone.
    """
    by_time: dict[float, dict[str, float | None]] = {}
    for name in series.INDICATORS:
        for point in indicator_series.lines.get(name, ()):
            by_time.setdefault(point.time, {})[name] = point.value
    shown = [name for name in series.INDICATORS if indicator_series.lines.get(name)]
    return [
        {
            _("Time"): _clock(at, zone),
            **{column_heading(name): _cell(name, values.get(name)) for name in shown},
        }
        for at, values in sorted(by_time.items(), reverse=True)
    ]


def _cell(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    return value * 1000 if name in _SECONDS else value if name in _A_SECOND else value * 100


def _clock(seconds: float, zone: tzinfo) -> str:
    suffix = " UTC" if zone is UTC else ""
    return f"{datetime.fromtimestamp(seconds, zone):%H:%M:%S}{suffix}"


def _digits(value: float) -> str:
    """About three digits, since the number changes every few seconds."""
    if value >= 100:
        return language.format_decimal(value, "#,##0")
    return language.format_decimal(
        value, "0.0" if value >= 10 else "0.00" if value >= 0.005 or value == 0 else "0.0000"
    )
