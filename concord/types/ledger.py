"""Blocks of the ledger, and the stake that they moved."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BlockView:
    """One block of the ledger, with everything that its hash covers.

    Attributes:
        hash: SHA-256 of the canonical JSON of all that follows but `time_text`, in hex.
        time_text: `time` as ISO 8601 in UTC.
        format: Of the block.
        height: 1 for the first.
        previous: Hash of the block before.
        time: µs since the epoch.
        state: Hash of the state after it.
        events: Key → event, in µS and ppm.
    """

    hash: str
    time_text: str
    format: int
    height: int
    previous: str
    time: int
    state: str
    events: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class BlockPage:
    """`GET /v1/ledger/blocks`: newest first; `before` of the next page, or None at the first block."""

    blocks: list[BlockView]
    before: int | None


@dataclass(frozen=True, slots=True)
class StakeMoves:
    """The changes of one node's stake over some blocks, in stake units.

    Attributes:
        node: Its name.
        start: Its stake before the first of them; None where its account was not open yet.
        end: Its stake after the last.
        paid: Deposits less withdrawals.
        judged: Gained or lost by labels, under `wager`.
        levelled: Gained or lost by levelling.
        slashed: Lost to the treasury by dissenting, under `seed`; below zero.
        points: Height and stake after that block, for each block that moved it.
    """

    node: str
    start: float | None
    end: float
    paid: float
    judged: float
    levelled: float
    slashed: float
    points: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class StakesPage:
    """`GET /v1/ledger/stakes/{task}`: gains and losses of stake over at most 1,000 blocks.

    Attributes:
        task: The nodes' task.
        first: Height of the first block; 0 where there is none.
        last: Height of the last one.
        treasury: The treasury's gain.
        nodes: Sorted by name.
        before: `before` of the page of older blocks, or None.
    """

    task: str
    first: int
    last: int
    treasury: float
    nodes: list[StakeMoves]
    before: int | None
