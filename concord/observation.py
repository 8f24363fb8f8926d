"""What a poll adds to the metrics: durations, overhead, outcomes, votes, agreement."""

from collections.abc import Sequence
from functools import lru_cache

from concord import metrics
from concord.panel import Panel, Ruling
from concord.round import Reply


def observe(panel: Panel, replies: Sequence[Reply], rulings: Sequence[Ruling], seconds: float) -> None:
    """Counts what a poll was like. Histograms count polls; outcomes and votes count rounds."""
    task = _task_metrics(panel.task)
    task.seconds.observe(seconds)
    slowest = 0.0
    for reply in replies:
        if reply.latency_ms is not None and reply.outcome == "voted":
            slowest = max(slowest, reply.latency_ms / 1000)
    task.overhead.observe(max(0.0, seconds - slowest))
    for ruling in rulings:
        verdict = ruling.verdict
        metrics.count(task.status(verdict.status))
        if verdict.agreement is not None:
            task.agreement.observe(verdict.agreement)
        for vote in verdict.votes:
            node = _node_metrics(panel.task, vote.node)
            metrics.count(node.outcome(vote.outcome))
            if vote.outcome == "voted":
                metrics.count(node.vote(vote.label or "value"))


class _TaskMetrics:
    """A task's metrics with their labels bound, since binding costs more than counting."""

    def __init__(self, task: str) -> None:
        self.seconds = metrics.ROUND_SECONDS.labels(task)
        self.overhead = metrics.OVERHEAD_SECONDS.labels(task)
        self.agreement = metrics.AGREEMENT.labels(task)
        self.status = lru_cache(lambda status: metrics.ROUNDS.labels(task, status))


class _NodeMetrics:
    """The same of one node."""

    def __init__(self, task: str, node: str) -> None:
        self.outcome = lru_cache(lambda outcome: metrics.OUTCOMES.labels(task, node, outcome))
        self.vote = lru_cache(lambda label: metrics.VOTES.labels(task, node, label))


_task_metrics = lru_cache(_TaskMetrics)
_node_metrics = lru_cache(_NodeMetrics)
