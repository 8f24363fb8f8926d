"""Blocks of the ledger, and the stake that they moved."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BlockView:
    """One block of the ledger, with all that its hash is made of.

    Attributes:
        hash: SHA-256 of the canonical JSON of all that follows but `time_text`, in hex.
        time_text: `time` as ISO 8601 in UTC.
        format: Of the block.
        height: 1 for the first.
        previous: Hash of the block before.
        time: µs since the epoch.
        state: Hash of the state after it.
        events: Key → what happened, in µS and ppm.
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
    """What moved one node's stake over some blocks, in stake units.

    Attributes:
        node: Its name.
        start: What it held before the first of them; None where its account was not open yet.
        end: What it holds after the last.
        paid: Paid in less taken out.
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
    """`GET /v1/ledger/stakes/{task}`: who gained and who lost over at most 1,000 blocks.

    Attributes:
        task: Whose nodes.
        first: Height of the first block; 0 where there is none.
        last: Height of the last one.
        treasury: What the treasury gained.
        nodes: By name.
        before: Of the page of older blocks, or None.
    """

    task: str
    first: int
    last: int
    treasury: float
    nodes: list[StakeMoves]
    before: int | None
