"""The ledger as callers use it: read the head, append events, read blocks back.

Any number of writers may append. Each builds its block on the head that it read and swaps the head
only if nobody else did meanwhile; else it reads again, looks whether its events have come in by
another hand, and builds anew. So an event's key decides that it happens once, whoever wrote it and
however often it was tried. A head that does not follow the one read before raises `LedgerBroken`,
and nothing is appended to it. This module never repairs, forgets or edits.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile

from concord.errors import Conflict, LedgerBroken, LedgerConflict, LedgerError, UnknownName
from concord.ledger.audit import HEAD_IS_GONE, ChainReport, Noted, audit, rebuild
from concord.ledger.chain import GENESIS, Block, canonical, digest, extend, replay
from concord.ledger.events import Event
from concord.ledger.exports import Lines, import_blocks
from concord.ledger.head import Head, decode_head, encode_head
from concord.ledger.segments import Segments, encode
from concord.ledger.state import State, fold_task
from concord.ledger.store import SegmentArchive, Store
from concord.observability import metrics
from concord.util.times import now

Build = Callable[[State], Sequence[Event]]
"""Makes the events from the state that they will be folded onto."""

HEAD_LIMIT = 64 * 1024
"""Bytes of a head: etcd keeps every version of it for ten minutes."""

KEPT_SEGMENTS = 500
"""Segments that archiving leaves in the store."""

ATTEMPTS = 100
"""Swaps that a writer may lose in a row before it gives up; with jitter that takes minutes."""


class Ledger:
    """A chain of blocks in a store.

    Args:
        store: Where head and segments are.
        archive: Where segments went that archiving took out of the store.
        clock: µs since the epoch.
        sleep: Waits so many seconds.
        rng: Source of the jitter after a lost swap.
        limit: Bytes that a head may have before its blocks are sealed.
        checkpoint: Told each step of an append by its name; tests kill the process there.
    """

    def __init__(
        self,
        store: Store,
        *,
        archive: SegmentArchive | None = None,
        clock: Callable[[], int] = now,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
        limit: int = HEAD_LIMIT,
        checkpoint: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._store, self._archive, self._limit = store, archive, limit
        self._clock, self._sleep, self._checkpoint = clock, sleep, checkpoint
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._segments = Segments(store, archive)
        self._head = Head(State())
        self._lock = threading.RLock()

    def head(self) -> Head:
        """The newest head, read from the store; parsed only if it has changed.

        Raises:
            LedgerBroken: It is not what was written, gone, or older than one that was read before.
        """
        with self._lock:
            found = self._store.read_head()
            if found is None:
                self._refuse_missing_head()
            elif found[1] != self._head.revision:
                head = decode_head(*found)
                self._check_follows(head)
                self._head = head
            return self._head

    @property
    def newest(self) -> Head:
        """The head as it was read last, without a look at the store."""
        return self._head

    def append(
        self,
        events: Sequence[Event] | Build,
        since: int | None = None,
        *,
        gap: int = 0,
        attempts: int = ATTEMPTS,
        whole: bool = False,
    ) -> Block:
        """Appends those events that are not there yet, as one block.

        Args:
            events: The events, or what makes them from the state they will be folded onto. Made events
                are known by their keys alone: another writer may have made them from another state.
            since: Height above which their keys are looked for; None looks through the whole chain.
            gap: µs that must lie between the last block and this one.
            attempts: Swaps to try before giving up.
            whole: The events belong together, so where one stands all do: what is made anew of the state
                that they led to is not what they were.

        Returns:
            The new block; where all events were there already, the newest block that holds one of them.

        Raises:
            Conflict: A key is there with another body, or an event cannot happen in this state.
            LedgerBroken: The stored chain is not what was written; nothing was appended.
            LedgerConflict: Other writers were faster, each time; nothing was appended.
            LedgerError: The store does not serve; whether the block is there is to be looked up by its key.
        """
        for attempt in range(attempts):
            head = self._head_after(gap)
            wanted = events(head.state) if callable(events) else events
            missing, there = self._missing(head, wanted, since, bodies=not callable(events))
            if there is not None and (whole or not missing):
                return there
            if not missing:
                raise LedgerError("There is nothing to append.")
            block, state = extend(
                head.state,
                missing,
                height=head.height + 1,
                previous=head.hash,
                last_time=head.time,
                now=self._clock(),
            )
            try:
                self._swap(head, block, state)
            except LedgerConflict:
                self._sleep(self._rng.uniform(0, min(1.0, 0.005 * 2**attempt)))
                continue
            return block
        raise LedgerConflict(f"Another writer was faster, {attempts} times in a row.")

    def block(self, height: int) -> Block:
        """The block of a height, or `UnknownName`."""
        return self._block(self.head(), height)

    def blocks(self, start: int = 1, stop: int | None = None) -> list[Block]:
        """Blocks from height `start` up to but not including `stop`, as far as there are any."""
        return list(self.stream(start, stop))

    def stream(self, start: int = 1, stop: int | None = None) -> Iterator[Block]:
        """The same blocks one after the other, of which only a segment's are in memory at a time."""
        head = self.head()
        start, stop = max(1, start), min(head.height + 1, stop or head.height + 1)
        if start <= head.sealed:
            yield from self._segments.blocks(head.segment, start, min(stop, head.sealed + 1))
        yield from (block for block in head.blocks if start <= block.height < stop)

    def state_before(self, height: int) -> State:
        """The state that the block of a height was built on; of the next height, the newest state."""
        head = self.head()
        if not 1 <= height <= head.height + 1:
            raise UnknownName(f"There is no block {height}.", code="unknown_block", field="height")
        if height > head.sealed:
            base = self._base(head)
            return replay(head.blocks[: height - head.sealed - 1], base, head.sealed, self._sealed_hash(head))
        segment = self._segments.holding(head.segment, height)
        before = segment.blocks[: height - segment.height_before - 1]
        return replay(before, segment.state, segment.height_before, segment.hash_before)

    def holding(self, key: str) -> Block | None:
        """The newest block that holds an event of this key."""
        head = self.head()
        height = head.height_of(key, 0)
        if height is None and head.sealed:
            height = self._segments.height_of(key, head.segment, 0)
        return None if height is None else self._block(head, height)

    def verify(self, noted: Mapping[int, str] | Iterable[tuple[int, str]] = ()) -> ChainReport:
        """Reads everything that is stored, replays it, and compares the hashes noted in the journal."""
        return audit(self._store, self._archive, noted)

    def rebuild(self, noted: Iterable[Noted], *, replace: bool = False) -> Head:
        """Makes the head anew from segments and the journal's blocks, where it was deleted.

        Args:
            noted: What the journal noted.
            replace: Put it in the place of a head that is there and is not what was written.

        Raises:
            Conflict: There is a head, and it is sound or not to be replaced.
            LedgerBroken: What is left does not reach the blocks that were noted.
            LedgerConflict: Somebody swapped the head meanwhile.
        """
        with self._lock:
            rebuild(self._store, self._archive, noted, replace=replace)
            self._head = Head(State())
            return self.head()

    def import_blocks(self, lines: Lines) -> Head:
        """Takes in the blocks that another ledger exported; this one must be empty.

        Args:
            lines: Opens the export, which is read twice.

        Raises:
            InvalidInput: A line is no block, or none that follows the one before.
            Conflict: This ledger is not empty.
            LedgerConflict: Somebody else wrote into it meanwhile.
        """
        with self._lock:
            import_blocks(self._store, lines, self._limit)
            return self.head()

    def archive(self, keep: int = KEPT_SEGMENTS) -> int:
        """Copies segments beyond the newest `keep` into the archive, then removes them from the store.

        Returns:
            How many were moved.
        """
        if self._archive is None:
            raise LedgerError("There is no archive to copy segments to.")
        here = set(self._store.list_segments())
        beyond = islice(self._segments.back(self.head().segment), keep, None)
        # The oldest go first, so what lies before one that is gone is gone too, and need not be read.
        moved = list(takewhile(lambda ref: ref.name in here, beyond))
        for ref in reversed(moved):
            data = self._segments.stored(ref)
            if digest(data) != ref.stored:
                raise LedgerBroken(f"Segment {ref.name} is not what was written: its bytes have changed.")
            self._archive.keep_segment(ref.name, data)
            if self._archive.kept_segment(ref.name) != data:
                raise LedgerBroken(f"The archive holds another segment {ref.name}.")
            self._store.delete_segment(ref.name)
        return len(moved)

    def export(self) -> Iterator[bytes]:
        """All blocks as JSON lines, oldest first."""
        return (block.data + b"\n" for block in self.stream())

    def _head_after(self, gap: int) -> Head:
        head = self.head()
        # A head from the future, by a clock that runs ahead, stops nobody for longer than the gap.
        while gap and (wait := min(gap, head.time + gap - self._clock())) > 0:
            self._sleep(wait / 1e6)
            before, head = head, self.head()
            if before.revision == head.revision:
                break
        return head

    def _missing(
        self, head: Head, events: Sequence[Event], since: int | None, *, bodies: bool
    ) -> tuple[list[Event], Block | None]:
        missing: dict[str, Event] = {}
        there: Block | None = None
        for event in events:
            block = self._holding(head, event, since)
            known = block.events[event.key] if block else getattr(missing.get(event.key), "body", None)
            if bodies and known is not None and canonical(known) != canonical(event.body):
                raise Conflict(f"The key {event.key!r} is taken by another event.", field="key")
            if block is None:
                missing[event.key] = event
            elif there is None or block.height > there.height:
                there = block
        return list(missing.values()), there

    def _holding(self, head: Head, event: Event, since: int | None) -> Block | None:
        """The block that holds an event, if it stands."""
        if event.kind == "open":
            task = head.state.tasks.get(event.body["task"])
            if task is None or event.body["node"] not in task.accounts:
                return None
            since = 0
        elif event.kind == "params":
            if not _stands(event, head.state):
                return None
            since = 0
        height = head.height_of(event.key, since or 0)
        if height is None and (since or 0) < head.sealed:
            height = self._segments.height_of(event.key, head.segment, since or 0)
        return None if height is None else self._block(head, height)

    def _block(self, head: Head, height: int) -> Block:
        if not 1 <= height <= head.height:
            raise UnknownName(f"There is no block {height}.", code="unknown_block", field="height")
        block = head.block(height)
        if block is None:
            segment = self._segments.holding(head.segment, height)
            block = segment.blocks[height - segment.height_before - 1]
        return block

    def _swap(self, head: Head, block: Block, state: State) -> None:
        grown = Head(state, (*head.blocks, block), head.segment)
        data = encode_head(grown)
        if len(data) > self._limit and head.blocks:
            grown = self._seal(head, block, state)
            data = encode_head(grown)
        if len(data) > HEAD_LIMIT:
            raise LedgerError(f"A block of {len(block.data)} bytes does not fit into the ledger's head.")
        self._checkpoint("before-swap")
        try:
            revision = self._store.swap_head(data, head.revision)
        except LedgerConflict:
            metrics.LEDGER_CONFLICTS.inc()
            raise
        metrics.LEDGER_WRITES.inc()
        metrics.LEDGER_HEAD_BYTES.set(len(data))
        self._checkpoint("swapped")
        with self._lock:
            if grown.height > self._head.height:
                self._head = replace(grown, revision=revision)

    def _seal(self, head: Head, block: Block, state: State) -> Head:
        ref, data = encode(self._base(head), head.blocks, head.segment)
        ref = self._segments.write(ref, data)
        self._checkpoint("segment-written")
        return Head(state, (block,), ref)

    def _base(self, head: Head) -> State:
        """The state before the head's first block."""
        if head.segment is None:
            return State()
        segment = self._segments.read(head.segment)
        return replay(segment.blocks, segment.state, segment.height_before, segment.hash_before)

    def _check_follows(self, head: Head) -> None:
        known = self._head
        if not known.height:
            return
        if head.height < known.height:
            raise LedgerBroken(
                f"The ledger's head is at block {head.height} and was at {known.height} before: "
                "an old one was put back."
            )
        if self._block(head, known.height).hash != known.hash:
            raise LedgerBroken(f"Block {known.height} is another one than before: the chain is forked.")

    def _refuse_missing_head(self) -> None:
        known = self._head.revision is not None
        if (known or self._store.list_segments()) and self._store.read_head() is None:
            raise LedgerBroken(HEAD_IS_GONE)

    @staticmethod
    def _sealed_hash(head: Head) -> str:
        return head.segment.block if head.segment else GENESIS


def _stands(event: Event, state: State) -> bool:
    """Whether the parameters of an event are those in force."""
    name = event.body["task"]
    task = state.tasks.get(name)
    return task is not None and fold_task(task, event) == task
