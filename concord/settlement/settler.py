"""The settler: settles the journal's due rounds in blocks of the ledger (`consensus.md` section 4).

    claim due rounds under a batch id ─▶ append a block, the batch id in its events' keys ─▶ note the block
    ─▶ write height, hash and records beside the rounds

A crash leaves the claim open; the next start, or another replica, looks its key up in the blocks since, and
marks the rounds or tries again. A block comes 10 s after the last one, or 200 ms if a caller waits for it,
measured from the head's time and so for all writers together. While journal or ledger are away, the settler
retries. If the stored chain is not what was written, it stops for good and keeps the reason as its `alarm`.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count
from typing import ParamSpec, TypeVar

from concord.errors import (
    JournalUnavailable,
    LedgerBroken,
    LedgerConflict,
    LedgerError,
    LedgerUnavailable,
)
from concord.journal import Journal
from concord.journal.rows import Claim
from concord.ledger import Block, Head, Ledger, State
from concord.ledger.chain import canonical
from concord.ledger.events import Event
from concord.ledger.ledger import Build
from concord.observability import metrics
from concord.policies.stake import MICRO
from concord.settlement.batch import Settlement, settle_batch
from concord.settlement.noted_blocks import NotedBlocks
from concord.settlement.records import read_format
from concord.util.background import run_to_end
from concord.util.times import now

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger(__name__)

URGENT = 200_000
"""µs between blocks while a caller waits: etcd keeps ten minutes of heads."""

PATIENT = 10_000_000
"""µs between blocks while no caller waits."""

BATCH = 1000
"""Rounds that one block settles, at most; if more are due, the next block comes as if a caller waited: at a
thousand labels a second, one block in ten seconds would fall behind for good."""

REFRESH = 1.0
"""Seconds between two reads of the head, which other replicas move too."""

ABANDONED = 30_000_000
"""µs after which another settler takes over a claim that its claimer has not finished."""

START_SECONDS = 3.0
"""How long the start waits for a journal or ledger that is away; answers need neither."""

_LONGEST_BACKOFF = 10.0


class Settler:
    """Settles the due rounds of one journal in one ledger, beside any number of other settlers.

    Args:
        ledger: Where blocks go.
        journal: Where rounds come from.
        clock: µs since the epoch, the same as the ledger's.
        sleep: Waits so many seconds.
        rng: Source of the jitter.
        batch_id: Makes unique ids.
        checkpoint: Called with the name of each step; tests kill the process there.
    """

    def __init__(
        self,
        ledger: Ledger,
        journal: Journal,
        *,
        clock: Callable[[], int] = now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        batch_id: Callable[[], str] = lambda: secrets.token_hex(16),
        checkpoint: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._ledger, self._journal = ledger, journal
        self._blocks = NotedBlocks(ledger, journal)
        self._clock, self._sleep, self._batch_id, self._checkpoint = clock, sleep, batch_id, checkpoint
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self.head = Head(State())
        """The newest head that was seen, at most about a second old."""
        self.alarm: str | None = None
        """Why settling has stopped, or None."""
        self._ledger_read = self._compared = False
        self._catching_up: asyncio.Task[None] | None = None
        self._claims: list[Claim] = []
        self._waiting, self._behind = 0, False
        self._due, self._urgent, self._settled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @property
    def ledger_read(self) -> bool:
        """Whether the ledger has been read; before that the nodes' stakes are unknown."""
        return self._ledger_read or self.alarm is not None

    @property
    def started(self) -> bool:
        """Whether ledger and journal have been compared, so that blocks may be appended."""
        return self._compared or self.alarm is not None

    async def start(self) -> None:
        """Reads the head, migrates the journal, compares the two, and takes over claims that a crash left.

        While one of them is away, the service starts without it, since answers need neither, and `run`
        continues with this. For the same reason a broken ledger is an alarm and no error.

        Raises:
            ConfigurationError: One of them cannot be reached from here.
        """
        self._catching_up = asyncio.create_task(self._catch_up(), name="catching up")
        done, _ = await asyncio.wait([self._catching_up], timeout=START_SECONDS)
        for task in done:
            task.result()
        self._due.set()

    async def run(self) -> None:
        """Settles until it is cancelled; a step under way is completed first."""
        await (self._catching_up or self._catch_up())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._refresh_forever())
            group.create_task(self._settle_forever())

    def fail(self, error: BaseException) -> None:
        """Sets the alarm because `run` has ended by a bug; answers go on, settling does not."""
        self.alarm = f"Settling has stopped by an error of ours: {error}"

    def notify(self) -> None:
        """Wakes the settler: rounds are due."""
        self._due.set()

    async def append(self, events: Sequence[Event] | Build) -> Block:
        """Appends events, such as openings of accounts, and notes the block in the journal.

        Args:
            events: The events, or what makes them from the state that they will be folded onto.

        Raises:
            CallerError: An event cannot happen, or another one has its key.
            LedgerBroken: The alarm.
            LedgerError: The store does not serve, or has not since the start; a retry is harmless.
            JournalUnavailable: The block is appended and could not be noted; a retry is harmless.
        """
        if self.alarm is not None:
            raise LedgerBroken(self.alarm)
        if self._catching_up is not None and not self._compared:
            raise LedgerUnavailable("The ledger and the journal have not been compared since the start yet.")
        return await self._guarded(self._append, events)

    async def wait_settled(self, ids: Iterable[str], timeout: float) -> dict[str, int]:  # noqa: ASYNC109
        """Waits until rounds are settled; meanwhile blocks come sooner.

        Args:
            ids: The rounds.
            timeout: Seconds.

        Returns:
            Id → height of its block, of those that were settled in time.
        """
        open_, heights = set(ids), dict[str, int]()
        self._waiting += 1
        self._urgent.set()
        self._due.set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    while open_ and self.alarm is None:
                        settled = self._settled
                        with suppress(JournalUnavailable):
                            heights |= await asyncio.to_thread(self._journal.heights, open_)
                            open_ -= heights.keys()
                        if open_:
                            # Another replica may settle them, which shows only in the journal.
                            await self._sleep_until(REFRESH / 2, settled)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._urgent.clear()
        if any(height > self.head.height for height in heights.values()):
            # Another replica wrote the block; callers that learn of it here may read its state here.
            with suppress(LedgerError, JournalUnavailable):
                await self._guarded(self._refresh)
        return heights

    # The loops

    async def _catch_up(self) -> None:
        """Migrates the journal and reads the head, each as soon as it serves, and then compares the two."""
        await asyncio.gather(self._retry(self._journal.migrate), self._retry(self._read_head))
        if self.alarm is None:
            await self._retry(self._recover)
        self._compared = True

    async def _retry(self, step: Callable[[], object]) -> None:
        """Runs a step of the start until journal and ledger serve, or the alarm is set."""
        for failures in count(1):
            try:
                await self._guarded(step)
            except LedgerBroken:
                return
            except (JournalUnavailable, LedgerError) as error:
                _log.warning("start_waits", extra={"reason": error.message, "failures": failures})
                await self._sleep(min(1.0, self._backoff(failures)))
            else:
                return

    async def _refresh_forever(self) -> None:
        while self.alarm is None:
            await self._sleep(REFRESH)
            # The settling loop reports what does not serve; here the old head is good enough.
            with suppress(LedgerError, JournalUnavailable):
                await self._guarded(self._refresh)

    async def _settle_forever(self) -> None:
        failures = 0
        while self.alarm is None:
            await self._sleep_until(PATIENT / 1e6, self._due)
            await self._until_block_may_come()
            self._due.clear()
            try:
                more = await self._guarded(self._step)
            except LedgerBroken:
                break
            except (JournalUnavailable, LedgerError) as error:
                failures += 1
                _log.warning("settling_failed", extra={"reason": error.message, "failures": failures})
                await self._sleep(self._backoff(failures))
                more = True
            else:
                failures = 0
            if more:
                self._due.set()
            self._wake_waiting()
        self._wake_waiting()

    async def _until_block_may_come(self) -> None:
        entered = self._clock()
        while True:
            time = self._clock()
            # A head from the future, by a clock that runs ahead, must not stop the other writers.
            last = self.head.time if self.head.time <= time else entered
            left = last + (URGENT if self._waiting or self._behind else PATIENT) - time
            if left <= 0 or self.alarm is not None:
                return
            await self._sleep_until(min(left / 1e6, REFRESH), *(() if self._waiting else (self._urgent,)))

    async def _sleep_until(self, seconds: float, *events: asyncio.Event) -> None:
        """Sleeps until the seconds are over or one of the events is set."""
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        waits.append(asyncio.ensure_future(self._sleep(seconds)))  # type: ignore[arg-type]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _wake_waiting(self) -> None:
        self._settled.set()
        self._settled = asyncio.Event()

    def _backoff(self, failures: int) -> float:
        return min(_LONGEST_BACKOFF, 0.1 * 2.0 ** min(failures, 10)) * self._rng.uniform(0.5, 1)

    async def _guarded(self, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Runs a step in a thread and keeps the head that it leads to; a broken ledger sets the alarm."""
        try:
            # To its end: the service that cancels this closes the journal next.
            return await run_to_end(step, *args, **kwargs)
        except LedgerBroken as error:
            if self.alarm is None:
                self.alarm = error.message
                _log.error("ledger_broken", extra={"reason": error.message})
            raise
        except LedgerUnavailable:
            metrics.LEDGER_FAULTS.inc()
            raise
        finally:
            self.head = self._ledger.newest

    # The steps, in a thread

    def _read_head(self) -> None:
        self._ledger.head()
        self._ledger_read = True

    def _recover(self) -> None:
        self._blocks.check()
        self._claims = self._journal.open_claims()
        self._check_due_rounds()
        self._blocks.note()

    def _check_due_rounds(self) -> None:
        """Raises LedgerBroken if rounds are due that the ledger may have settled already.

        An older journal beside a newer ledger holds such rounds, and they would be settled twice. Otherwise
        the journal knows every settlement: its block is noted, or its claim, which is older, is open.
        """
        if self._journal.due_count() and self._blocks.unclaimed_settlement(self._claims):
            # A claim may have been made since they were read.
            self._claims = self._journal.open_claims()
            height = self._blocks.unclaimed_settlement(self._claims)
            if height:
                raise LedgerBroken(
                    f"Block {height} settles rounds that the journal has no trace of: the journal is older "
                    "than the ledger, and what is due in it may be settled already."
                )

    def _refresh(self) -> None:
        before = self._ledger.newest.height
        if self._ledger.head().height > before:
            # Another process wrote it, perhaps one with another journal.
            self._blocks.note()

    def _append(self, events: Sequence[Event] | Build) -> Block:
        self._blocks.check()
        block = self._ledger.append(events, gap=URGENT)
        self._blocks.note()
        return block

    def _step(self) -> bool:
        """Settles one claim, an open one first; True if there may be more to do."""
        self._blocks.check()
        if not self._claims:
            self._claims = self._journal.open_claims(ABANDONED)
        if not self._claims:
            batch, height = self._batch_id(), self._ledger.newest.height
            claimed = self._journal.claim(batch, height, BATCH)
            self._behind = len(claimed) >= BATCH
            if not claimed:
                return False
            self._claims.append(Claim(batch, height, tuple(claimed)))
            self._checkpoint("claimed")
        return self._settle(self._claims[0])

    def _settle(self, claim: Claim) -> bool:
        """Appends the claim's block and marks its rounds; True if there may be more to do."""
        built: list[Settlement] = []

        def build(state: State) -> Sequence[Event]:
            built.append(settle_batch(claim.batch, claim.rounds, state))
            return built[-1].events

        try:
            block = self._ledger.append(build, claim.noted_height, gap=URGENT, attempts=1, whole=True)
        except LedgerConflict:
            # Another writer's block came first, so this one waits for its turn again.
            return True
        self._checkpoint("appended")
        self._blocks.note()
        self._checkpoint("noted")
        settlement = self._settlement_of(block, claim, built[-1])
        # Before the journal says so: a caller that learns of a block there may read its state here.
        self.head = self._ledger.newest
        self._journal.mark_settled(claim.batch, block.height, block.hash, settlement.records)
        self._checkpoint("marked")
        _count_debits(settlement)
        self._claims.pop(0)
        return bool(self._claims) or len(claim.rounds) >= BATCH

    def _settlement_of(self, block: Block, claim: Claim, built: Settlement) -> Settlement:
        """The claim's settlement in the block; another writer may have built it on another state."""
        if _holds(block, built):
            return built
        # A version of before may have written it, and its records.
        record_format = read_format(next(body for body in block.events.values() if body["kind"] == "settle"))
        before = self._ledger.state_before(block.height)
        settlement = settle_batch(claim.batch, claim.rounds, before, record_format)
        if not _holds(block, settlement):
            raise LedgerBroken(f"Block {block.height} settles batch {claim.batch} not as its rounds say.")
        return settlement


def _holds(block: Block, settlement: Settlement) -> bool:
    return all(canonical(block.events.get(event.key)) == canonical(event.body) for event in settlement.events)


def _count_debits(settlement: Settlement) -> None:
    for task, (right, wrong) in settlement.debits.items():
        metrics.DEBITS.labels(task, "true").inc(right / MICRO)
        metrics.DEBITS.labels(task, "false").inc(wrong / MICRO)
