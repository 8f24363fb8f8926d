"""Proving that what is stored is what was written, and making a deleted head anew.

An audit trusts nothing that was read before: it reads every stored byte again, from the newest
segment back to the first block, replays each block, and compares the hashes that the journal noted
when it settled, so that an old head put back is found though it is sound in itself. It reports and
never raises for what it finds, and it changes nothing.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concord.errors import Conflict, LedgerBroken
from concord.ledger.chain import GENESIS, Block, replay
from concord.ledger.head import Head, decode_head, encode_head
from concord.ledger.segments import Segment, SegmentRef, Segments, decode
from concord.ledger.state import State
from concord.ledger.store import SegmentArchive, Store

HEAD_IS_GONE = (
    "The ledger's head is gone. `concord ledger rebuild` makes it anew from the segments and the journal."
)

Noted = tuple[int, str, bytes | None]
"""Height, hash and, while it is not sealed, canonical JSON of a block that the journal noted."""


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What an audit found.

    Attributes:
        height: Height of the head.
        hash: Hash of its last block.
        blocks: Blocks that were replayed.
        segments: Segments that were read.
        noted: Blocks that were compared with the journal.
        orphans: Segments of lost swaps, which the chain does not name; harmless.
        problems: Sentences, empty where all is well.
    """

    height: int
    hash: str
    blocks: int
    segments: int
    noted: int
    orphans: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ok": self.ok,
            "height": self.height,
            "hash": self.hash,
            "blocks": self.blocks,
            "segments": self.segments,
            "noted": self.noted,
            "orphans": list(self.orphans),
            "problems": list(self.problems),
        }


class _Walk:
    """One pass over a stored chain, from its head to its first block."""

    def __init__(self, store: Store, archive: SegmentArchive | None) -> None:
        self._segments = Segments(store, archive, cached=1)
        self.head = Head(State())
        self.hashes: dict[int, str] = {}
        self.names: set[str] = set()

    def run(self, stored: tuple[bytes, str]) -> None:
        """Replays everything; raises LedgerBroken at what it finds first."""
        self.head = decode_head(*stored)
        self._note(self.head.blocks)
        ref, end = self.head.segment, self._end_of(self.head.segment)
        height, previous = (ref.last, ref.block) if ref else (0, GENESIS)
        replay(self.head.blocks, end, height, previous)
        while ref is not None:
            segment = self._segments.read(ref)
            if segment.state != self._end_of(segment.before):
                raise LedgerBroken(
                    f"Segment {ref.name} starts from another state than its predecessor ends with."
                )
            ref = segment.before

    def _end_of(self, ref: SegmentRef | None) -> State:
        if ref is None:
            return State()
        segment = self._segments.read(ref)
        self.names.add(ref.name)
        self._note(segment.blocks)
        return replay(segment.blocks, segment.state, segment.height_before, segment.hash_before)

    def _note(self, blocks: Iterable[Block]) -> None:
        self.hashes.update((block.height, block.hash) for block in blocks)


def audit(
    store: Store, archive: SegmentArchive | None, noted: Mapping[int, str] | Iterable[tuple[int, str]]
) -> ChainReport:
    """Reads and replays all that is stored and compares it with the hashes that were noted."""
    # The journal's notes first: a block that comes in between is then one more than noted, not one less.
    expected = dict(noted)
    stored = store.read_head()
    names = store.list_segments()
    walk, problems = _Walk(store, archive), []
    if stored is not None:
        try:
            walk.run(stored)
        except LedgerBroken as error:
            problems.append(error.message)
    elif names or expected:
        problems.append(HEAD_IS_GONE)
    if stored is not None:
        problems += _differences(walk, expected, whole=not problems)
    orphans = () if problems else tuple(name for name in names if name not in walk.names)
    return ChainReport(
        walk.head.height,
        walk.head.hash,
        len(walk.hashes),
        len(walk.names),
        len(expected),
        orphans,
        tuple(problems),
    )


def _differences(walk: _Walk, expected: Mapping[int, str], *, whole: bool) -> list[str]:
    beyond = [height for height in expected if height > walk.head.height]
    found = []
    if beyond and walk.head.height:
        found.append(
            f"The journal notes block {max(beyond)}, the head ends at {walk.head.height}: "
            "an old head was put back."
        )
    found += [
        f"Block {height} has another hash than the journal noted."
        for height in sorted(expected.keys() & walk.hashes.keys())
        if walk.hashes[height] != expected[height]
    ]
    if whole and not walk.head.height and expected:
        found.append("The ledger is empty, and the journal notes blocks.")
    return found


def rebuild(
    store: Store, archive: SegmentArchive | None, noted: Iterable[Noted], *, replace: bool = False
) -> None:
    """Writes a head from the newest whole chain of segments and the journal's unsealed blocks.

    A head that is there is never replaced if it is sound: it may hold blocks that nobody noted yet.

    Raises:
        Conflict: There is a head, and it is sound or not to be replaced.
        LedgerBroken: What is left does not reach or does not fit the blocks that were noted.
        LedgerConflict: Somebody swapped the head meanwhile.
    """
    notes = sorted(noted)
    stored = store.read_head()
    if stored is not None and not replace:
        raise Conflict("The ledger has a head; there is nothing to rebuild.")
    if stored is not None and audit(store, archive, [(height, known) for height, known, _ in notes]).ok:
        raise Conflict("The ledger's head is sound; there is nothing to rebuild.")
    data = _rebuilt(store, archive, notes)
    store.swap_head(data, stored[1] if stored else None)


def _rebuilt(store: Store, archive: SegmentArchive | None, notes: Sequence[Noted]) -> bytes:
    segments = Segments(store, archive)
    ref, segment = _newest(store, archive)
    sealed = ref.last if ref else 0
    blocks = tuple(Block.read(data) for height, _, data in notes if data is not None and height > sealed)
    if not blocks and segment is not None:
        # Nothing is known after the segment, and a head holds at least one block: take its blocks back in.
        blocks, ref = segment.blocks, segment.before
    if not blocks:
        raise LedgerBroken("Neither the segments nor the journal hold a block that a head could be made of.")
    end = State() if ref is None else _end(segments.read(ref))
    state = replay(blocks, end, *((ref.last, ref.block) if ref else (0, GENESIS)))
    head = Head(state, blocks, ref)
    if notes and notes[-1][0] > head.height:
        raise LedgerBroken(f"Block {notes[-1][0]} was noted and cannot be found: not all can be rebuilt.")
    data = encode_head(head)
    walk = _Walk(store, archive)
    walk.run((data, ""))
    if found := _differences(walk, {height: known for height, known, _ in notes}, whole=True):
        raise LedgerBroken(f"The ledger cannot be rebuilt: {found[0]}")
    return data


def _newest(store: Store, archive: SegmentArchive | None) -> tuple[SegmentRef | None, Segment | None]:
    """The segment that reaches highest and has all before it; a lost swap's will do, its blocks are real."""
    by_height = sorted(store.list_segments(), key=lambda name: int(name.split("-")[2]), reverse=True)
    for name in by_height:
        try:
            ref, segment = decode(name, store.read_segment(name) or b"")
            # A walk of its own: what a broken candidate led to is no part of another's chain.
            deque(Segments(store, archive).back(ref), maxlen=0)
        except LedgerBroken:
            continue
        return ref, segment
    return None, None


def _end(segment: Segment) -> State:
    return replay(segment.blocks, segment.state, segment.height_before, segment.hash_before)
