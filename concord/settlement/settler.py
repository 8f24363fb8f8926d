"""The settler: moves due rounds from the journal into the ledger, in the steps of `consensus.md` section 4.

    claim due rounds under a batch id ─▶ append a block, the batch id its events' key ─▶ note the block
    ─▶ write height, hash and records beside the rounds

Whatever step a crash interrupts, the claim is still open; the next start, or another replica, looks
the batch up by its key in the blocks since and marks it or tries it again. An answer never waits for
any of this, unless its caller asked to: then blocks come after 200 ms instead of 10 s, measured from
the head's time and so for all writers together. Where journal or ledger are away, at the start or later,
it tries until they are back. Where the stored chain is not what was written, it stops for good, keeps
the reason as its `alarm`, and never tries to mend it.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import ParamSpec, TypeVar

from concord.errors import (
    ConcordError,
    JournalUnavailable,
    LedgerBroken,
    LedgerConflict,
    LedgerError,
    LedgerUnavailable,
)
from concord.journal import Claim, Journal
from concord.ledger import Block, Head, Ledger, State
from concord.ledger.chain import canonical
from concord.ledger.events import Event
from concord.ledger.ledger import Build
from concord.observability import metrics
from concord.policies.stake import MICRO
from concord.settlement.batch import Settlement, settle_batch
from concord.util.background import run_to_end

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger(__name__)

URGENT = 200_000
"""µs between blocks where a caller waits: etcd keeps ten minutes of heads."""

PATIENT = 10_000_000
"""µs between blocks where nobody waits."""

BATCH = 1000
"""Rounds that one block settles; what is left waits for the next, which comes as if a caller waited: at a
thousand labels a second, one block in ten seconds would fall behind for good."""

NOTED_AT_ONCE = 500
"""Blocks that are in memory, and in one transaction of the journal, while they are noted."""

REFRESH = 1.0
"""Seconds between two looks at the head, which other replicas move too."""

ABANDONED = 30_000_000
"""µs after which a claim is taken up that its claimer has not finished."""

START_SECONDS = 3.0
"""How long the start waits for a journal or ledger that is away; what it is there for is answered without."""

_LONGEST_BACKOFF = 10.0


def _now() -> int:
    return time.time_ns() // 1000


class Settler:
    """Settles the due rounds of one journal in one ledger, beside any number of others that do.

    Args:
        ledger: Where blocks go.
        journal: Where rounds come from.
        clock: µs since the epoch, the same as the ledger's.
        sleep: Waits so many seconds.
        rng: Source of the jitter.
        batch_id: Makes ids that nobody else makes.
        checkpoint: Told each step by its name; tests kill the process there.
    """

    def __init__(
        self,
        ledger: Ledger,
        journal: Journal,
        *,
        clock: Callable[[], int] = _now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        batch_id: Callable[[], str] = lambda: secrets.token_hex(16),
        checkpoint: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._ledger, self._journal = ledger, journal
        self._clock, self._sleep, self._batch_id, self._checkpoint = clock, sleep, batch_id, checkpoint
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self.head = Head(State())
        """The newest head that was seen, at most about a second old."""
        self._alarm: str | None = None
        self._known = self._caught_up = False
        self._catching_up: asyncio.Task[None] | None = None
        self._open: list[Claim] = []
        self._waiting, self._behind = 0, False
        self._due, self._hurry, self._settled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @property
    def alarm(self) -> str | None:
        """Why settling has stopped, or None."""
        return self._alarm

    @property
    def known(self) -> bool:
        """Whether the ledger has been read: before it has, nobody here knows what any node's stake is."""
        return self._known or self._alarm is not None

    @property
    def started(self) -> bool:
        """Whether ledger and journal have been compared, so that something may be appended."""
        return self._caught_up or self._alarm is not None

    async def start(self) -> None:
        """Reads the head, migrates the journal, compares the two, and takes up the claims of a crash.

        Where one of them is away, `run` goes on with this, and the service starts without: its answers need
        neither. A broken ledger is an alarm and no error for the same reason.

        Raises:
            ConfigurationError: There is no way to one of them.
        """
        self._catching_up = asyncio.create_task(self._catch_up(), name="catching up")
        done, _ = await asyncio.wait([self._catching_up], timeout=START_SECONDS)
        for task in done:
            task.result()
        self._due.set()

    async def run(self) -> None:
        """Settles until it is cancelled; a step under way is finished first."""
        await (self._catching_up or self._catch_up())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._refresh_forever())
            group.create_task(self._settle_forever())

    def fail(self, error: BaseException) -> None:
        """Raises the alarm because `run` has ended by a bug; answers go on, settling does not."""
        self._alarm = f"Settling has stopped by an error of ours: {error}"

    def notify(self) -> None:
        """Says that rounds are due."""
        self._due.set()

    async def append(self, events: Sequence[Event] | Build) -> Block:
        """Appends events, such as openings of accounts, and notes the block in the journal.

        Args:
            events: The events, or what makes them from the state that they will be folded onto.

        Raises:
            CallerError: An event that cannot happen, or whose key another one has.
            LedgerBroken: The alarm.
            LedgerError: The store does not serve, or did not since the start; again is harmless.
            JournalUnavailable: The block stands and could not be noted; again is harmless.
        """
        if self._alarm is not None:
            raise LedgerBroken(self._alarm)
        if self._catching_up is not None and not self._caught_up:
            raise LedgerUnavailable("The ledger and the journal have not been compared since the start yet.")
        return await self._guarded(self._append, events)

    async def settled(self, ids: Iterable[str], timeout: float) -> dict[str, int]:  # noqa: ASYNC109
        """Waits until rounds are settled, and makes blocks come sooner meanwhile.

        Args:
            ids: The rounds.
            timeout: Seconds.

        Returns:
            Id → height of its block, of those that were settled in time.
        """
        wanted, found = set(ids), dict[str, int]()
        self._waiting += 1
        self._hurry.set()
        self._due.set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    while wanted - found.keys() and self._alarm is None:
                        pulse = self._settled
                        with suppress(JournalUnavailable):
                            found |= await asyncio.to_thread(self._journal.heights, wanted - found.keys())
                        if wanted - found.keys():
                            # Another replica may settle them, and does not tell this one.
                            await self._nap(REFRESH / 2, pulse)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._hurry.clear()
        if any(height > self.head.height for height in found.values()):
            # Another replica wrote it; who hears here of a block may look here at what it led to.
            with suppress(LedgerError, JournalUnavailable):
                await self._guarded(self._refresh)
        return found

    # The loops

    async def _catch_up(self) -> None:
        """Migrates the journal and reads the head, each as soon as it serves, and then compares the two."""
        first: list[Callable[[], object]] = [self._journal.migrate, self._read_head]
        failures = 0
        while not self._caught_up:
            fault = None
            for step in first[:]:
                failed = await self._attempt(step)
                fault = failed or fault
                if failed is None:
                    first.remove(step)
            if not first and self._alarm is None:
                fault = await self._attempt(self._recover)
            if fault is None:
                self._caught_up = True
                break
            failures += 1
            _log.warning("start_waits", extra={"reason": fault.message, "failures": failures})
            await self._sleep(min(1.0, self._backoff(failures)))

    async def _attempt(self, step: Callable[[], object]) -> ConcordError | None:
        """Takes a step of the start; what makes it worth another try, or None. The alarm is not worth one."""
        try:
            await self._guarded(step)
        except LedgerBroken:
            return None
        except (JournalUnavailable, LedgerError) as error:
            return error
        return None

    async def _refresh_forever(self) -> None:
        while self._alarm is None:
            await self._sleep(REFRESH)
            # What does not serve is the settling loop's to report; here the old head is good enough.
            with suppress(LedgerError, JournalUnavailable):
                await self._guarded(self._refresh)

    async def _settle_forever(self) -> None:
        failures = 0
        while self._alarm is None:
            await self._nap(PATIENT / 1e6, self._due)
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
            self._tell_waiting()
        self._tell_waiting()

    async def _until_block_may_come(self) -> None:
        entered = self._clock()
        while True:
            now = self._clock()
            # A head from the future, by a clock that runs ahead, must not stop everybody.
            last = self.head.time if self.head.time <= now else entered
            left = last + (URGENT if self._waiting or self._behind else PATIENT) - now
            if left <= 0 or self._alarm is not None:
                return
            await self._nap(min(left / 1e6, REFRESH), *(() if self._waiting else (self._hurry,)))

    async def _nap(self, seconds: float, *events: asyncio.Event) -> None:
        """Sleeps until the time is over or one of the events is set."""
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        waits.append(asyncio.ensure_future(self._sleep(seconds)))  # type: ignore[arg-type]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _tell_waiting(self) -> None:
        self._settled.set()
        self._settled = asyncio.Event()

    def _backoff(self, failures: int) -> float:
        return min(_LONGEST_BACKOFF, 0.1 * 2.0 ** min(failures, 10)) * self._rng.uniform(0.5, 1)

    async def _guarded(self, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Runs a step in a thread, keeps the head it leads to; a broken ledger raises the alarm."""
        try:
            # To its end, lest whoever cancelled closes the journal under it.
            result = await run_to_end(step, *args, **kwargs)
        except LedgerBroken as error:
            if self._alarm is None:
                self._alarm = error.message
                _log.error("ledger_broken", extra={"reason": error.message})
            raise
        except LedgerUnavailable:
            metrics.LEDGER_FAULTS.inc()
            raise
        finally:
            self.head = self._ledger.newest
        return result

    # The steps, in a thread

    def _read_head(self) -> None:
        self._ledger.head()
        self._known = True

    def _recover(self) -> None:
        self._check_noted()
        self._open = self._journal.open_claims()
        self._check_known()
        self._note()

    def _check_known(self) -> None:
        """Raises LedgerBroken if rounds are due that the ledger may have settled already.

        An older journal beside a newer ledger holds such rounds, and they would be settled twice. Every
        settlement is noted here or stands under an open claim: its claim was there before its block.
        """
        if self._journal.due_count() and self._unknown():
            self._open = self._journal.open_claims()
            unknown = self._unknown()
            if unknown:
                raise LedgerBroken(
                    f"Block {unknown} settles rounds that the journal has no trace of: the journal is older "
                    "than the ledger, and what is due in it may be settled already."
                )

    def _unknown(self) -> int | None:
        """Height of the first settlement that the journal neither noted nor has a claim of."""
        newest = self._journal.newest_block()
        claimed = {claim.batch for claim in self._open}
        start = (newest[0] if newest else 0) + 1
        for block in self._ledger.stream(start, self._ledger.newest.height + 1):
            settled = {key.split(":")[1] for key, body in block.events.items() if body["kind"] == "settle"}
            if settled - claimed:
                return block.height
        return None

    def _refresh(self) -> None:
        before = self._ledger.newest.height
        if self._ledger.head().height > before:
            # Another process wrote it, and may not know this journal.
            self._note()

    def _append(self, events: Sequence[Event] | Build) -> Block:
        self._check_noted()
        block = self._ledger.append(events, gap=URGENT)
        self._note()
        return block

    def _step(self) -> bool:
        """Settles one claim, an open one first; True if there may be more to do."""
        self._check_noted()
        if not self._open:
            self._open = self._journal.open_claims(ABANDONED)
        if not self._open:
            batch, height = self._batch_id(), self._ledger.newest.height
            claimed = self._journal.claim(batch, height, BATCH)
            self._behind = len(claimed) >= BATCH
            if not claimed:
                return False
            self._open.append(Claim(batch, height, tuple(claimed)))
            self._checkpoint("claimed")
        return self._finish(self._open[0])

    def _finish(self, claim: Claim) -> bool:
        try:
            block = self._ledger.append(
                lambda state: settle_batch(claim.batch, claim.rounds, state).events,
                claim.noted_height,
                gap=URGENT,
                attempts=1,
                whole=True,
            )
        except LedgerConflict:
            # Another writer's block came first, so this one has to wait for its turn again.
            return True
        self._checkpoint("appended")
        self._note()
        self._checkpoint("noted")
        settlement = self._settlement_in(block, claim)
        # Before the journal says so: who hears there of a block may look at what it led to.
        self.head = self._ledger.newest
        self._journal.mark_settled(claim.batch, block.height, block.hash, settlement.records)
        self._checkpoint("marked")
        _count(settlement)
        self._open.pop(0)
        return bool(self._open) or len(claim.rounds) >= BATCH

    def _settlement_in(self, block: Block, claim: Claim) -> Settlement:
        """The claim's settlement as the block has it; another writer may have built it on another state."""
        settlement = settle_batch(claim.batch, claim.rounds, self._ledger.state_before(block.height))
        for event in settlement.events:
            if canonical(block.events.get(event.key)) != canonical(event.body):
                raise LedgerBroken(f"Block {block.height} settles batch {claim.batch} not as its rounds say.")
        return settlement

    def _check_noted(self) -> None:
        """Compares the head with the newest block that was noted: an old one may have been put back."""
        noted = self._journal.newest_block()
        head = self._ledger.head()
        if noted is None:
            return
        height, known = noted
        if head.height < height:
            raise LedgerBroken(
                f"The journal notes block {height}, the ledger's head ends at {head.height}: "
                "an old head was put back."
            )
        if self._ledger.block(height).hash != known:
            raise LedgerBroken(
                f"Block {height} has another hash than the journal noted: the chain is forked."
            )

    def _note(self) -> None:
        """Notes every block that the journal has not seen, with its bytes while only the head has them."""
        noted = self._journal.newest_block()
        head = self._ledger.head()
        fresh = self._ledger.stream(noted[0] + 1 if noted else 1, head.height + 1)
        # Some at a time: to a new journal beside an old ledger all blocks are fresh.
        while some := list(islice(fresh, NOTED_AT_ONCE)):
            self._journal.note_blocks(
                [(one.height, one.hash, one.data if one.height > head.sealed else None) for one in some],
                head.sealed,
            )


def _count(settlement: Settlement) -> None:
    for task, (right, wrong) in settlement.debits.items():
        metrics.DEBITS.labels(task, "true").inc(right / MICRO)
        metrics.DEBITS.labels(task, "false").inc(wrong / MICRO)
