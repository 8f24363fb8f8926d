"""Settling every block again from the journal's rounds, and comparing all that it said.

`concord.ledger.audit` proves that the blocks are what was written, and that balances follow from their
sums. This one proves the sums: each block's rounds are settled on the state before it by the rule itself,
and the events, the records byte for byte and the Merkle roots must come out the same. So a label, a vote or
a record that was changed in the journal is found, and so is a round that is missing there or too many.

The state is folded block by block, so nothing is read twice, and the rounds of one block at a time are in
memory. It finds and names, and changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from concord.errors import LedgerBroken
from concord.journal import Journal
from concord.ledger.chain import GENESIS, replay
from concord.ledger.ledger import Ledger
from concord.ledger.state import State
from concord.settlement.differences import resettle

MOST_PROBLEMS: Final = 100
"""Problems that are told; a chain beside another chain's journal has one for every block."""


@dataclass(frozen=True, slots=True)
class DeepReport:
    """What settling again came to.

    Attributes:
        height: Height up to which the chain was folded.
        blocks: Blocks that were settled again.
        rounds: Rounds that were.
        unmarked: Those of them that the journal has under a claim still: their block is a moment old.
        problems: Sentences; empty where every block says what its rounds come to.
        more: Problems beyond those that are told.
    """

    height: int
    blocks: int
    rounds: int
    unmarked: int
    problems: tuple[str, ...]
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ok": self.ok,
            "height": self.height,
            "blocks": self.blocks,
            "rounds": self.rounds,
            "unmarked": self.unmarked,
            "problems": list(self.problems),
            "more": self.more,
        }


def deep_audit(
    ledger: Ledger, journal: Journal, seen: Callable[[int, int], None] = lambda _height, _of: None
) -> DeepReport:
    """Settles every block again.

    Args:
        ledger: The chain; one that `verify` finds sound.
        journal: Its rounds.
        seen: Told the height of each block that was looked at, and the head's.

    Raises:
        JournalUnavailable: The journal is away.
        LedgerUnavailable: The store is.
    """
    state, height, previous, end = State(), 0, GENESIS, ledger.head().height
    blocks = rounds = unmarked = more = 0
    problems: list[str] = []
    try:
        for block in ledger.stream(1, end + 1):
            after = replay([block], state, height, previous)
            found = resettle(block, state, after, journal)
            room = MOST_PROBLEMS - len(problems)
            problems += found.problems[:room]
            more += len(found.problems[room:])
            blocks += found.settles
            rounds += found.rounds
            unmarked += found.unmarked
            state, height, previous = after, block.height, block.hash
            seen(height, end)
    except LedgerBroken as error:
        problems.append(f"Nothing after block {height} was settled again: {error.message}")
    return DeepReport(height, blocks, rounds, unmarked, tuple(problems), more)
