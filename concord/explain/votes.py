"""Explains each node's vote in a round: what it answered, what it weighed, and what it earned.

The journal stores classes by number, probabilities in ppm and values in steps; they are decoded here. Whether
an answer was right follows from the label, and for a value from the σ of its settlement too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from concord.explain.weights import WeightReasons
from concord.journal.rows import StoredRound
from concord.policies.stake import MICRO, Account
from concord.policies.voting import PPM, argmax
from concord.settlement.evidence import Evidence
from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict, Vote
from concord.types.explanation import StatedLabel, Tried, VoteExplanation
from concord.util.times import iso


class AnswerDecoder:
    """Decodes the journal's integers into class names, probabilities and values.

    Classes have the names that the verdict used; the schema's present names only where it used none.
    """

    def __init__(self, verdict: Verdict, schema: TaskSchema | None) -> None:
        named = [verdict.probabilities, *(vote.probabilities for vote in verdict.votes)]
        present = tuple(label.name for label in schema.labels) if schema else ()
        self._names = next((tuple(probabilities) for probabilities in named if probabilities), present)
        self._value = schema.value if schema else None
        self.is_value = verdict.unit is not None or self._value is not None

    @property
    def is_readable(self) -> bool:
        """Whether numbers have names, or steps a size."""
        return self._value is not None if self.is_value else bool(self._names)

    def class_name(self, label: int) -> str:
        """A class's name; its number where the name is not known any more."""
        return self._names[label] if 0 <= label < len(self._names) else str(label)

    def decode_counts(
        self, counts: Sequence[int]
    ) -> tuple[str | None, dict[str, float] | None, float | None]:
        """A vote as its class, its probabilities and its value."""
        if self.is_value:
            return None, None, self._decode_value(counts[0])
        probabilities = {self.class_name(k): count / PPM for k, count in enumerate(counts)}
        return self.class_name(argmax(counts)), probabilities, None

    def decode_label(self, label: int, source: str, micros: int) -> StatedLabel:
        """A label with its source and time."""
        if self.is_value:
            return StatedLabel(None, self._decode_value(label), source, iso(micros))
        return StatedLabel(self.class_name(label), None, source, iso(micros))

    def format_answer(self, answer: int) -> str:
        """A class's name, or a value, as text."""
        return str(self._decode_value(answer)) if self.is_value else self.class_name(answer)

    def _decode_value(self, steps: int) -> float | None:
        return self._value.to_float(steps) if self._value else None


@dataclass(frozen=True, slots=True)
class RoundContext:
    """What the votes of a round are explained from.

    Attributes:
        stored: The round, with its label and its record.
        evidence: Its evidence.
        decoder: Decodes its answers.
        reasons: The reasons of its weights.
        accounts: The accounts on which it was decided.
        sigma: σ of its settlement, in steps; None for classes and before the settlement.
    """

    stored: StoredRound
    evidence: Evidence
    decoder: AnswerDecoder
    reasons: WeightReasons
    accounts: Mapping[str, Account]
    sigma: int | None

    @property
    def record(self) -> Mapping[str, Any]:
        """The settlement's record; empty before the settlement."""
        return dict(orjson.loads(self.stored.record)) if self.stored.record else {}

    def is_right(self, counts: Sequence[int]) -> bool | None:
        """Whether an answer was right; None while that is not known."""
        label = self.stored.label
        if label is None:
            return None
        if self.evidence.scale is None and not self.decoder.is_value:
            return argmax(counts) == label
        return None if self.sigma is None else abs(counts[0] - label) <= self.sigma


def explain_vote(vote: Vote, context: RoundContext) -> VoteExplanation:
    """Explains one node's vote.

    Args:
        vote: The verdict's vote.
        context: The round.
    """
    evidence, node = context.evidence, vote.node
    ballot = evidence.votes.get(node) or evidence.shadows.get(node)
    label, probabilities, value = vote.label, vote.probabilities, vote.value
    if ballot and vote.outcome != "voted":
        label, probabilities, value = context.decoder.decode_counts(ballot.counts)
    right = context.is_right(ballot.counts) if ballot else None
    if ballot is None and label is not None and context.stored.label is not None:
        right = label == context.decoder.class_name(context.stored.label)
    account = context.accounts.get(node)
    record = context.record
    return VoteExplanation(
        node=node,
        outcome=vote.outcome,
        version=ballot.version if ballot else vote.version,
        counted=vote.outcome == "voted" and context.stored.status != "no_quorum",
        weight=vote.weight,
        why=context.reasons.explain(vote),
        label=label,
        probabilities=probabilities,
        value=value,
        stake=account.stake / MICRO if account else None,
        skill=account.skill / PPM if account else None,
        right=right,
        score=_read_share(record, "scores", node, PPM),
        quality=_read_share(record, "quality", node, PPM),
        delta=_read_share(record, "deltas", node, MICRO),
        challenger=_explain_challenger(node, context),
    )


def _explain_challenger(node: str, context: RoundContext) -> Tried | None:
    ballot = context.evidence.challengers.get(node)
    if ballot is None:
        return None
    answer = context.decoder.decode_counts(ballot.counts)
    return Tried(ballot.version, *answer, context.is_right(ballot.counts))


def _read_share(record: Mapping[str, Any], part: str, node: str, unit: int) -> float | None:
    share = record.get(part, {}).get(node)
    return None if share is None else share / unit
