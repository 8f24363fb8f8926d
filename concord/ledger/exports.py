"""Exports of a ledger: all blocks as JSON lines, oldest first; how they are checked and imported.

Each line must be a block's canonical bytes, follow the one before, and lead to the state that it names. An
import needs an empty store. All lines are checked before anything is written; then segments are written, and
last the head. An import that is interrupted before can be repeated.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from concord.errors import Conflict, InvalidInput, LedgerBroken
from concord.ledger.chain import Block, fold_chain
from concord.ledger.head import Head, encode_head
from concord.ledger.segments import SegmentRef, encode
from concord.ledger.state import State
from concord.ledger.store import Store

Lines = Callable[[], Iterable[bytes]]
"""Opens the export from its beginning; it is read twice."""

MOST_LINE: Final = 1 << 20
"""Bytes of a line: a block fits into a head of 64 KiB, so a longer line is none."""


def read_export(lines: Iterable[bytes]) -> Iterator[tuple[Block, State, State]]:
    """The blocks of an export, each with the states before and after it.

    Raises:
        LedgerBroken: A line is no block, or does not follow the one before; names the line.
    """
    height = 0
    try:
        for block, before, after in fold_chain(map(_read_line, lines)):
            height = block.height
            yield block, before, after
    except LedgerBroken as error:
        raise LedgerBroken(f"Line {height + 1} of the export: {error.message}") from error
    if not height:
        raise LedgerBroken("The export holds no block.")


def _read_line(line: bytes) -> Block:
    if len(line) > MOST_LINE:
        raise LedgerBroken(f"It is longer than {MOST_LINE} bytes, and so no block.")
    return Block.read(line.removesuffix(b"\n"))


def import_blocks(store: Store, lines: Lines, limit: int) -> None:
    """Writes the blocks of an export into an empty store.

    Args:
        store: Where they are written.
        lines: The export.
        limit: Bytes that the head may have.

    Raises:
        InvalidInput: A line is no block, or does not follow the one before; names the line.
        Conflict: The store is not empty.
        LedgerConflict: Another writer wrote into it meanwhile.
    """
    if store.read_head() is not None:
        raise Conflict("The ledger has a head. Only an empty ledger can take an export in.")
    names = {part[0].name for part in _pack(lines(), limit) if not isinstance(part, Head)}
    if others := set(store.list_segments()) - names:
        raise Conflict(
            f"The ledger has no head and {len(others)} segments of other blocks: its head was lost, and "
            "`concord ledger rebuild` makes it anew. Only an empty ledger can take an export in."
        )
    for part in _pack(lines(), limit):
        if isinstance(part, Head):
            store.swap_head(encode_head(part), None)
        else:
            store.write_segment(part[0].name, part[1])


def _pack(lines: Iterable[bytes], limit: int) -> Iterator[tuple[SegmentRef, bytes] | Head]:
    """The segments that the blocks fill, as an append would have sealed them, and the head at last."""
    base = after = State()
    segment: SegmentRef | None = None
    blocks: list[Block] = []
    try:
        for block, before, after in read_export(lines):
            if blocks and len(encode_head(Head(after, (*blocks, block), segment))) > limit:
                segment, data = encode(base, blocks, segment)
                yield segment, data
                base, blocks = before, []
            blocks.append(block)
    except LedgerBroken as error:
        raise InvalidInput(error.message, field="FILE") from error
    yield Head(after, tuple(blocks), segment)
