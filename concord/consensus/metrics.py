"""The metrics of rounds: durations, overhead, outcomes, votes, agreement.

A round adds to some ten counters, so the additions are gathered in dictionaries and reach the counters when
the metrics are read: that takes a quarter of the time.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from concord.consensus.ensemble import Ensemble, RoundResult
from concord.consensus.node_client import Reply
from concord.observability import metrics
from concord.types.answers import Status

if TYPE_CHECKING:
    from concord.types.answers import Outcome


class _TaskMetrics:
    """A task's gathered counts, and its histograms with their labels bound."""

    def __init__(self, task: str) -> None:
        self.seconds = metrics.ROUND_SECONDS.labels(task)
        self.overhead = metrics.OVERHEAD_SECONDS.labels(task)
        self.agreement = metrics.AGREEMENT.labels(task)
        self.rounds: defaultdict[Status, int] = defaultdict(int)
        self.votes: defaultdict[tuple[str, Outcome, str | None], int] = defaultdict(int)


_tasks: dict[str, _TaskMetrics] = {}


def declare_task(task: str) -> None:
    """Shows a task's counts from 0 on: Prometheus sees no increase in a count that appears as 1."""
    if task not in _tasks:
        _tasks[task] = _TaskMetrics(task)
        for status in get_args(Status):
            metrics.ROUNDS.labels(task, status)


def observe_request(ensemble: Ensemble, replies: Sequence[Reply], seconds: float) -> None:
    """Observes how long one request took, and how long without its slowest node."""
    declare_task(ensemble.task)
    task = _tasks[ensemble.task]
    task.seconds.observe(seconds)
    slowest = 0.0
    for reply in replies:
        if reply.latency_ms is not None and reply.outcome == "voted":
            slowest = max(slowest, reply.latency_ms / 1000)
    task.overhead.observe(max(0.0, seconds - slowest))


def observe_round(ensemble: Ensemble, result: RoundResult) -> None:
    """Counts one round of a request that was observed before: its outcome, votes and agreement."""
    verdict = result.verdict
    task = _tasks[ensemble.task]
    task.rounds[verdict.status] += 1
    if verdict.agreement is not None:
        task.agreement.observe(verdict.agreement)
    for vote in verdict.votes:
        task.votes[vote.node, vote.outcome, vote.label] += 1


def _flush() -> None:
    """Adds what was gathered to the counters."""
    for name, task in _tasks.items():
        while task.rounds:
            status, times = task.rounds.popitem()
            metrics.ROUNDS.labels(name, status).inc(times)
        while task.votes:
            (node, outcome, label), times = task.votes.popitem()
            metrics.OUTCOMES.labels(name, node, outcome).inc(times)
            if outcome == "voted":
                metrics.VOTES.labels(name, node, label or "value").inc(times)


metrics.before_reading(_flush)
