"""The answer to a predicted row: verdict, votes and how they were pooled.

`Vote` and `Verdict` are neither frozen nor slotted, since there are five or more a round: making a frozen
one takes three times as long, and orjson writes a verdict with slots in 4.4 µs and one without in 1.75.
"""

from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["voted", "late", "unavailable", "invalid", "shadow", "jailed"]
"""What a node did in a round. A `shadow` is asked and scored without delaying the answer and does not count;
a node that is `jailed` for malformed answers is not asked."""

NON_VOTING: Final[frozenset[Outcome]] = frozenset({"shadow", "jailed"})
"""Outcomes of nodes that were not meant to count in this round."""

Status = Literal["ok", "degraded", "no_quorum"]

SettlementStatus = Literal["none", "due", "settled"]


@dataclass
class ChallengerVote:
    """The vote of the version under trial, from the same call; it does not count."""

    version: str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None


@dataclass
class Vote:
    """One node's part in a round. Probabilities and weight are in 0..1, latency in milliseconds."""

    node: str
    outcome: Outcome
    version: str | None
    weight: float
    latency_ms: float | None
    label: str | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    challenger: ChallengerVote | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """How the votes were pooled into one answer.

    Attributes:
        method: `weighted_mean` of class numbers (policy `seed`), `weighted_median` of each class's
            probability (while labels are few) or of the values, `stake_mean` where all medians are 0,
            `linear` opinion pool once labels are many.
        mean: The weighted mean of the class numbers under `seed`.
    """

    method: Literal["weighted_mean", "weighted_median", "stake_mean", "linear"]
    mean: float | None = None


@dataclass
class Verdict:
    """The consensus answer to one row, with its evidence.

    Attributes:
        id: 128 random bits in hex; labels and explanations refer to it.
        status: `ok`: all nodes voted; `degraded`: enough did; `no_quorum`: too few, no answer.
        label: The answer of a classification.
        value: The answer of a regression, in `unit`.
        sentence: The answer for people.
        probabilities: The pooled probabilities, by label.
        agreement: Share of the weight that voted for the answer, in 0..1.
        height: Ledger block on whose state the round was decided.
        recorded: Whether the journal has it durably; `?recorded=true` waits until it has.
        settlement: `none`: no stake moves; `due`: the block follows; `settled`: it is in `block`.
    """

    id: str
    task: str
    status: Status
    label: str | None
    value: float | None
    unit: str | None
    sentence: str | None
    probabilities: dict[str, float] | None
    agreement: float | None
    policy: Literal["wager", "seed"]
    pool: Pool | None
    height: int
    recorded: bool
    settlement: SettlementStatus
    votes: list[Vote]
    block: int | None = None
    error: dict[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class PredictResponse:
    """Answer to `POST /v1/tasks/{task}/predict`: one verdict a row, in the rows' order."""

    task: str
    request_id: str
    verdicts: list[Verdict]
