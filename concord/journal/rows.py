"""What the journal takes in and gives back: rounds, labels and claims, as values that decide nothing."""

from dataclasses import dataclass
from typing import Literal

from concord.types.answers import SettlementStatus

LabelStatus = Literal["accepted", "known", "conflict", "unknown"]


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A round as it is recorded.

    Attributes:
        id: 32 hex digits.
        task: The task's name.
        time: µs since the epoch.
        status: `ok`, `degraded` or `no_quorum`.
        policy: `wager` or `seed`.
        height: Ledger height on whose state the round was decided.
        request_id: The caller's id.
        traceparent: The caller's W3C trace context, if it has one.
        verdict: JSON of the answer as the caller got it.
        features: JSON of the row; None once forgotten or expired.
        evidence: Canonical JSON of the integers that settling needs.
        due: Whether the round moves money.
    """

    id: str
    task: str
    time: int
    status: str
    policy: str
    height: int
    request_id: str
    verdict: bytes
    features: bytes | None
    evidence: bytes | None
    due: bool
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class StoredRound(RoundRow):
    """A round as it is read back.

    Attributes:
        block: Height of the block that settled it.
        block_hash: Hash of that block.
        record: Canonical JSON of what the settlement did, a leaf under the block's Merkle root.
        label: What was true: a class's number, or a value in steps of the task's resolution.
        label_source: Name of the token that the label came with.
        label_time: When it came, in µs since the epoch.
    """

    block: int | None = None
    block_hash: str | None = None
    record: bytes | None = None
    label: int | None = None
    label_source: str | None = None
    label_time: int | None = None


@dataclass(frozen=True, slots=True)
class KeptRound:
    """What drift is seen in: a round whose row is kept, with its label if it has one.

    Attributes:
        id: 32 hex digits.
        time: µs since the epoch.
        features: JSON of the row.
        verdict: JSON of the answer.
        label: What was true: a class's number, or a value in steps of the task's resolution.
    """

    id: str
    time: int
    features: bytes
    verdict: bytes
    label: int | None


@dataclass(frozen=True, slots=True)
class LabelledRound:
    """What a model can learn from: a round whose row is kept, and what was true.

    Attributes:
        id: 32 hex digits.
        time: µs since the epoch.
        features: JSON of the row.
        label: A class's number, or a value in steps of the task's resolution.
    """

    id: str
    time: int
    features: bytes
    label: int


@dataclass(frozen=True, slots=True)
class JudgedRound:
    """What two versions are compared on: a labelled round's votes.

    Attributes:
        id: 32 hex digits.
        time: µs since the epoch.
        evidence: JSON of the votes as integers.
        label: What was true: a class's number, or a value in steps of the task's resolution.
        label_time: When that came, in µs since the epoch.
    """

    id: str
    time: int
    evidence: bytes
    label: int
    label_time: int


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label of a round as it came in.

    Attributes:
        id: The round.
        label: A class's number, or a value in steps of the task's resolution.
        source: Name of the token that it came with.
        time: µs since the epoch.
        request_id: Id of the request that brought it.
    """

    id: str
    label: int
    source: str
    time: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """What became of a label.

    Attributes:
        id: The round.
        status: `accepted`: it is the round's label now; `known`: it was already; `conflict`: the round has
            another label, and this one is kept as a dispute; `unknown`: there is no such round.
        settlement: `none`: the round moves no money; `due`: a block follows; `settled`: it is in `block`.
        block: Height of the block that settled the round.
        label: The label that stands; None for an unknown round.
        source: Whose it is.
    """

    id: str
    status: LabelStatus
    settlement: SettlementStatus = "none"
    block: int | None = None
    label: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What must be known of a round before it is labelled.

    Attributes:
        task: Whose schema reads the label.
        time: When it was answered, in µs since the epoch.
    """

    task: str
    time: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Rounds that were claimed together and are not marked as settled.

    Attributes:
        batch: The id that makes the event's key.
        noted_height: Ledger height below which the key cannot be.
        rounds: The rounds, in the order of their time.
    """

    batch: str
    noted_height: int
    rounds: tuple[StoredRound, ...]
