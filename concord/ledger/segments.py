"""Sealed blocks: how a segment is written, how it is read back, and the chain of segments.

A segment is gzip of JSON lines: a header with the state before its first block and the reference to
the segment before it, then one block a line. A reference carries two digests. The one over the lines
says what was sealed and outlives another gzip; the one over the stored bytes makes any changed bit of
the file visible, also one that decompresses to the same lines. Nothing is read without both.
"""

import gzip
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from concord.errors import LedgerBroken, LedgerConflict
from concord.ledger.chain import FORMAT, GENESIS, Block, canonical, check_link, digest, read_canonical
from concord.ledger.state import State
from concord.ledger.store import SegmentArchive, Store

_NAME = re.compile(r"ledger-([1-9]\d*)-([1-9]\d*)-([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """What names a segment for good.

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

    def to_json(self) -> dict[str, str]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, str] | None) -> "SegmentRef | None":
        """Reads a reference, or None where there was none."""
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
    """A segment as read: what stood before it, and its blocks."""

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


def encode(state: State, blocks: Sequence[Block], before: SegmentRef | None) -> tuple[SegmentRef, bytes]:
    """Writes blocks as a segment.

    Args:
        state: The state before the first block.
        blocks: The blocks, in the order of their heights.
        before: The segment before.
    """
    header: dict[str, Any] = {"format": FORMAT, "state": state.to_json()}
    if before is not None:
        header["before"] = before.to_json()
    content = b"".join(line + b"\n" for line in [canonical(header), *(block.data for block in blocks)])
    last = blocks[-1]
    name = f"ledger-{blocks[0].height}-{last.height}-{last.hash[:8]}"
    data = gzip.compress(content, mtime=0)
    return SegmentRef(name, digest(content), digest(data), last.hash), data


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
    _check(name, segment)
    return SegmentRef(name, digest(content), digest(data), blocks[-1].hash), segment


def _check(name: str, segment: Segment) -> None:
    height, previous = segment.height_before, segment.hash_before
    for block in segment.blocks:
        check_link(block, height, previous)
        height, previous = block.height, block.hash
    if name != f"ledger-{segment.blocks[0].height}-{height}-{previous[:8]}":
        raise LedgerBroken(f"Segment {name} holds other blocks than its name says.")


def _heights(name: str) -> tuple[int, int]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise LedgerBroken(f"{name!r} is no name of a segment.")
    return int(match[1]), int(match[2])


class Segments:
    """The sealed part of a chain, read from its newest reference backwards, as far as it is asked for."""

    def __init__(self, store: Store, archive: SegmentArchive | None = None, *, cached: int = 8) -> None:
        self._store, self._archive, self._size = store, archive, cached
        self._cache: OrderedDict[SegmentRef, Segment] = OrderedDict()
        self._refs: list[SegmentRef] = []
        self._older: SegmentRef | None = None
        self._keys: dict[str, int] = {}
        # Callers read from several threads; the lists above must move together.
        self._lock = threading.RLock()

    def write(self, ref: SegmentRef, data: bytes) -> SegmentRef:
        """Stores a segment and returns its reference, which is another one if it was there already.

        A writer that lost its swap may have left it, packed by another version of gzip.
        """
        try:
            self._store.write_segment(ref.name, data)
        except LedgerConflict:
            there, _ = decode(ref.name, self._store.read_segment(ref.name) or b"")
            if there.content != ref.content:
                raise LedgerBroken(f"Segment {ref.name} is there with other blocks.") from None
            return there
        return ref

    def read(self, ref: SegmentRef) -> Segment:
        """Reads a segment from the store or the archive, and checks it against its reference.

        Raises:
            LedgerBroken: It is gone, or not what was written.
        """
        with self._lock:
            if ref in self._cache:
                self._cache.move_to_end(ref)
                return self._cache[ref]
            segment = read_checked(self.stored(ref), ref)
            self._cache[ref] = segment
            while len(self._cache) > self._size:
                self._cache.popitem(last=False)
            return segment

    def stored(self, ref: SegmentRef) -> bytes:
        """The stored bytes of a segment, wherever it is."""
        data = self._store.read_segment(ref.name)
        if data is None and self._archive is not None:
            data = self._archive.kept_segment(ref.name)
        if data is None:
            raise LedgerBroken(f"Segment {ref.name} is gone.")
        return data

    def reach(self, newest: SegmentRef | None, height: int = 1) -> list[SegmentRef]:
        """References from the newest back to the one that holds `height`, oldest first.

        Raises:
            LedgerBroken: A segment is broken, or the chain is not the one that was read before.
        """
        with self._lock:
            self._catch_up(newest)
            while self._older is not None and self._older.last >= height:
                ref = self._older
                self._older = self._learn(ref)
                self._refs.insert(0, ref)
            return [ref for ref in self._refs if ref.last >= height]

    def height_of(self, key: str, newest: SegmentRef | None, since: int) -> int | None:
        """Height of the newest sealed block above `since` that holds an event of this key."""
        with self._lock:
            self.reach(newest, since + 1)
            height = self._keys.get(key)
        return height if height is not None and height > since else None

    def _catch_up(self, newest: SegmentRef | None) -> None:
        if not self._refs:
            self._older = newest
            return
        known, fresh, ref = self._refs[-1], [], newest
        while ref != known:
            if ref is None or ref.last <= known.last:
                raise LedgerBroken(f"Segment {known.name} is no part of the chain any more.")
            fresh.append(ref)
            ref = self.read(ref).before
        for one in reversed(fresh):
            self._learn(one)
            self._refs.append(one)

    def _learn(self, ref: SegmentRef) -> SegmentRef | None:
        segment = self.read(ref)
        for block in segment.blocks:
            for key in block.events:
                self._keys[key] = max(block.height, self._keys.get(key, 0))
        return segment.before


def read_checked(data: bytes, ref: SegmentRef) -> Segment:
    """Decodes stored bytes that must be exactly what a reference names."""
    if digest(data) != ref.stored:
        raise LedgerBroken(f"Segment {ref.name} is not what was written: its bytes have changed.")
    found, segment = decode(ref.name, data)
    if found != ref:
        raise LedgerBroken(f"Segment {ref.name} is not what its reference says.")
    return segment
