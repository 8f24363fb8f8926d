"""Explanations of rounds; `concord.explain` makes them.

Stake is in stake units; weights, probabilities, skills and scores are in 0..1.
"""

from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["settled", "due", "awaits_label", "never"]


@dataclass(frozen=True, slots=True)
class Tried:
    """The vote of the version that is tried beside a node's own; it is scored and does not count."""

    version: str | None
    label: str | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    right: bool | None = None


@dataclass(frozen=True, slots=True)
class VoteExplanation:
    """One node's vote in a round, its weight and the reason, and what it gained or lost by it.

    Attributes:
        counted: Whether the vote was part of the answer.
        weight: Its share of all weights.
        why: The weight's reason, for people.
        stake: Its stake when the round was decided; None where it had no account.
        skill: Its skill at that time.
        right: Whether its own answer was right; None without a label.
        score: The score that it was paid by; None where it had no stake in the round.
        quality: Its quadratic score, or how close its value came.
        delta: Stake that the round gave it or took from it; None until settled.
    """

    node: str
    outcome: str
    version: str | None
    counted: bool
    weight: float
    why: str
    label: str | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    stake: float | None = None
    skill: float | None = None
    right: bool | None = None
    score: float | None = None
    quality: float | None = None
    delta: float | None = None
    challenger: Tried | None = None


@dataclass(frozen=True, slots=True)
class StatedLabel:
    """A label as it was sent: a class or a value; `source` is the name of its token."""

    label: str | None
    value: float | None
    source: str
    time: str


@dataclass(frozen=True, slots=True)
class Truth:
    """The label that counts, and later ones that contradict it and change nothing."""

    stands: StatedLabel
    disputes: list[StatedLabel] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settled:
    """The settlement that the round was part of.

    Attributes:
        block: Height of its block.
        time: When the block was made.
        event: Key of its event in the block.
        rounds: Rounds of the same task and policy that it settled.
        levelling: Node → stake that the block moved towards the deposits.
        note: Which numbers are the round's and which are the block's, for people.
    """

    block: int
    time: str
    event: str
    rounds: int
    levelling: dict[str, float]
    note: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The Merkle proof of a settlement's record, to be checked against an export of the ledger.

    Attributes:
        record: The record as text; its UTF-8 bytes are the leaf.
        path: Side (`left`, `right`) and hash of each sibling, from the leaf up.
        root: The Merkle root to which they lead.
        event: Key of the event that names the root.
        block: Height of the block that holds the event.
        block_hash: The block's hash.
    """

    record: str
    path: list[tuple[Literal["left", "right"], str]]
    root: str
    event: str
    block: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about which versions a node serves.

    Attributes:
        node: The node.
        time: When it was made.
        block: Height of its block.
        action: `challenge`, `promote`, `rollback` or `dismiss`.
        version: The version that it was about.
        before: The champion until then.
        by: Name of the token.
        why: The reason that was given.
        words: All of it in a sentence.
    """

    node: str
    time: str
    block: int
    action: str
    version: str
    before: str
    by: str
    why: str
    words: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a round was answered as it was, its label, and its settlement.

    Attributes:
        stage: The stage of its settlement.
        summary: The stage in a sentence: what it waits for, or why it never settles.
        method: How weights and answer were made, in a sentence.
        votes: One a node, sorted.
        truth: None as long as there is no label.
        settlement: None until settled.
        proof: None until settled.
        row: Why the row is not kept any more; None where it is.
        problem: Why a part is missing; None where none is.
        decisions: The newest decisions about the versions of its nodes, oldest first.
        contradiction: What the journal shows otherwise than the proof; then neither votes nor label are
            explained, since they are not what was settled.
    """

    stage: Stage
    summary: str
    method: str
    votes: list[VoteExplanation]
    truth: Truth | None = None
    settlement: Settled | None = None
    proof: Proof | None = None
    row: str | None = None
    problem: str | None = None
    decisions: list[Decided] = field(default_factory=list)
    contradiction: str | None = None
