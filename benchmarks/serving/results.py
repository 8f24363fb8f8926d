"""From slices to numbers: medians, percentiles, ratios of paired slices, and what must hold.

Pure functions of the slices. A rate is the median over a stack's slices; latencies are those of all
its slices together; a ratio is the median of the ratios of slices that were taken in the same turn,
with the least and the greatest of them.
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
    """How many times the other's requests Concord served: median, least and greatest of the turns."""

    median: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Result:
    """One stack at one number of callers and rows.

    Attributes:
        rate: Requests a second.
        p50_ms: Median latency.
        p99_ms: Latency that one in a hundred exceeds.
        front_cpu_ms: CPU per request of the service that callers talk to.
        nodes_cpu_ms: CPU per request of its nodes together.
        concord_over: Concord's rate over this one's; None for Concord itself.
        failed: Requests without a right answer.
        reason: Why the first of them had none.
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
    for one in slices:
        groups.setdefault((one.rows, one.callers, one.stack), []).append(one)
    return [
        _result(group, groups.get((rows, callers, CONCORD), []))
        for (rows, callers, _), group in groups.items()
    ]


def _result(group: Sequence[Slice], concord: Sequence[Slice]) -> Result:
    first = group[0]
    latencies = sorted(latency for one in group for latency in one.latencies)
    requests = sum(one.requests for one in group)
    return Result(
        stack=first.stack,
        callers=first.callers,
        rows=first.rows,
        requests=requests,
        rate=statistics.median(one.rate for one in group),
        p50_ms=percentile(latencies, 0.50) / 1000,
        p99_ms=percentile(latencies, 0.99) / 1000,
        front_cpu_ms=sum(one.front_cpu for one in group) * 1000 / max(requests, 1),
        nodes_cpu_ms=sum(one.nodes_cpu for one in group) * 1000 / max(requests, 1),
        concord_over=None if first.stack == CONCORD else ratio(concord, group),
        failed=sum(one.failed for one in group),
        reason=next((one.reason for one in group if one.reason), ""),
    )


def percentile(ordered: Sequence[int], share: float) -> float:
    """The smallest value that at least this share does not exceed; 0 of nothing."""
    if not ordered:
        return 0.0
    rank = -int(-share * len(ordered) // 1)
    return float(ordered[max(rank, 1) - 1])


def ratio(concord: Sequence[Slice], other: Sequence[Slice]) -> Ratio | None:
    """Rates of the one over the other's in the same turn; None where the other served nothing."""
    theirs = {one.turn: one.rate for one in other}
    found = [one.rate / theirs[one.turn] for one in concord if theirs.get(one.turn)]
    return Ratio(statistics.median(found), min(found), max(found)) if found else None


def shortfalls(found: Sequence[Result]) -> list[str]:
    """What does not hold of what Concord promises, a sentence each."""
    by_place = {(one.stack, one.callers, one.rows): one for one in found}
    return [
        *_unanswered(found),
        *_too_little(by_place, PLAIN, LEAST_OVER_PLAIN),
        *_too_little(by_place, FASTAPI, LEAST_OVER_FASTAPI),
        *_too_late(by_place),
    ]


def _unanswered(found: Sequence[Result]) -> list[str]:
    return [
        f"{one.stack} failed {one.failed} of {one.requests + one.failed} requests at {one.callers} callers "
        f"and {one.rows} rows: {one.reason}."
        for one in found
        if one.failed
    ]


def _too_little(by_place: Mapping[tuple[str, int, int], Result], other: str, least: float) -> list[str]:
    place = by_place.get((other, 32, 1))
    if place is None or place.concord_over is None:
        return [f"Concord over {other} cannot be judged: 32 callers with one row were not measured."]
    median = place.concord_over.median
    if median >= least:
        return []
    return [
        f"At 32 callers and one row Concord serves {median:.3f} times the requests of {other}, not {least:g}."
    ]


def _too_late(by_place: Mapping[tuple[str, int, int], Result]) -> list[str]:
    place = by_place.get((CONCORD, 1, 1))
    if place is None or not place.requests:
        return ["Concord's p99 cannot be judged: one caller with one row was not measured."]
    times = place.p99_ms / place.p50_ms
    if times < MOST_P99_OVER_P50:
        return []
    sentence = (
        f"At one caller Concord's p99 ({place.p99_ms:.2f} ms) is {times:.1f} times its p50 "
        f"({place.p50_ms:.2f} ms), not under {MOST_P99_OVER_P50:g}."
    )
    return [sentence]
