"""Segments: blocks that a full head was sealed into, in immutable objects, and the chain of them.

A segment is gzip of JSON lines: a header with the state before its first block and the reference to the
segment before it, then one block a line. A reference has two digests, which are both checked on reading: the
one over the lines is the same whatever gzip wrote it; the one over the stored bytes shows every changed bit.
"""

import gzip
import re
import threading
import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, takewhile
from typing import Any

from concord.errors import LedgerBroken, LedgerConflict, LedgerError
from concord.ledger.chain import (
    FORMAT,
    GENESIS,
    Block,
    canonical,
    check_links,
    digest,
    read_canonical,
    replay,
)
from concord.ledger.state import State
from concord.ledger.store import SegmentArchive, Store

_NAME = re.compile(r"ledger-([1-9]\d*)-([1-9]\d*)-([0-9a-f]{8})")

KEPT_SEGMENTS = 500
"""Segments that archiving leaves in the store."""

INDEXED = 64
"""Newest segments whose keys are kept in memory: some hours of blocks; claims are half a minute old."""

WAYPOINTS = 4096
"""References kept in memory, some 3 MB: two weeks of a block every ten seconds without a gap."""


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """The name and digests of a segment.

    Attributes:
        name: `ledger-<first>-<last>-<8 hex of the last block's hash>`.
        content: SHA-256 of the uncompressed lines.
        stored: SHA-256 of the bytes as stored.
        block: Hash of its last block.
    """

    name: str
    content: str
    stored: str
    block: str

    @property
    def first(self) -> int:
        """Height of its first block."""
        return _heights(self.name)[0]

    @property
    def last(self) -> int:
        """Height of its last block."""
        return _heights(self.name)[1]

    @classmethod
    def from_json(cls, document: Mapping[str, str] | None) -> "SegmentRef | None":
        """Reads a reference, or None where there is none."""
        if document is None:
            return None
        try:
            ref = cls(**document)
        except TypeError as error:
            raise LedgerBroken("A reference to a segment lacks a part.") from error
        _heights(ref.name)
        return ref


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's content: the reference before it, the state before its blocks, and the blocks."""

    before: SegmentRef | None
    state: State
    blocks: tuple[Block, ...]

    @property
    def height_before(self) -> int:
        """Height of the block before its first."""
        return self.before.last if self.before else 0

    @property
    def hash_before(self) -> str:
        """Hash of the block before its first."""
        return self.before.block if self.before else GENESIS

    def state_at(self, height: int | None = None) -> State:
        """The state after its block of a height, or after its last; LedgerBroken as by `replay`."""
        blocks = self.blocks if height is None else self.blocks[: height - self.height_before]
        return replay(blocks, self.state, self.height_before, self.hash_before)


def encode(state: State, blocks: Sequence[Block], before: SegmentRef | None) -> tuple[SegmentRef, bytes]:
    """Writes blocks as a segment.

    Args:
        state: The state before the first block.
        blocks: The blocks, in the order of their heights.
        before: The segment before.
    """
    header: dict[str, Any] = {"format": FORMAT, "state": state.to_json()}
    if before is not None:
        header["before"] = asdict(before)
    content = b"".join(line + b"\n" for line in [canonical(header), *(block.data for block in blocks)])
    data = gzip.compress(content, mtime=0)
    return SegmentRef(_name(blocks), digest(content), digest(data), blocks[-1].hash), data


def decode(name: str, data: bytes) -> tuple[SegmentRef, Segment]:
    """Reads a segment from its bytes alone; the caller compares the reference with the one it has.

    Raises:
        LedgerBroken: The bytes are no segment of this name.
    """
    try:
        content = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise LedgerBroken(f"Segment {name} cannot be unpacked: {error}.") from error
    lines = content.split(b"\n")
    if len(lines) < 3 or lines.pop():
        raise LedgerBroken(f"Segment {name} is cut.")
    header = read_canonical(lines[0], f"The header of segment {name}")
    if not isinstance(header, dict) or header.get("format") != FORMAT or "state" not in header:
        raise LedgerBroken(f"Segment {name} has a header that is not known here.")
    blocks = tuple(Block.read(line) for line in lines[1:])
    try:
        state = State.from_json(header["state"])
    except (KeyError, TypeError, AttributeError) as error:
        raise LedgerBroken(f"Segment {name} has a header that lacks a part.") from error
    segment = Segment(SegmentRef.from_json(header.get("before")), state, blocks)
    check_links(blocks, segment.height_before, segment.hash_before)
    if name != _name(blocks):
        raise LedgerBroken(f"Segment {name} holds other blocks than its name says.")
    return SegmentRef(name, digest(content), digest(data), blocks[-1].hash), segment


