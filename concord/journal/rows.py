"""Rows of the journal as values: rounds, labels and claims."""

from dataclasses import dataclass
from typing import Literal

from concord.types.answers import SettlementStatus

LabelStatus = Literal["accepted", "known", "conflict", "unknown"]


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A round to be recorded.

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
        due: Whether the round moves stake.
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
    """A round with its label and its block.

    Attributes:
        block: Height of the block that settled it.
        block_hash: Hash of that block.
        record: Canonical JSON of its settlement, a leaf under the block's Merkle root.
        label: The label: a class's number, or a value in steps of the task's resolution.
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
class SettlementRound:
    """The part of a round that settling and its audit read.

    Attributes:
        id: 32 hex digits.
        task: The task's name.
        policy: `wager` or `seed`.
        evidence: JSON of the answer and the votes, as integers.
        label: The label as in `StoredRound`; `seed` needs none.
        block: Height of the block that settled it.
        record: Canonical JSON of its settlement.
        time: When it was answered, in µs since the epoch.
        height: Ledger height on whose state it was decided.
        label_source: Name of the token that the label came with.
        label_time: When the label came, in µs since the epoch.
    """

    id: str
    task: str
    policy: str
    evidence: bytes | None
    label: int | None = None
    block: int | None = None
    record: bytes | None = None
    time: int = 0
    height: int = 0
    label_source: str | None = None
    label_time: int | None = None

    @property
    def leaf(self) -> bytes:
        """The record as a leaf of its block's tree; empty where there is none, or no bytes in its place."""
        return self.record if isinstance(self.record, bytes) else b""


@dataclass(frozen=True, slots=True)
class KeptRound:
    """A round whose features are kept, with its label if it has one: drift is measured on these.

    Attributes:
        id: 32 hex digits.
        time: µs since the epoch.
        features: JSON of the row.
        verdict: JSON of the answer.
        label: The label: a class's number, or a value in steps of the task's resolution.
    """

    id: str
    time: int
    features: bytes
    verdict: bytes
    label: int | None


@dataclass(frozen=True, slots=True)
class LabelledRound:
    """A labelled round whose features are kept: a training row.

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
    """Votes and label of a round: two versions are compared on these.

    Attributes:
        id: 32 hex digits.
        time: µs since the epoch.
        evidence: JSON of the votes as integers.
        label: The label: a class's number, or a value in steps of the task's resolution.
        label_time: When it came, in µs since the epoch.
    """

    id: str
    time: int
    evidence: bytes
    label: int
    label_time: int


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label of a round, to be written.

    Attributes:
        id: The round.
        label: A class's number, or a value in steps of the task's resolution.
        source: Name of the token that it came with.
        time: µs since the epoch.
        request_id: Id of its request.
    """

    id: str
    label: int
    source: str
    time: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """The result of writing a label.

    Attributes:
        id: The round.
        status: `accepted`: it is the round's label now; `known`: it was already; `conflict`: the round has
            another label; `unknown`: there is no such round.
        settlement: `none`: the round moves no stake; `due`: a block follows; `settled`: it is in `block`.
        block: Height of the block that settled the round.
        label: The round's label; None for an unknown round.
        source: Name of the token that the round's label came with.
        is_disputed: Whether this label is kept as a dispute.
    """

    id: str
    status: LabelStatus
    settlement: SettlementStatus = "none"
    block: int | None = None
    label: int | None = None
    source: str | None = None
    is_disputed: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Task and time of a round, by which its label is read and checked.

    Attributes:
        task: The task whose schema reads the label.
        time: When it was answered, in µs since the epoch.
    """

    task: str
    time: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Rounds that a settler claimed together and has not marked as settled.

    Attributes:
        batch: The batch id, which makes the key of the ledger's event.
        noted_height: Ledger height when it was claimed; the event can only be above.
        rounds: The rounds, in the order of their time.
    """

    batch: str
    noted_height: int
    rounds: tuple[SettlementRound, ...]
