"""The audit of the chain, and the rebuilding of a deleted head.

An audit reads every stored byte again, from the newest segment back to the first block, replays each block,
and compares the hashes that the journal noted, so an old head that was put back is found though it is sound
in itself. Problems are reported and not raised, and nothing is changed.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from concord.errors import Conflict, LedgerBroken
from concord.ledger.chain import Block, replay
from concord.ledger.head import Head, decode_head, encode_head
from concord.ledger.segments import Segment, SegmentRef, Segments, decode
from concord.ledger.state import State
from concord.ledger.store import SegmentArchive, Store

HEAD_IS_GONE = (
    "The ledger's head is gone. `concord ledger rebuild` makes it anew from the segments and the journal."
)

NotedBlock = tuple[int, str, bytes | None]
"""Height, hash and, until it is sealed, bytes of a block that the journal noted."""


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of an audit of the chain.

    Attributes:
        height: Height of the head.
        hash: Hash of its last block.
        blocks: Blocks that were replayed.
        segments: Segments that were read.
        noted: Blocks that were compared with the journal.
        is_whole: Whether the chain itself is sound, whatever was noted: all of it was read and replayed.
        orphans: Segments of lost swaps, which the chain does not name; harmless.
        problems: Sentences; empty where all is well.
    """

    height: int
    hash: str
    blocks: int
    segments: int
    noted: int
    orphans: tuple[str, ...]
    problems: tuple[str, ...]
    is_whole: bool = True

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"ok": self.ok, **asdict(self)}


class _ChainReader:
    """Reads and replays a stored chain, from its head to its first block."""

    def __init__(self, store: Store, archive: SegmentArchive | None) -> None:
        self._segments = Segments(store, archive, cached=1)
        self.head = Head(State())
        self.hashes: dict[int, str] = {}
        self.names: set[str] = set()

    def read(self, stored: tuple[bytes, str]) -> None:
        """Replays everything; raises LedgerBroken at the first problem."""
        self.head = decode_head(*stored)
        self._add_hashes(self.head.blocks)
        ref = self.head.segment
        replay(self.head.blocks, self._replay(ref), self.head.sealed, self.head.sealed_hash)
        while ref is not None:
            segment = self._segments.read(ref)
            if segment.state != self._replay(segment.before):
                raise LedgerBroken(
                    f"Segment {ref.name} starts from another state than its predecessor ends with."
                )
            ref = segment.before

    def _replay(self, ref: SegmentRef | None) -> State:
        """The state after a segment's last block."""
        if ref is not None:
            self.names.add(ref.name)
            self._add_hashes(self._segments.read(ref).blocks)
        return self._segments.state_after(ref)

    def _add_hashes(self, blocks: Iterable[Block]) -> None:
        self.hashes.update((block.height, block.hash) for block in blocks)


def audit(
    store: Store, archive: SegmentArchive | None, noted: Mapping[int, str] | Iterable[tuple[int, str]]
) -> ChainReport:
    """Reads and replays everything that is stored, and compares the hashes that were noted."""
    # The notes are read first: a block that is appended meanwhile is then not noted yet, instead of missing.
    expected = dict(noted)
    stored = store.read_head()
    names = store.list_segments()
    chain, problems = _ChainReader(store, archive), list[str]()
    if stored is not None:
        try:
            chain.read(stored)
        except LedgerBroken as error:
            problems.append(error.message)
    elif names or expected:
        problems.append(HEAD_IS_GONE)
    whole = not problems
    if stored is not None:
        problems += _differences(chain, expected, whole=whole)
    orphans = () if problems else tuple(name for name in names if name not in chain.names)
    return ChainReport(
        chain.head.height,
        chain.head.hash,
        len(chain.hashes),
        len(chain.names),
        len(expected),
        orphans,
        tuple(problems),
        whole,
    )


def _differences(chain: _ChainReader, expected: Mapping[int, str], *, whole: bool) -> list[str]:
    """How the chain differs from the hashes that were noted; `whole`: it was read to its first block."""
    end = chain.head.height
    beyond = [height for height in expected if height > end]
    problems = []
    if beyond and end:
        problems.append(
            f"The journal notes block {max(beyond)}, the head ends at {end}: an old head was put back."
        )
    problems += [
        f"Block {height} has another hash than the journal noted."
        for height in sorted(expected.keys() & chain.hashes.keys())
        if chain.hashes[height] != expected[height]
    ]
    if whole and not end and expected:
        problems.append("The ledger is empty, and the journal notes blocks.")
    return problems


def rebuild(
    store: Store, archive: SegmentArchive | None, noted: Iterable[NotedBlock], *, replace: bool = False
) -> None:
    """Writes a head from the newest whole chain of segments and the journal's unsealed blocks.

    A sound head is never replaced: it may hold blocks that were not noted yet.

    Raises:
        Conflict: There is a head, and it is sound or not to be replaced.
        LedgerBroken: Blocks that were noted are missing, or others than were noted are left.
        LedgerConflict: Another writer swapped the head meanwhile.
    """
    notes = sorted(noted)
    stored = store.read_head()
    if stored is not None and not replace:
        raise Conflict("The ledger has a head; there is nothing to rebuild.")
    if stored is not None and audit(store, archive, [note[:2] for note in notes]).ok:
        raise Conflict("The ledger's head is sound; there is nothing to rebuild.")
    data = _rebuild_head(store, archive, notes)
    store.swap_head(data, stored[1] if stored else None)


def _rebuild_head(store: Store, archive: SegmentArchive | None, notes: Sequence[NotedBlock]) -> bytes:
    segments = Segments(store, archive)
    ref, segment = _newest_whole(store, archive)
    sealed = ref.last if ref else 0
    blocks = tuple(Block.read(data) for height, _, data in notes if data is not None and height > sealed)
    if not blocks and segment is not None:
        # No block after the segment was noted, and a head holds at least one block: unseal the segment.
        blocks, ref = segment.blocks, segment.before
    if not blocks:
        raise LedgerBroken("Neither the segments nor the journal hold a block that a head could be made of.")
    before = Head(segments.state_after(ref), segment=ref)
    head = Head(replay(blocks, before.state, before.sealed, before.sealed_hash), blocks, ref)
    if notes and notes[-1][0] > head.height:
        raise LedgerBroken(f"Block {notes[-1][0]} was noted and cannot be found: not all can be rebuilt.")
    data = encode_head(head)
    chain = _ChainReader(store, archive)
    chain.read((data, ""))
    if problems := _differences(chain, dict(note[:2] for note in notes), whole=True):
        raise LedgerBroken(f"The ledger cannot be rebuilt: {problems[0]}")
    return data


def _newest_whole(store: Store, archive: SegmentArchive | None) -> tuple[SegmentRef | None, Segment | None]:
    """The highest segment whose predecessors are all there; one of a lost swap holds the same blocks."""
    by_height = sorted(store.list_segments(), key=lambda name: int(name.split("-")[2]), reverse=True)
    for name in by_height:
        try:
            ref, segment = decode(name, store.read_segment(name) or b"")
            # New `Segments` for each candidate: those read from a broken one are of another chain.
            deque(Segments(store, archive).walk_back(ref), maxlen=0)
        except LedgerBroken:
            continue
        return ref, segment
    return None, None
