"""What the journal takes in and gives back: rounds and claims, as values that decide nothing."""

from dataclasses import dataclass


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
    """

    block: int | None = None
    block_hash: str | None = None
    record: bytes | None = None


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
