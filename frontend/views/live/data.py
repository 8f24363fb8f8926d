"""Reads the live indicators: from Prometheus where it is configured, else from the service's `/metrics`.

Nothing runs in the background. A page that is drawn takes a sample, at most one in `LEAST_SECONDS` for all
sessions together, and all sessions read the samples that the process keeps. Counts are cumulative, so one
sample a minute is enough for older times.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from concord.client import Client
from concord.errors import ConcordError
from frontend.data import exposition, prometheus
from frontend.data.prometheus import PrometheusServer
from frontend.data.series import IndicatorSeries, Sample, compute_series

LEAST_SECONDS: Final = 4.0
"""Between two samples; the page is drawn anew every five."""

RECENT_SECONDS: Final = 900.0
"""How long every sample is kept; of older ones one a minute."""

MINUTE: Final = 60.0

KEPT_SECONDS: Final = 6 * 3600.0
"""How long samples are kept: some 600 of one process, of 10 to 30 kB each."""

MOST_SAMPLES: Final = 2000
"""How many are kept at most, where many replicas answer or a service starts again and again."""

WAIT_SECONDS: Final = 3.0
"""How long a sample is waited for. The service writes its metrics in milliseconds."""

POINTS: Final = 60
"""About so many points has a line at most."""


@dataclass(frozen=True)
class RingReading:
    """The samples of a service, as the ring has them.

    Attributes:
        samples: Oldest first.
        problem: Why the last try brought no sample.
    """

    samples: tuple[Sample, ...]
    problem: ConcordError | None


@dataclass(frozen=True)
class LiveIndicators:
    """The indicators that a page shows, and where they come from.

    Attributes:
        series: The indicators; None where there is none at all.
        source: `prometheus` or `service`.
        samples: Of the service's own: how many are kept.
        problem: Why the service, if it is the source, did not answer just now.
        prometheus_problem: Why Prometheus is not the source although it is configured.
    """

    series: IndicatorSeries | None
    source: str
    samples: int = 0
    problem: ConcordError | None = None
    prometheus_problem: ConcordError | None = None


class SampleRing:
    """Samples of one service, bounded, for all sessions of this process.

    Args:
        read: Asks for its metrics.
        now: Seconds since the epoch.
    """

    def __init__(self, read: Callable[[], str], now: Callable[[], float] = time.time) -> None:
        self._read, self._now = read, now
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque()
        self._tried = float("-inf")
        self._problem: ConcordError | None = None

    def read(self) -> RingReading:
        """Takes a sample if the last is old enough and no other thread takes one; never waits for another."""
        if self._lock.acquire(blocking=False):
            try:
                # A clock that was put back must not keep the page from ever looking again.
                if not 0 <= self._now() - self._tried < LEAST_SECONDS:
                    self._take()
            finally:
                self._lock.release()
        return RingReading(tuple(self._samples.copy()), self._problem)

    def _take(self) -> None:
        self._tried = self._now()
        try:
            taken = exposition.parse_sample(self._read(), self._now())
        except ConcordError as error:
            self._problem = error
            return
        self._problem = None
        self._samples = deque([*self._thinned(taken.time), taken])

    def _thinned(self, now: float) -> list[Sample]:
        samples: list[Sample] = []
        newest: dict[float | None, float] = {}
        for sample in self._samples:
            age = now - sample.time
            is_minute_later = sample.time - newest.get(sample.process, float("-inf")) >= MINUTE
            if 0 <= age <= KEPT_SECONDS and (age <= RECENT_SECONDS or is_minute_later):
                samples.append(sample)
                newest[sample.process] = sample.time
        return samples[1 - MOST_SAMPLES :]


@st.cache_resource(show_spinner=False, on_release=Client.close)
def _connect(url: str) -> Client:
    """A connection of its own, which does not wait long."""
    return Client(url, WAIT_SECONDS)


@st.cache_resource(show_spinner=False)
def sample_ring(url: str) -> SampleRing:
    """The samples of a service, shared by all sessions."""
    return SampleRing(lambda: _connect(url).metrics())


@st.cache_resource(max_entries=100, show_spinner=False)
def _cache_series(
    url: str,  # noqa: ARG001 - keeps services apart
    task: str | None,
    seconds: int,
    newest: float,
    _samples: Sequence[Sample],
) -> IndicatorSeries:
    """The indicators up to the newest sample, computed once for all sessions."""
    return compute_series(_samples, task, newest - seconds, seconds / POINTS)


def read_indicators(
    url: str, server: PrometheusServer | None, task: str | None, seconds: int
) -> LiveIndicators:
    """The indicators of the last seconds.

    Args:
        url: The consensus service.
        server: Prometheus, where it is configured.
        task: One task; None for all together.
        seconds: How far back.
    """
    prometheus_problem: ConcordError | None = None
    if server is not None:
        queried = prometheus.query_series(server, task, seconds)
        if isinstance(queried, IndicatorSeries):
            return LiveIndicators(queried, "prometheus")
        prometheus_problem = queried
    reading = sample_ring(url).read()
    if not reading.samples:
        return LiveIndicators(None, "service", problem=reading.problem, prometheus_problem=prometheus_problem)
    series = _cache_series(url, task, seconds, reading.samples[-1].time, reading.samples)
    return LiveIndicators(series, "service", len(reading.samples), reading.problem, prometheus_problem)
