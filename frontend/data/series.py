"""Indicators over time, computed from samples of the service's metrics or read from Prometheus.

A call is one request for one or more rows, and each row is a round. Indicators are of calls (how many,
their latency, Concord's overhead over the slowest node that counted) and of rounds (how many, their
agreement, and the share below the quorum). Pure functions.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

REQUESTS: Final = "requests"
ROWS: Final = "rows"
LATENCY: Final = ("latency_50", "latency_95", "latency_99")
OVERHEAD: Final = ("overhead_50", "overhead_95", "overhead_99")
AGREEMENT: Final = "agreement"
NO_QUORUM: Final = "no_quorum"
DEGRADED: Final = "degraded"
FAILED: Final = "failed"
INDICATORS: Final = (REQUESTS, ROWS, *LATENCY, *OVERHEAD, AGREEMENT, NO_QUORUM, DEGRADED, FAILED)
"""Two per second, six in seconds, and four shares; `failed` exists for all tasks together only."""

QUANTILES: Final = (0.5, 0.95, 0.99)

LOOK_BACK: Final = 60.0
"""Least seconds over which an indicator is computed: five seconds of few calls have no p99."""


class CountKey(NamedTuple):
    """What a cumulative count is of: a metric, a task (empty: of none), and its status, bound or outcome."""

    metric: str
    task: str
    detail: str


MetricCounts = Mapping[CountKey, float]
"""Cumulative counts of one process at one moment, or their increase between two."""

ROUNDS: Final = "concord_rounds_total"
LATENCY_BUCKET: Final = "concord_round_seconds_bucket"
CALLS: Final = "concord_round_seconds_count"
OVERHEAD_BUCKET: Final = "concord_overhead_seconds_bucket"
AGREEMENT_SUM: Final = "concord_agreement_sum"
AGREEMENT_COUNT: Final = "concord_agreement_count"
HTTP: Final = "concord_http_requests_total"
"""Here only of predictions; the detail is `failed` for a 5xx and else `answered`."""


@dataclass(frozen=True)
class Point:
    """An indicator's value at a time, in seconds since the epoch; None without a value, as without calls."""

    time: float
    value: float | None


@dataclass(frozen=True)
class IndicatorSeries:
    """Indicators over time.

    Attributes:
        lines: Indicator → its points, oldest first.
        was_asked: Whether anything was asked since the service started.
        is_partial: Whether other processes answered meanwhile, which are left out.
    """

    lines: Mapping[str, Sequence[Point]]
    was_asked: bool
    is_partial: bool = False

    def newest(self, indicator: str) -> float | None:
        """The newest value of an indicator."""
        points = self.lines.get(indicator, ())
        return points[-1].value if points else None

    def is_quiet(self) -> bool:
        """Whether nothing was asked in all of this time."""
        return not any(point.value for point in self.lines.get(REQUESTS, ()))


@dataclass(frozen=True, eq=False)
class Sample:
    """All counts of a process, as it stated them at a moment.

    Attributes:
        time: Seconds since the epoch.
        process: When that process started, which tells it from another; None where it does not say.
        counts: Cumulative since then.
    """

    time: float
    process: float | None
    counts: MetricCounts


def compute_series(samples: Sequence[Sample], task: str | None, since: float, step: float) -> IndicatorSeries:
    """Indicators at samples that lie a step or more apart, each over a step or `LOOK_BACK` seconds before it.

    Counts of several processes are never mixed: where more than one answers at the same time, as of a service
    with replicas, the indicators are those of the one that answered last.

    Args:
        samples: Oldest first.
        task: One task; None for all together.
        since: No point is older.
        step: Seconds.
    """
    lines: dict[str, list[Point]] = {indicator: [] for indicator in INDICATORS}
    processes = _split_by_process(samples)
    successive = _select_successive(processes, samples[-1]) if samples else []
    for earlier, later in (pair for line in successive for pair in _pair_samples(line, step)):
        if later.time >= since:
            values = compute_indicators(
                count_increase(earlier.counts, later.counts), task, later.time - earlier.time
            )
            for indicator, value in values.items():
                lines[indicator].append(Point(later.time, value))
    total = _sum(samples[-1].counts, CALLS, task) if samples else 0.0
    return IndicatorSeries(lines, was_asked=total > 0, is_partial=len(successive) < len(processes))