def _name(blocks: Sequence[Block]) -> str:
    return f"ledger-{blocks[0].height}-{blocks[-1].height}-{blocks[-1].hash[:8]}"


def _heights(name: str) -> tuple[int, int]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise LedgerBroken(f"{name!r} is no name of a segment.")
    return int(match[1]), int(match[2])


class Segments:
    """The sealed part of a chain, read backwards from its newest segment as far as is needed.

    Its memory does not grow with the chain: it keeps some parsed segments, the keys of the newest ones, and
    references with gaps between them, which widen as they become too many. The rest is read again.

    Args:
        store: Where segments are.
        archive: Where segments are that have left the store.
        cached: Parsed segments to keep.
    """

    def __init__(self, store: Store, archive: SegmentArchive | None = None, *, cached: int = 8) -> None:
        self._store, self._archive, self._cached = store, archive, cached
        self._cache: OrderedDict[SegmentRef, Segment] = OrderedDict()
        self._indices: dict[SegmentRef, _Index] = {}
        self._newest: SegmentRef | None = None
        self._waypoints = _Waypoints(WAYPOINTS)
        # Guards what is kept, for callers in several threads; it is not held while a segment is read.
        self._lock = threading.Lock()

    def seal(self, blocks: Sequence[Block], before: SegmentRef | None) -> SegmentRef:
        """Stores the blocks of a head as the next segment, and returns its reference.

        A writer that lost its swap may have stored it already, packed by another version of gzip: then the
        reference is that one's.

        Args:
            blocks: The blocks.
            before: The newest segment so far.
        """
        ref, data = encode(self.state_after(before), blocks, before)
        try:
            self._store.write_segment(ref.name, data)
        except LedgerConflict:
            stored, _ = decode(ref.name, self._store.read_segment(ref.name) or b"")
            if stored.content != ref.content:
                raise LedgerBroken(f"Segment {ref.name} is there with other blocks.") from None
            return stored
        return ref

    def archive(self, newest: SegmentRef | None, keep: int) -> int:
        """Copies segments beyond the newest `keep` into the archive, then removes them from the store.

        Returns:
            How many were moved.
        """
        if self._archive is None:
            raise LedgerError("There is no archive to copy segments to.")
        stored = set(self._store.list_segments())
        beyond = islice(self.walk_back(newest), keep, None)
        # The oldest are moved first, so all before one that was moved were moved too, and need not be read.
        moved = list(takewhile(lambda ref: ref.name in stored, beyond))
        for ref in reversed(moved):
            data = self.read_bytes(ref)
            _check_bytes(data, ref)
            self._archive.keep_segment(ref.name, data)
            if self._archive.kept_segment(ref.name) != data:
                raise LedgerBroken(f"The archive holds another segment {ref.name}.")
            self._store.delete_segment(ref.name)
        return len(moved)

    def read(self, ref: SegmentRef) -> Segment:
        """Reads a segment from the store or the archive, and checks it against its reference.

        Raises:
            LedgerBroken: It is gone or was changed.
        """
        with self._lock:
            if ref in self._cache:
                self._cache.move_to_end(ref)
                return self._cache[ref]
        segment = _decode_checked(self.read_bytes(ref), ref)
        with self._lock:
            self._cache[ref] = segment
            while len(self._cache) > self._cached:
                self._cache.popitem(last=False)
        return segment

    def read_bytes(self, ref: SegmentRef) -> bytes:
        """The stored bytes of a segment, from the store or the archive."""
        data = self._store.read_segment(ref.name)
        if data is None and self._archive is not None:
            data = self._archive.kept_segment(ref.name)
        if data is None:
            raise LedgerBroken(f"Segment {ref.name} is gone.")
        return data

    def state_after(self, ref: SegmentRef | None) -> State:
        """The state after a segment's last block; without a segment, the first state."""
        return State() if ref is None else self.read(ref).state_at()

    def walk_back(self, newest: SegmentRef | None, height: int | None = None) -> Iterator[SegmentRef]:
        """References back to the first, from the segment that holds `height` on, or from the newest.

        Raises:
            LedgerBroken: A segment is broken, or the chain is another one than was read before.
        """
        if newest is None:
            return
        self._check_same_chain(newest)
        height = newest.last if height is None else height
        with self._lock:
            ref: SegmentRef | None = self._waypoints.nearest(height, newest)
        while ref is not None:
            with self._lock:
                self._waypoints.note(ref)
            if ref.first <= height:
                yield ref
            ref = self.read(ref).before

    def segment_at(self, newest: SegmentRef | None, height: int) -> Segment:
        """The segment that holds the block of a height, which must be sealed."""
        return self.read(next(self.walk_back(newest, height)))

    def blocks(self, newest: SegmentRef | None, start: int, stop: int) -> Iterator[Block]:
        """Sealed blocks from height `start` up to but not including `stop`, one segment at a time."""
        refs: list[SegmentRef] = []
        for ref in self.walk_back(newest, stop - 1) if start < stop else ():
            if ref.last < start:
                break
            refs.append(ref)
            if ref.first <= start:
                break
        for ref in reversed(refs):
            yield from (block for block in self.read(ref).blocks if start <= block.height < stop)

    def height_of(self, key: str, newest: SegmentRef | None, since: int) -> int | None:
        """Height of the newest sealed block above `since` that holds an event of this key."""
        if newest is not None:
            self._check_same_chain(newest)
        ref = newest
        while ref is not None and ref.last > since:
            index = self._index(ref)
            height = index.heights.get(key)
            if height is not None:
                return height if height > since else None
            ref = index.before
        return None

    def _check_same_chain(self, newest: SegmentRef) -> None:
        """Raises LedgerBroken unless a reference and the newest one that was read before are of one chain."""
        with self._lock:
            before = self._newest = self._newest or newest
            if newest.last > before.last:
                later, earlier = newest, before
            else:
                later, earlier = self._waypoints.nearest(newest.last, before), newest
        ref: SegmentRef | None = later
        while ref is not None and ref.last > earlier.last:
            ref = self.read(ref).before
        if ref != earlier:
            raise LedgerBroken(f"Segment {before.name} is no part of the chain any more.")
        with self._lock:
            if self._newest is None or newest.last > self._newest.last:
                self._newest = newest

    def _index(self, ref: SegmentRef) -> "_Index":
        with self._lock:
            index = self._indices.get(ref)
        if index is None:
            segment = self.read(ref)
            index = _Index(
                segment.before, {key: block.height for block in segment.blocks for key in block.events}
            )
            with self._lock:
                self._indices[ref] = index
                while len(self._indices) > INDEXED:
                    del self._indices[min(self._indices, key=_last)]
        return index


