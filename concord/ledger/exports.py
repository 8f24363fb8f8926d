"""Taking in what another ledger exported, so that one moves from a laptop to a cluster with all its blocks.

Nothing is believed: each line must be a block's canonical bytes, follow the one before, and lead to the
state that it names. Nothing is mixed: a store that holds a head, or segments of other blocks, is left
alone. Nothing is half done: all lines are read once before anything is written, segments come first, and
the swap of the head is what makes them a ledger; broken off before it, the import is simply done again.
"""

from collections.abc import Callable, Iterable, Iterator

from concord.errors import Conflict, InvalidInput, LedgerBroken
from concord.ledger.chain import GENESIS, Block, replay
from concord.ledger.head import Head, encode_head
from concord.ledger.segments import SegmentRef, encode
from concord.ledger.state import State
from concord.ledger.store import Store

Lines = Callable[[], Iterable[bytes]]
"""Opens the export from its beginning; it is read twice."""


def import_blocks(store: Store, lines: Lines, limit: int) -> None:
    """Writes the blocks of an export into an empty store.

    Args:
        store: Where they go.
        lines: The export.
        limit: Bytes that the head may have.

    Raises:
        InvalidInput: A line is no block, or none that follows the one before; names the line.
        Conflict: The store is not empty.
        LedgerConflict: Somebody else wrote into it meanwhile.
    """
    if store.read_head() is not None:
        raise Conflict("The ledger has a head. Only an empty ledger can take an export in.")
    names = {part[0].name for part in _packed(lines(), limit) if not isinstance(part, Head)}
    if others := set(store.list_segments()) - names:
        raise Conflict(
            f"The ledger has no head and {len(others)} segments of other blocks: its head was lost, and "
            "`concord ledger rebuild` makes it anew. Only an empty ledger can take an export in."
        )
    for part in _packed(lines(), limit):
        if isinstance(part, Head):
            store.swap_head(encode_head(part), None)
        else:
            store.write_segment(part[0].name, part[1])


def _packed(lines: Iterable[bytes], limit: int) -> Iterator[tuple[SegmentRef, bytes] | Head]:
    """The segments that the blocks fill, as they would have been sealed, and the head at last."""
    base = state = State()
    segment: SegmentRef | None = None
    blocks: list[Block] = []
    height, previous = 0, GENESIS
    for number, line in enumerate(lines, 1):
        try:
            block = Block.read(line.removesuffix(b"\n"))
            after = replay([block], state, height, previous)
        except LedgerBroken as error:
            raise InvalidInput(f"Line {number} of the export: {error.message}", field="FILE") from error
        if blocks and len(encode_head(Head(after, (*blocks, block), segment))) > limit:
            segment, data = encode(base, blocks, segment)
            yield segment, data
            base, blocks = state, []
        blocks.append(block)
        state, height, previous = after, block.height, block.hash
    if not blocks:
        raise InvalidInput("The export holds no block.", field="FILE")
    yield Head(state, tuple(blocks), segment)