def count_increase(earlier: MetricCounts, later: MetricCounts) -> MetricCounts:
    """What was added; a count that the earlier sample lacks has begun at zero."""
    return {key: value - earlier.get(key, 0.0) for key, value in later.items()}


def compute_indicators(added: MetricCounts, task: str | None, seconds: float) -> dict[str, float | None]:
    """The indicators of a span of time.

    Args:
        added: What was added to each count.
        task: One task; None for all together.
        seconds: How long it took.
    """
    calls, rounds = _sum(added, CALLS, task), _sum(added, ROUNDS, task)
    values: dict[str, float | None] = {REQUESTS: calls / seconds, ROWS: rounds / seconds}
    for names, metric in ((LATENCY, LATENCY_BUCKET), (OVERHEAD, OVERHEAD_BUCKET)):
        buckets = _buckets(added, metric, task)
        values |= {
            name: interpolate_quantile(share, buckets) for name, share in zip(names, QUANTILES, strict=True)
        }
    values[AGREEMENT] = _ratio(_sum(added, AGREEMENT_SUM, task), _sum(added, AGREEMENT_COUNT, task))
    for indicator in (NO_QUORUM, DEGRADED):
        values[indicator] = _ratio(_sum(added, ROUNDS, task, indicator), rounds)
    if task is None:
        values[FAILED] = _ratio(_sum(added, HTTP, None, "failed"), _sum(added, HTTP, None))
    return values


def interpolate_quantile(share: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """A quantile by linear interpolation within its bucket, as PromQL's `histogram_quantile` finds it.

    Args:
        share: Which, in 0..1.
        buckets: Upper bound and cumulative count, rising; the last bound is infinite.

    >>> quantile(0.5, [(1.0, 0), (2.0, 10), (math.inf, 10)])
    1.5
    """
    if not buckets or buckets[-1][1] <= 0:
        return None
    rank, low, below = share * buckets[-1][1], 0.0, 0.0
    for bound, count in buckets:
        if count >= rank and count > below:
            return low if math.isinf(bound) else low + (bound - low) * (rank - below) / (count - below)
        low, below = low if math.isinf(bound) else bound, count
    return low


def _pair_samples(line: Sequence[Sample], step: float) -> Iterator[tuple[Sample, Sample]]:
    """Pairs of samples: later ones a step or more apart, and the newest; each with one `LOOK_BACK` older."""
    times = [sample.time for sample in line]
    newest = -math.inf
    for index, sample in enumerate(line[1:], 1):
        if sample.time - newest >= step or index == len(line) - 1:
            earlier = bisect_right(times, sample.time - max(step, LOOK_BACK)) - 1
            yield line[max(0, earlier)], sample
            newest = sample.time


def _split_by_process(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The samples of each process; a new process is recognised by its start, or by counts that fell."""
    lines: list[list[Sample]] = []
    open_: dict[float | None, list[Sample]] = {}
    for sample in samples:
        line = open_.get(sample.process)
        if line is None or _has_fallen(line[-1].counts, sample.counts):
            open_[sample.process] = line = []
            lines.append(line)
        line.append(sample)
    return lines


def _select_successive(lines: Sequence[Sequence[Sample]], newest: Sample) -> list[Sequence[Sample]]:
    """The process with the newest sample, and those that ended before it began, and so on."""
    selected: list[Sequence[Sample]] = []
    for line in sorted(lines, key=lambda line: (line[-1] is newest, line[-1].time), reverse=True):
        if not selected or line[-1].time < selected[0][0].time:
            selected.insert(0, line)
    return selected


def _has_fallen(earlier: MetricCounts, later: MetricCounts) -> bool:
    return any(later.get(key, 0.0) < value for key, value in earlier.items())


def _sum(counts: MetricCounts, metric: str, task: str | None, detail: str | None = None) -> float:
    return sum(
        value
        for key, value in counts.items()
        if key.metric == metric and task in (None, key.task) and detail in (None, key.detail)
    )


def _buckets(counts: MetricCounts, metric: str, task: str | None) -> list[tuple[float, float]]:
    by_bound: dict[float, float] = {}
    for key, value in counts.items():
        if key.metric == metric and task in (None, key.task):
            bound = float(key.detail)
            by_bound[bound] = by_bound.get(bound, 0.0) + value
    return sorted(by_bound.items())


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