@dataclass(frozen=True, slots=True)
class _Index:
    """The keys of a segment's events, with the height of the newest block that holds each."""

    before: SegmentRef | None
    heights: Mapping[str, int]


class _Waypoints:
    """References of one chain with gaps between them, from which a search for an old block begins."""

    def __init__(self, size: int) -> None:
        self._size, self._stride = size, 1
        self._refs: list[SegmentRef] = []

    def nearest(self, height: int, newest: SegmentRef) -> SegmentRef:
        """The lowest one kept that reaches `height`, and none after `newest`."""
        at = bisect_left(self._refs, height, key=_last)
        return min(self._refs[at] if at < len(self._refs) else newest, newest, key=_last)

    def note(self, ref: SegmentRef) -> None:
        """Keeps a reference unless another one is close; where they are too many, the gaps double."""
        at = bisect_left(self._refs, ref.last, key=_last)
        beside = self._refs[max(0, at - 1) : at + 1]
        if all(abs(other.last - ref.last) >= self._stride for other in beside):
            self._refs.insert(at, ref)
        while len(self._refs) > self._size:
            self._stride *= 2
            spread: list[SegmentRef] = []
            for kept in self._refs:
                if not spread or kept.last - spread[-1].last >= self._stride:
                    spread.append(kept)
            self._refs = spread


def _last(ref: SegmentRef) -> int:
    return ref.last


def _decode_checked(data: bytes, ref: SegmentRef) -> Segment:
    _check_bytes(data, ref)
    stored, segment = decode(ref.name, data)
    if stored != ref:
        raise LedgerBroken(f"Segment {ref.name} is not what its reference says.")
    return segment


def _check_bytes(data: bytes, ref: SegmentRef) -> None:
    """Raises LedgerBroken unless stored bytes are those of a reference."""
    if digest(data) != ref.stored:
        raise LedgerBroken(f"Segment {ref.name} is not what was written: its bytes have changed.")
