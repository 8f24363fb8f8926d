"""The ledger: reads the head, appends events, reads blocks back.

Any number of writers may append. Each builds its block on the head that it read, and swaps the head only if
it is unchanged; else it reads the head again, checks whether another writer has appended its events, and
builds a new block. So an event's key makes it happen once, however often it is tried. A head that does not
follow the one read before raises `LedgerBroken`, and nothing is appended to it.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from concord.errors import Conflict, LedgerBroken, LedgerConflict, LedgerError, UnknownName
from concord.ledger.audit import HEAD_IS_GONE, ChainReport, NotedBlock, audit, rebuild
from concord.ledger.chain import Block, canonical, extend, replay
from concord.ledger.events import Event
from concord.ledger.exports import Lines, import_blocks
from concord.ledger.head import HEAD_LIMIT, Head, decode_head, encode_head
from concord.ledger.segments import KEPT_SEGMENTS, Segments
from concord.ledger.state import State, fold_task
from concord.ledger.store import SegmentArchive, Store
from concord.observability import metrics
from concord.util.times import now

Build = Callable[[State], Sequence[Event]]
"""Makes events from the state that they will be folded onto."""

ATTEMPTS = 100
"""Swaps that a writer tries before it gives up; with jitter that takes minutes."""


class Ledger:
    """A chain of blocks in a store.

    Args:
        store: Where head and segments are.
        archive: Where segments are that archiving took out of the store.
        clock: µs since the epoch.
        sleep: Waits for a number of seconds.
        rng: Source of the jitter after a lost swap.
        limit: Bytes of a head above which its blocks are sealed.
        checkpoint: Called with the name of each step of an append; tests kill the process there.
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
        self.newest = Head(State())
        """The head as it was read last."""
        self._lock = threading.RLock()

    def head(self) -> Head:
        """The newest head, read from the store; parsed only if it has changed.

        Raises:
            LedgerBroken: It was changed or deleted, or is older than one that was read before.
        """
        with self._lock:
            stored = self._store.read_head()
            if stored is None:
                self._check_never_stored()
            elif stored[1] != self.newest.revision:
                head = decode_head(*stored)
                self._check_follows(head)
                self.newest = head
            return self.newest

    def append(
        self,
        events: Sequence[Event] | Build,
        since: int | None = None,
        *,
        gap: int = 0,
        attempts: int = ATTEMPTS,
        whole: bool = False,
    ) -> Block:
        """Appends the events that the chain does not hold yet, as one block.

        Args:
            events: The events, or a function that makes them from the state that they will be folded onto.
            since: Height above which their keys are searched; None searches the whole chain.
            gap: µs that must lie between the last block and this one.
            attempts: Swaps to try before giving up.
            whole: The events belong together, so if the chain holds one of them, it holds all.

        Returns:
            The new block; where the chain holds all events, the newest block that holds one of them.

        Raises:
            Conflict: A key is taken by another event, or an event cannot happen in this state.
            LedgerBroken: The stored chain was changed; nothing was appended.
            LedgerConflict: Other writers were faster at each attempt; nothing was appended.
            LedgerError: The store does not serve; whether the block was appended, its key tells.
        """
        for attempt in range(attempts):
            with suppress(LedgerConflict):
                return self._append_once(events, since, self._head_after(gap), whole=whole)
            self._sleep(self._rng.uniform(0, min(1.0, 0.005 * 2**attempt)))
        raise LedgerConflict(f"Another writer was faster, {attempts} times in a row.")

    def block(self, height: int) -> Block:
        """The block of a height, or `UnknownName`."""
        return self._block(self.head(), height)

    def blocks(self, start: int = 1, stop: int | None = None) -> list[Block]:
        """Blocks from height `start` up to but not including `stop`, as far as there are any."""
        return list(self.stream(start, stop))

    def stream(self, start: int = 1, stop: int | None = None) -> Iterator[Block]:
        """The same blocks one after the other; only one segment of them is in memory at a time."""
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
            before = head.blocks[: height - head.sealed - 1]
            return replay(before, self._segments.state_after(head.segment), head.sealed, head.sealed_hash)
        return self._segments.segment_at(head.segment, height).state_at(height - 1)

    def find_event(self, key: str) -> Block | None:
        """The newest block that holds an event of this key."""
        return self._find_key(self.head(), key, 0)

    def verify(self, noted: Mapping[int, str] | Iterable[tuple[int, str]] = ()) -> ChainReport:
        """Reads and replays everything that is stored, and compares the hashes that the journal noted."""
        return audit(self._store, self._archive, noted)

    def rebuild(self, noted: Iterable[NotedBlock], *, replace: bool = False) -> Head:
        """Rebuilds a head that was deleted, from segments and the journal's blocks.

        Args:
            noted: The blocks that the journal noted.
            replace: Whether to replace a stored head that was changed.

        Raises:
            Conflict: There is a head, and it is sound or not to be replaced.
            LedgerBroken: Blocks that were noted are in no segment and no note.
            LedgerConflict: Another writer swapped the head meanwhile.
        """
        with self._lock:
            rebuild(self._store, self._archive, noted, replace=replace)
            self.newest = Head(State())
            return self.head()

    def import_blocks(self, lines: Lines) -> Head:
        """Imports the blocks that another ledger exported; this one must be empty.

        Args:
            lines: Opens the export, which is read twice.

        Raises:
            InvalidInput: A line is no block, or does not follow the one before.
            Conflict: This ledger is not empty.
            LedgerConflict: Another writer wrote into it meanwhile.
        """
        with self._lock:
            import_blocks(self._store, lines, self._limit)
            return self.head()

    def archive(self, keep: int = KEPT_SEGMENTS) -> int:
        """Copies segments beyond the newest `keep` into the archive, then removes them from the store.

        Returns:
            How many were moved.
        """
        return self._segments.archive(self.head().segment, keep)

    def export(self) -> Iterator[bytes]:
        """All blocks as JSON lines, oldest first."""
        return (block.data + b"\n" for block in self.stream())

    def _head_after(self, gap: int) -> Head:
        head = self.head()
        # A head from the future, by a clock that runs ahead, delays a writer for the gap at most.
        while gap and (wait := min(gap, head.time + gap - self._clock())) > 0:
            self._sleep(wait / 1e6)
            before, head = head, self.head()
            if before.revision == head.revision:
                break
        return head

    def _append_once(
        self, events: Sequence[Event] | Build, since: int | None, head: Head, *, whole: bool
    ) -> Block:
        if callable(events):
            # Another writer may have made them from another state, so their keys alone are compared.
            missing, newest = self._split_missing(head, events(head.state), since, compare_bodies=False)
        else:
            missing, newest = self._split_missing(head, events, since, compare_bodies=True)
        if newest is not None and (whole or not missing):
            return newest
        if not missing:
            raise LedgerError("There is nothing to append.")
        previous, time = head.hash, self._clock()
        block, state = extend(
            head.state, missing, height=head.height + 1, previous=previous, last_time=head.time, now=time
        )
        self._swap(head, block, state)
        return block

    def _split_missing(
        self, head: Head, events: Sequence[Event], since: int | None, *, compare_bodies: bool
    ) -> tuple[list[Event], Block | None]:
        """The events that the chain does not hold, and the newest block that holds one of the others."""
        missing: dict[str, Event] = {}
        newest: Block | None = None
        for event in events:
            block = self._find(head, event, since)
            body = block.events[event.key] if block else getattr(missing.get(event.key), "body", None)
            if compare_bodies and body is not None and canonical(body) != canonical(event.body):
                raise Conflict(f"The key {event.key!r} is taken by another event.", field="key")
            if block is None:
                missing[event.key] = event
            elif newest is None or block.height > newest.height:
                newest = block
        return list(missing.values()), newest

    def _find(self, head: Head, event: Event, since: int | None) -> Block | None:
        """The block that holds an event; None for an opening or parameters that are not in force."""
        if event.kind in {"open", "params"}:
            return self._find_key(head, event.key, 0) if _is_in_force(event, head.state) else None
        return self._find_key(head, event.key, since or 0)

    def _find_key(self, head: Head, key: str, since: int) -> Block | None:
        height = head.height_of(key, since)
        if height is None and since < head.sealed:
            height = self._segments.height_of(key, head.segment, since)
        return None if height is None else self._block(head, height)

    def _block(self, head: Head, height: int) -> Block:
        if not 1 <= height <= head.height:
            raise UnknownName(f"There is no block {height}.", code="unknown_block", field="height")
        block = head.block(height)
        if block is None:
            segment = self._segments.segment_at(head.segment, height)
            block = segment.blocks[height - segment.height_before - 1]
        return block

    def _swap(self, head: Head, block: Block, state: State) -> None:
        grown = Head(state, (*head.blocks, block), head.segment)
        data = encode_head(grown)
        if len(data) > self._limit and head.blocks:
            grown = Head(state, (block,), self._segments.seal(head.blocks, head.segment))
            self._checkpoint("segment-written")
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
            if grown.height > self.newest.height:
                self.newest = replace(grown, revision=revision)

    def _check_follows(self, head: Head) -> None:
        before = self.newest
        if not before.height:
            return
        if head.height < before.height:
            raise LedgerBroken(
                f"The ledger's head is at block {head.height} and was at {before.height} before: "
                "an old one was put back."
            )
        if self._block(head, before.height).hash != before.hash:
            raise LedgerBroken(f"Block {before.height} is another one than before: the chain is forked.")

    def _check_never_stored(self) -> None:
        """Raises LedgerBroken if there was a head: one was read before, or there are segments."""
        was_read = self.newest.revision is not None
        if (was_read or self._store.list_segments()) and self._store.read_head() is None:
            raise LedgerBroken(HEAD_IS_GONE)


def _is_in_force(event: Event, state: State) -> bool:
    """Whether the account of an `open` event is open, or the parameters of a `params` event hold."""
    task = state.tasks.get(event.body["task"])
    if task is None:
        return False
    return event.body["node"] in task.accounts if event.kind == "open" else fold_task(task, event) == task
