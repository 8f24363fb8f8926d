"""The journal's notes of the ledger's blocks: height and hash, and the bytes until they are in a segment.

The notes show when an old head was put back, and a lost head can be rebuilt from them.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from concord.errors import LedgerBroken
from concord.journal import Journal
from concord.journal.rows import Claim
from concord.ledger import Ledger
from concord.ledger.audit import ChainReport, name_missing_notes

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
    report = ledger.verify(journal.noted_blocks())
    newest = range(report.height - report.unnoted + 1, report.height + 1)
    missing: Sequence[int] = newest
    for wait in WAITS:
        if not missing:
            break
        sleep(wait)
        noted = dict(journal.noted_blocks())
        missing = [height for height in newest if height not in noted]
        if not missing and noted[report.height] != report.hash:
            problem = f"Block {report.height} has another hash than the journal noted."
            return replace(report, problems=(*report.problems, problem))
    if missing:
        return replace(report, problems=(*report.problems, name_missing_notes(missing)))
    return replace(report, noted=report.noted + report.unnoted, unnoted=0)


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
