"""Reads the live indicators from Prometheus by its HTTP API; `QUERIES` has the query of each.

Queries use the metrics of `concord.observability.metrics`, and the chart's recording rules where those add
up to the same: a recorded p99 of several tasks is no p99 of them together. A missing value is no point,
never a zero.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import streamlit as st

from concord.errors import ConcordError, ServiceAway
from concord.http.outgoing import client_options
from frontend.data import series
from frontend.data.series import IndicatorSeries, Point

QUERIES: Final[Mapping[str, str]] = {
    series.REQUESTS: "sum(rate(concord_round_seconds_count{OF}[5m]))",
    series.ROWS: "sum(concord:rounds:rate5m{OF}) or sum(rate(concord_rounds_total{OF}[5m]))",
    **{
        name: f"histogram_quantile({share}, sum by (le) (rate(concord_{metric}_seconds_bucket{{OF}}[5m])))"
        for metric, names in (("round", series.LATENCY), ("overhead", series.OVERHEAD))
        for name, share in zip(names, series.QUANTILES, strict=True)
    },
    series.AGREEMENT: (
        "sum(rate(concord_agreement_sum{OF}[5m])) / sum(rate(concord_agreement_count{OF}[5m]))"
    ),
    **{
        status: (
            f'(sum(concord:rounds:rate5m{{OF status="{status}"}}) '
            f'or sum(rate(concord_rounds_total{{OF status="{status}"}}[5m])) '
            "or 0 * sum(rate(concord_rounds_total{OF}[5m]))) "
            "/ (sum(concord:rounds:rate5m{OF}) or sum(rate(concord_rounds_total{OF}[5m])))"
        )
        for status in (series.NO_QUORUM, series.DEGRADED)
    },
    series.FAILED: (
        '(sum(rate(concord_http_requests_total{OF route=~".*/(predict|infer)", status=~"5.."}[5m])) '
        'or 0 * sum(rate(concord_http_requests_total{OF route=~".*/(predict|infer)"}[5m]))) '
        '/ sum(rate(concord_http_requests_total{OF route=~".*/(predict|infer)"}[5m]))'
    ),
}
"""Indicator → PromQL. `OF` becomes the matchers of task and namespace; five minutes as in the rules."""

SCRAPED: Final = "count(concord_waiting_rows{OF})"
"""Whether any consensus service is scraped: this metric is there before anything was asked."""

ASKED: Final = "sum(concord_round_seconds_count{OF})"
"""How much was asked since the services started."""

STEPS: Final = 60
LEAST_STEP: Final = 15
"""Seconds; Prometheus is seldom told to scrape more often."""

WAIT_SECONDS: Final = 3.0
FRESH_SECONDS: Final = 10
"""How old indicators may be, and how long a Prometheus that is away is not asked again."""


@dataclass(frozen=True)
class PrometheusServer:
    """Where Prometheus is.

    Attributes:
        url: Its address; it may hold a password, and is not shown.
        namespace: Only series of this installation.
    """

    url: str = field(repr=False)
    namespace: str | None = None


def fill_matchers(query: str, task: str | None, namespace: str | None) -> str:
    """A query about one task, or all, of one installation, or all.

    >>> fill_matchers('sum(concord:rounds:rate5m{OF status="ok"})', "iris", None)
    'sum(concord:rounds:rate5m{task="iris", status="ok"})'
    """
    matchers = {"task": task, "namespace": namespace}
    text = " ".join(f'{name}="{_quoted(value)}",' for name, value in matchers.items() if value)
    return query.replace("OF", text).replace("{ ", "{")


@st.cache_resource(ttl=FRESH_SECONDS, max_entries=100, show_spinner=False)
def query_series(server: PrometheusServer, task: str | None, seconds: int) -> IndicatorSeries | ConcordError:
    """Indicators of the last seconds, or why there are none, which is cached as well.

    Args:
        server: Prometheus.
        task: One task; None for all together.
        seconds: How far back.
    """
    step = max(LEAST_STEP, seconds // STEPS)
    end = math.floor(time.time() / step) * step
    span = {"start": end - seconds, "end": end, "step": step}
    try:
        if not _points(server, fill_matchers(SCRAPED, None, server.namespace), span):
            raise ServiceAway(
                "Prometheus answers and has no metrics of Concord: it does not scrape the service, or "
                "CONCORD_PROMETHEUS_NAMESPACE names another installation.",
                field="CONCORD_PROMETHEUS",
            )
        indicators = [indicator for indicator in QUERIES if task is None or indicator != series.FAILED]
        lines = {
            indicator: _points(server, fill_matchers(QUERIES[indicator], task, server.namespace), span)
            for indicator in indicators
        }
        asked = _points(server, fill_matchers(ASKED, task, server.namespace), span)
    except ConcordError as error:
        return error
    return IndicatorSeries(lines, was_asked=any(point.value for point in asked))


@st.cache_resource(show_spinner=False, on_release=httpx.Client.close)
def _connect(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=WAIT_SECONDS, **client_options(url))


def _points(server: PrometheusServer, query: str, span: Mapping[str, int]) -> list[Point]:
    """The one series that a query has, oldest first."""
    document = _ask(server, {"query": query, **span})
    try:
        result = document["data"]["result"]
        return [Point(float(at), _number(value)) for entry in result[:1] for at, value in entry["values"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _away("What answers there is no Prometheus.") from error


def _ask(server: PrometheusServer, query: Mapping[str, str | int]) -> dict[str, Any]:
    try:
        response = _connect(server.url).post("/api/v1/query_range", data=dict(query))
    except httpx.HTTPError as error:
        raise _away(f"Prometheus does not answer ({error or type(error).__name__}).") from error
    try:
        document = response.json()
    except ValueError as error:
        raise _away(f"What answers there is no Prometheus (HTTP {response.status_code}).") from error
    if not isinstance(document, dict) or document.get("status") != "success":
        why = document.get("error") if isinstance(document, dict) else None
        raise _away(f"Prometheus refuses a query (HTTP {response.status_code}): {str(why)[:200]}.")
    return document


def _away(what: str) -> ServiceAway:
    return ServiceAway(what, field="CONCORD_PROMETHEUS")


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
