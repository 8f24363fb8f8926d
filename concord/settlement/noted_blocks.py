"""The journal's notes of the ledger's blocks: height and hash, and the bytes until they are in a segment.

The notes show when an old head was put back, and a lost head can be rebuilt from them.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from concord.errors import LedgerBroken
from concord.journal import Journal
from concord.journal.rows import Claim
from concord.ledger import Ledger
from concord.ledger.audit import ChainReport

NOTED_AT_ONCE: Final = 500
"""Blocks that are in memory, and in one transaction of the journal, while they are noted."""


WAITS: Final = (0.0, 0.5, 1.0, 2.0)
"""Seconds after which notes are read again that lack the newest blocks: a block is noted a moment after it
was appended."""


def verify_with_notes(
    ledger: Ledger, journal: Journal, sleep: Callable[[float], None] = time.sleep
) -> ChainReport:
    """Replays every block and compares all of them with the journal's notes; a service may run meanwhile.

    Raises:
        JournalUnavailable: The journal is away.
        LedgerUnavailable: The store is.
    """
    noted = dict(journal.noted_blocks())
    report = ledger.verify(noted)
    if not report.is_whole:
        return report
    for wait in WAITS:
        missing = _missing_notes(report, noted)
        # Blocks are noted in their order: what lacks below another note does not come any more.
        if not missing or missing[0] < max(noted, default=0):
            break
        sleep(wait)
        noted |= dict(journal.noted_blocks())
    return _add_problems(report, noted)


def _missing_notes(report: ChainReport, noted: Mapping[int, str]) -> list[int]:
    """Heights of blocks that the journal does not note: an old head in their place would not be noticed."""
    return [height for height in range(1, report.height + 1) if height not in noted]


def _add_problems(report: ChainReport, noted: Mapping[int, str]) -> ChainReport:
    """The report with what is wrong with the notes themselves, as they were read last."""
    missing = _missing_notes(report, noted)
    problems = list(report.problems)
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        problems.append(f"The journal does not note block {missing[0]}{others}: its notes are incomplete.")
    elif report.height and noted[report.height] != report.hash:
        # With the last block all before it are those that were noted: each names its predecessor.
        problems.append(f"Block {report.height} has another hash than the journal noted.")
    return replace(report, noted=len(noted), problems=tuple(dict.fromkeys(problems)))


class NotedBlocks:
    """Compares the ledger with the journal's notes, and adds to them; synchronous.

    Args:
        ledger: The blocks.
        journal: The notes.
    """

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        self._ledger, self._journal = ledger, journal

    def check(self) -> None:
        """Raises LedgerBroken unless the chain holds the newest block that was noted."""
        noted = self._journal.newest_block()
        head = self._ledger.head()
        if noted is None:
            return
        height, block_hash = noted
        if head.height < height:
            raise LedgerBroken(
                f"The journal notes block {height}, the ledger's head ends at {head.height}: "
                "an old head was put back."
            )
        if self._ledger.block(height).hash != block_hash:
            raise LedgerBroken(
                f"Block {height} has another hash than the journal noted: the chain is forked."
            )

    def note(self) -> None:
        """Notes every block that the journal has not noted yet."""
        noted = self._journal.newest_block()
        head = self._ledger.head()
        fresh = self._ledger.stream(noted[0] + 1 if noted else 1, head.height + 1)
        # In parts: for a new journal beside an old ledger all blocks are fresh.
        while blocks := list(islice(fresh, NOTED_AT_ONCE)):
            self._journal.note_blocks(
                [
                    (block.height, block.hash, block.data if block.height > head.sealed else None)
                    for block in blocks
                ],
                head.sealed,
            )

    def unclaimed_settlement(self, claims: Iterable[Claim]) -> int | None:
        """Height of the first block that settles a batch which was neither noted nor claimed."""
        noted = self._journal.newest_block()
        claimed = {claim.batch for claim in claims}
        for block in self._ledger.stream((noted[0] if noted else 0) + 1, self._ledger.newest.height + 1):
            settled = {key.split(":")[1] for key, body in block.events.items() if body["kind"] == "settle"}
            if settled - claimed:
                return block.height
        return None
