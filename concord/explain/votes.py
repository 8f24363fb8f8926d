"""What each node said in a round and what became of it, in the names and numbers that people know.

The journal keeps classes by number, probabilities in ppm and values in steps; a class is named here as it was
when the round was answered. Whether an answer was right is told by the label, and for a value by the σ of
its settlement. The module looks nothing up: round, evidence and states are given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from concord.explain.weights import WeightReasons
from concord.journal import StoredRound
from concord.ledger.state import TaskState
from concord.policies.stake import MICRO
from concord.policies.voting import PPM, argmax
from concord.settlement.evidence import Evidence
from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict, Vote
from concord.types.explanation import StatedLabel, Tried, VoteExplanation
from concord.util.times import iso


class Words:
    """Integers of the journal as the names and numbers that people know.

    A class is named as it was when the round was answered, and only else as the schema has it now.
    """

    def __init__(self, verdict: Verdict, schema: TaskSchema | None) -> None:
        named = [verdict.probabilities, *(vote.probabilities for vote in verdict.votes)]
        known = tuple(label.name for label in schema.labels) if schema else ()
        self._names = next((tuple(one) for one in named if one), known)
        self._value = schema.value if schema else None
        self.is_value = verdict.unit is not None or self._value is not None

    def name(self, label: int) -> str:
        """A class's name; its number where it has none any more."""
        return self._names[label] if 0 <= label < len(self._names) else str(label)

    def counts(self, counts: Sequence[int]) -> tuple[str | None, dict[str, float] | None, float | None]:
        """A vote as its class, its probabilities and its value."""
        if self.is_value:
            return None, None, self._value.to_float(counts[0]) if self._value else None
        return (
            self.name(argmax(counts)),
            {self.name(k): count / PPM for k, count in enumerate(counts)},
            None,
        )

    def said(self, label: int, source: str, micros: int) -> StatedLabel:
        """A label as it was given."""
        if self.is_value:
            return StatedLabel(
                None, self._value.to_float(label) if self._value else None, source, iso(micros)
            )
        return StatedLabel(self.name(label), None, source, iso(micros))


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """What is known of one round beside its verdict.

    Attributes:
        stored: The round, with its label and its record.
        given: Its evidence.
        words: Its names.
        sigma: σ of its settlement, in steps, for a value that is settled.
    """

    stored: StoredRound
    given: Evidence
    words: Words
    sigma: int | None

    @property
    def record(self) -> Mapping[str, Any]:
        """What the settlement wrote down; nothing before."""
        return dict(orjson.loads(self.stored.record)) if self.stored.record else {}

    def right(self, counts: Sequence[int]) -> bool | None:
        """Whether an answer was right; a value's can only be told by the σ of its settlement."""
        label = self.stored.label
        if label is None:
            return None
        if self.given.scale is None and not self.words.is_value:
            return argmax(counts) == label
        return None if self.sigma is None else abs(counts[0] - label) <= self.sigma


def testify(
    vote: Vote, grounds: WeightReasons, task: TaskState | None, outcome: RoundOutcome
) -> VoteExplanation:
    """What one node said, weighed and earned.

    Args:
        vote: What the verdict has of it.
        grounds: The reasons of the weights.
        task: The task's state on which the round was decided.
        outcome: What is known of the round since.
    """
    given, words, node = outcome.given, outcome.words, vote.node
    ballot = given.votes.get(node) or given.shadows.get(node)
    label, probabilities, value = (
        words.counts(ballot.counts)
        if ballot and vote.outcome != "voted"
        else (vote.label, vote.probabilities, vote.value)
    )
    right = outcome.right(ballot.counts) if ballot else None
    if ballot is None and label is not None and outcome.stored.label is not None:
        right = label == words.name(outcome.stored.label)
    account = task.accounts.get(node) if task else None
    record = outcome.record
    return VoteExplanation(
        node=node,
        outcome=vote.outcome,
        version=ballot.version if ballot else vote.version,
        counted=vote.outcome == "voted" and outcome.stored.status != "no_quorum",
        weight=vote.weight,
        why=grounds.why(vote),
        label=label,
        probabilities=probabilities,
        value=value,
        stake=account.stake / MICRO if account else None,
        skill=account.skill / PPM if account else None,
        right=right,
        score=_share(record, "scores", node, PPM),
        quality=_share(record, "quality", node, PPM),
        delta=_share(record, "deltas", node, MICRO),
        challenger=_tried(node, outcome),
    )


def _tried(node: str, outcome: RoundOutcome) -> Tried | None:
    ballot = outcome.given.challengers.get(node)
    if ballot is None:
        return None
    return Tried(ballot.version, *outcome.words.counts(ballot.counts), outcome.right(ballot.counts))


def _share(record: Mapping[str, Any], part: str, node: str, whole: int) -> float | None:
    known = record.get(part, {}).get(node)
    return None if known is None else known / whole
