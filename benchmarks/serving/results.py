"""Results of the serving benchmark: rates, percentiles and ratios of slices, and the promises.

A rate is the median over a stack's slices; percentiles are over all their latencies; a ratio is the median,
least and greatest over the slices of the same turn.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.serving.slices import Slice
from benchmarks.serving.stacks import CONCORD, FASTAPI, PLAIN

LEAST_OVER_PLAIN: Final = 4.0
LEAST_OVER_FASTAPI: Final = 2.0
MOST_P99_OVER_P50: Final = 5.0
"""What Concord promises: the first two at 32 callers and one row, the last at one caller."""


@dataclass(frozen=True)
class Ratio:
    """Concord's rate over another stack's: median, least and greatest of the turns."""

    median: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Result:
    """Figures of one stack at one number of callers and rows.

    Attributes:
        rate: Requests a second.
        p50_ms: Median latency.
        p99_ms: Latency that one in a hundred exceeds.
        front_cpu_ms: CPU per request of the service that callers talk to.
        nodes_cpu_ms: CPU per request of its nodes together.
        concord_over: Concord's rate over this stack's; None for Concord itself.
        failed: Requests without a right answer.
        reason: Reason of the first failure.
    """

    stack: str
    callers: int
    rows: int
    requests: int
    rate: float
    p50_ms: float
    p99_ms: float
    front_cpu_ms: float
    nodes_cpu_ms: float
    concord_over: Ratio | None
    failed: int
    reason: str

    @property
    def row_rate(self) -> float:
        """Rows a second."""
        return self.rate * self.rows


def results(slices: Sequence[Slice]) -> list[Result]:
    """One result for each stack, number of callers and number of rows, in the order of their first slices."""
    groups: dict[tuple[int, int, str], list[Slice]] = {}
    for slice_ in slices:
        groups.setdefault((slice_.rows, slice_.callers, slice_.stack), []).append(slice_)
    return [
        _result(group, groups.get((rows, callers, CONCORD), []))
        for (rows, callers, _), group in groups.items()
    ]


def _result(group: Sequence[Slice], concord: Sequence[Slice]) -> Result:
    first = group[0]
    latencies = sorted(latency for slice_ in group for latency in slice_.latencies)
    requests = sum(slice_.requests for slice_ in group)
    return Result(
        stack=first.stack,
        callers=first.callers,
        rows=first.rows,
        requests=requests,
        rate=statistics.median(slice_.rate for slice_ in group),
        p50_ms=percentile(latencies, 0.50) / 1000,
        p99_ms=percentile(latencies, 0.99) / 1000,
        front_cpu_ms=sum(slice_.front_cpu for slice_ in group) * 1000 / max(requests, 1),
        nodes_cpu_ms=sum(slice_.nodes_cpu for slice_ in group) * 1000 / max(requests, 1),
        concord_over=None if first.stack == CONCORD else ratio(concord, group),
        failed=sum(slice_.failed for slice_ in group),
        reason=next((slice_.reason for slice_ in group if slice_.reason), ""),
    )


def percentile(ordered: Sequence[int], share: float) -> float:
    """The smallest value that at least this share does not exceed; 0 without values."""
    if not ordered:
        return 0.0
    rank = -int(-share * len(ordered) // 1)
    return float(ordered[max(rank, 1) - 1])


def ratio(concord: Sequence[Slice], other: Sequence[Slice]) -> Ratio | None:
    """Concord's rates over another stack's in the same turns; None where that one served nothing."""
    other_rates = {slice_.turn: slice_.rate for slice_ in other}
    ratios = [slice_.rate / other_rates[slice_.turn] for slice_ in concord if other_rates.get(slice_.turn)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def shortfalls(results_: Sequence[Result]) -> list[str]:
    """The promises that are not kept, a sentence each."""
    by_setting = {(result.stack, result.callers, result.rows): result for result in results_}
    return [
        *_unanswered(results_),
        *_slow(by_setting, PLAIN, LEAST_OVER_PLAIN),
        *_slow(by_setting, FASTAPI, LEAST_OVER_FASTAPI),
        *_uneven(by_setting),
    ]


def _unanswered(results_: Sequence[Result]) -> list[str]:
    return [
        f"{result.stack} failed {result.failed} of {result.requests + result.failed} requests "
        f"at {result.callers} callers and {result.rows} rows: {result.reason}."
        for result in results_
        if result.failed
    ]


def _slow(by_setting: Mapping[tuple[str, int, int], Result], other: str, least: float) -> list[str]:
    result = by_setting.get((other, 32, 1))
    if result is None or result.concord_over is None:
        return [f"Concord over {other} cannot be judged: 32 callers with one row were not measured."]
    median = result.concord_over.median
    if median >= least:
        return []
    return [
        f"At 32 callers and one row Concord serves {median:.3f} times the requests of {other}, not {least:g}."
    ]


def _uneven(by_setting: Mapping[tuple[str, int, int], Result]) -> list[str]:
    result = by_setting.get((CONCORD, 1, 1))
    if result is None or not result.requests:
        return ["Concord's p99 cannot be judged: one caller with one row was not measured."]
    times = result.p99_ms / result.p50_ms
    if times < MOST_P99_OVER_P50:
        return []
    sentence = (
        f"At one caller Concord's p99 ({result.p99_ms:.2f} ms) is {times:.1f} times its p50 "
        f"({result.p50_ms:.2f} ms), not under {MOST_P99_OVER_P50:g}."
    )
    return [sentence]
