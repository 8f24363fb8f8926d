"""What a poll adds to the metrics: durations, overhead, outcomes, votes, agreement.

A round counts some ten things, so they are gathered by what they have in common, and reach their
counters when somebody reads the metrics: that takes a quarter of what the counters themselves do.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from concord.consensus.ensemble import Ensemble, RoundResult
from concord.consensus.poll import Reply
from concord.observability import metrics
from concord.types.answers import Status

if TYPE_CHECKING:
    from concord.types.answers import Outcome


class _Gathered:
    """What has been counted of a task, and its histograms with their labels bound."""

    def __init__(self, task: str) -> None:
        self.seconds = metrics.ROUND_SECONDS.labels(task)
        self.overhead = metrics.OVERHEAD_SECONDS.labels(task)
        self.agreement = metrics.AGREEMENT.labels(task)
        self.rounds: defaultdict[Status, int] = defaultdict(int)
        self.votes: defaultdict[tuple[str, Outcome, str | None], int] = defaultdict(int)


_tasks: dict[str, _Gathered] = {}


def begin(task: str) -> None:
    """Has a task's counts told from 0 on: Prometheus sees no increase in a count that comes up as 1."""
    if task not in _tasks:
        _tasks[task] = _Gathered(task)
        for status in get_args(Status):
            metrics.ROUNDS.labels(task, status)


def observe(
    panel: Ensemble, replies: Sequence[Reply], rulings: Sequence[RoundResult], seconds: float
) -> None:
    """Counts what a poll was like. Histograms count polls; outcomes and votes count rounds."""
    begin(panel.task)
    task = _tasks[panel.task]
    metrics.observe(task.seconds, seconds)
    slowest = 0.0
    for reply in replies:
        if reply.latency_ms is not None and reply.outcome == "voted":
            slowest = max(slowest, reply.latency_ms / 1000)
    metrics.observe(task.overhead, max(0.0, seconds - slowest))
    for ruling in rulings:
        verdict = ruling.verdict
        task.rounds[verdict.status] += 1
        if verdict.agreement is not None:
            metrics.observe(task.agreement, verdict.agreement)
        for vote in verdict.votes:
            task.votes[vote.node, vote.outcome, vote.label] += 1


def _tell() -> None:
    """Brings to the counters what was gathered."""
    for name, task in _tasks.items():
        while task.rounds:
            status, times = task.rounds.popitem()
            metrics.ROUNDS.labels(name, status).inc(times)
        while task.votes:
            (node, outcome, label), times = task.votes.popitem()
            metrics.OUTCOMES.labels(name, node, outcome).inc(times)
            if outcome == "voted":
                metrics.VOTES.labels(name, node, label or "value").inc(times)


metrics.before_reading(_tell)
