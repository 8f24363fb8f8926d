"""Writes decided rounds to the journal in groups, from one background task.

A round that moves money is durable before its caller is answered; others are written behind their answers,
within 50 ms. While the journal is away rounds wait in memory up to a bound. Beyond the bound, and for rounds
that move money at once, requests are refused, so that no round is dropped silently.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import orjson

from concord.consensus.batching import BatchResult
from concord.consensus.ensemble import Ensemble, RoundResult
from concord.consensus.metrics import observe_request, observe_round
from concord.consensus.node_client import Question, Reply
from concord.consensus.poll import Shadows
from concord.errors import JournalUnavailable
from concord.journal import Journal
from concord.journal.rows import RoundRow
from concord.observability import metrics
from concord.util.background import spawn
from concord.util.slices import FEW_ITEMS, in_slices

BEHIND_SECONDS: Final = 0.03
"""How long answered rounds gather; with the write itself, within the 50 ms promised."""

RETRY_SECONDS: Final = 1.0
MOST_WAITING: Final = 50_000
"""Rounds kept in memory while the journal is away: some 100 MiB, and ten seconds of full load."""

MOST_DECIDED: Final = 32
"""Decided rounds whose rows are made in the loop's next turn; of more, all are made at once."""

MOST_IN_A_GROUP: Final = 2000
"""Rounds that are written at once: some 50 ms, which the next group waits; a request's rows stay together."""

_log = logging.getLogger(__name__)


class DecidedRounds(NamedTuple):
    """The rounds of one request once they are decided: all that their journal rows and metrics are made of.

    Their rows are made behind the answer, or at once if they are many, and wait for the shadows.

    Attributes:
        ensemble: The nodes that decided, at one height.
        question: The request's rows as the nodes got them, with its ids.
        rows: The same rows as the caller sent them.
        batch: The nodes' replies.
        results: One a row.
        encoded: Each row's verdict as JSON, made once for the answer and the journal.
        time: When the rounds were decided, in µs since the epoch.
        began: When the request began, as a `perf_counter` reading.
    """

    ensemble: Ensemble
    question: Question
    rows: Sequence[Mapping[str, Any]]
    batch: BatchResult
    results: Sequence[RoundResult]
    encoded: Sequence[bytes]
    time: int
    began: float


class _UrgentRows(NamedTuple):
    """The rows of one request whose caller waits, and what it waits for."""

    rows: Sequence[RoundRow]
    written: "asyncio.Future[None]"


class Recorder:
    """The queue of decided rounds and the background task that writes them.

    Args:
        journal: Where they go; called in a thread.
        on_due: Called after rounds that are to be settled have become durable.
        keeps_features: Whether the journal keeps the rows that were asked about.
    """

    def __init__(self, journal: Journal, on_due: Callable[[], None], *, keeps_features: bool = True) -> None:
        self._journal = journal
        self._on_due = on_due
        self._keeps_features = keeps_features
        self._decided: list[tuple[DecidedRounds, float]] = []
        self._decided_count = 0
        self._rows: list[RoundRow] = []
        self._urgent: deque[_UrgentRows] = deque()
        """Rows that callers wait for; they go with the next groups, before all others."""
        self._waiting = 0
        """Rounds that are not durable yet, wherever they are here; `MOST_WAITING` bounds them."""
        self.is_away = False
        """Whether the last write failed: rounds that were answered wait in memory."""
        # Its own thread, so that readers who occupy the shared ones never delay an answer.
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._has_rows = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._shadowed: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begins to write."""
        metrics.JOURNAL_WAITING.set_function(lambda: self._waiting)
        self._task = spawn(self._run(), "recorder")

    async def close(self) -> None:
        """Writes the waiting rounds, if the journal can be reached, and stops."""
        self._make_rows()
        await asyncio.gather(*self._shadowed, return_exceptions=True)
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        # In the same thread, so after a group that it still writes: beside it, the two would wait for one
        # another's rows.
        loop = asyncio.get_running_loop()
        try:
            while rows := self._take_group()[0]:
                await loop.run_in_executor(self._thread, self._journal.record, rows)
                self._waiting -= len(rows)
        except JournalUnavailable:
            _log.exception("rounds lost at shutdown", extra={"rounds": self._waiting})
        self._thread.shutdown(wait=False)

    async def record(self, rounds: DecidedRounds) -> None:
        """Takes rounds that are written behind their answer, once their shadows have answered.

        The rows of many are made here, in slices: thousands of votes that wait for that would pass through
        every generation of the garbage collector, and callers would send more than is recorded.

        Raises:
            JournalUnavailable: The journal is away and as many rounds wait as may.
        """
        seconds = time.perf_counter() - rounds.began
        if len(rounds.results) > FEW_ITEMS:
            await self._record_many(rounds, seconds)
            return
        self._reserve(len(rounds.results))
        if not self._decided:
            # The rows of a few are made in the loop's next turn, when the answer has been sent.
            asyncio.get_running_loop().call_soon(self._make_rows)
        self._decided.append((rounds, seconds))
        self._decided_count += len(rounds.results)
        if self._decided_count > MOST_DECIDED:
            self._make_rows()

    async def _record_many(self, rounds: DecidedRounds, seconds: float) -> None:
        shadows = rounds.batch.shadows
        # Nothing is reserved before the last slice, as the caller may hang up between two of them.
        rows = await self._rows_of(rounds, None) if shadows is None else None
        self._reserve(len(rounds.results))
        if rows is not None:
            self._add(rows)
        elif shadows is not None:
            self._await_shadows(rounds, shadows)
        await _observe(rounds, seconds)

    async def record_durably(self, rounds: DecidedRounds) -> bool:
        """Takes rounds and waits until they are durable; not while the journal is known to be away.

        Returns:
            False where the journal is away and the rounds move no money: they are written once it is back.

        Raises:
            JournalUnavailable: The journal is away, and the rounds move money or no more can wait.
        """
        shadows, is_durable = rounds.batch.shadows, True
        rows = await self._rows_of(rounds, await shadows.replies() if shadows is not None else None)
        kept = [row for row in rows if not row.due] if self.is_away else rows
        self._reserve(len(kept))
        written = asyncio.get_running_loop().create_future()
        self._urgent.append(_UrgentRows(kept, written))
        self._has_rows.set()
        try:
            if self.is_away:
                raise JournalUnavailable("The journal is away. Try again soon.")
            self._is_urgent.set()
            await asyncio.shield(written)
        except JournalUnavailable:
            if rounds.ensemble.moves_money:
                raise
            is_durable = False
        await _observe(rounds, time.perf_counter() - rounds.began)
        return is_durable

    # From decided rounds to rows

    def _reserve(self, rounds: int) -> None:
        if self._waiting + rounds > MOST_WAITING:
            raise JournalUnavailable("The journal is away, and no more rounds can wait for it.")
        self._waiting += rounds

    def _make_rows(self) -> None:
        """Counts the rounds that were decided, and makes their rows or waits for their shadows."""
        decided, self._decided, self._decided_count = self._decided, [], 0
        for rounds, seconds in decided:
            observe_request(rounds.ensemble, rounds.batch.replies, seconds)
            for result in rounds.results:
                observe_round(rounds.ensemble, result)
            if rounds.batch.shadows is None:
                self._add([self._row(rounds, index, None) for index in range(len(rounds.results))])
            else:
                self._await_shadows(rounds, rounds.batch.shadows)

    def _await_shadows(self, rounds: DecidedRounds, shadows: Shadows) -> None:
        task = asyncio.create_task(self._add_shadowed(rounds, shadows))
        self._shadowed.add(task)
        task.add_done_callback(self._shadowed.discard)

    async def _add_shadowed(self, rounds: DecidedRounds, shadows: Shadows) -> None:
        self._add(await self._rows_of(rounds, await shadows.replies()))

    def _add(self, rows: Sequence[RoundRow]) -> None:
        self._rows.extend(rows)
        self._has_rows.set()

    async def _rows_of(self, rounds: DecidedRounds, shadows: Mapping[str, Reply] | None) -> list[RoundRow]:
        return await in_slices(range(len(rounds.results)), lambda index: self._row(rounds, index, shadows))

    def _row(self, rounds: DecidedRounds, index: int, shadows: Mapping[str, Reply] | None) -> RoundRow:
        result, question, batch = rounds.results[index], rounds.question, rounds.batch
        evidence = rounds.ensemble.evidence(result, batch.replies, batch.first + index, shadows)
        verdict = result.verdict
        return RoundRow(
            id=verdict.id,
            task=verdict.task,
            time=rounds.time,
            status=verdict.status,
            policy=verdict.policy,
            height=verdict.height,
            request_id=question.request_ids[0],
            verdict=rounds.encoded[index],
            features=compact_json(rounds.rows[index]) if self._keeps_features else None,
            evidence=evidence,
            due=verdict.settlement == "due" and evidence is not None,
            traceparent=question.traceparent,
        )

    # From rows to the journal

    def _take_group(self) -> "tuple[list[RoundRow], list[asyncio.Future[None]]]":
        """The rows to be written next, and what their callers wait for; a request's rows stay together."""
        rows, waiting = list[RoundRow](), []
        while self._urgent and (not rows or len(rows) + len(self._urgent[0].rows) <= MOST_IN_A_GROUP):
            urgent = self._urgent.popleft()
            rows += urgent.rows
            waiting.append(urgent.written)
        room = max(0, MOST_IN_A_GROUP - len(rows))
        rows += self._rows[:room]
        self._rows = self._rows[room:]
        return rows, waiting

    async def _run(self) -> None:
        while True:
            await self._has_rows.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEHIND_SECONDS):
                    await self._is_urgent.wait()
            self._has_rows.clear()
            self._is_urgent.clear()
            rows, waiting = self._take_group()
            if self._urgent:
                self._is_urgent.set()
            if self._urgent or self._rows:
                self._has_rows.set()
            await self._write(rows, waiting)

    async def _write(self, rows: list[RoundRow], waiting: "Sequence[asyncio.Future[None]]") -> None:
        try:
            # One transaction: a group is durable as a whole or not at all, and so are its callers' answers.
            loop = asyncio.get_running_loop()
            if rows:
                await loop.run_in_executor(self._thread, self._journal.record, rows)
            elif self.is_away:
                # No round waits, so this is how it is noticed that the journal is back.
                await loop.run_in_executor(self._thread, self._journal.ping)
        except asyncio.CancelledError:
            self._rows = rows + self._rows
            raise
        except Exception as error:  # noqa: BLE001 - rounds must not be lost by a bug either
            await self._keep(rows, waiting, error)
        else:
            self.is_away = False
            self._waiting -= len(rows)
            for written in waiting:
                if not written.done():
                    written.set_result(None)
            if any(row.due for row in rows):
                self._on_due()

    async def _keep(
        self, rows: list[RoundRow], waiting: "Sequence[asyncio.Future[None]]", error: Exception
    ) -> None:
        """Keeps rounds that were answered for the next try; those that move money are refused instead."""
        metrics.JOURNAL_FAULTS.inc()
        self.is_away = is_outage = isinstance(error, JournalUnavailable)
        fields = {"rounds": len(rows), "reason": str(error)}
        _log.error("journal away", extra=fields, exc_info=None if is_outage else error)
        if is_outage:
            # The others that wait would only learn the same one after the other.
            waiting = [*waiting, *(urgent.written for urgent in self._urgent)]
            rows = [*rows, *(row for urgent in self._urgent for row in urgent.rows)]
            self._urgent.clear()
        refused = error if is_outage else JournalUnavailable("The journal could not be written.")
        for written in waiting:
            if not written.done():
                written.set_exception(refused)
                # Its caller may have hung up; the fault is logged above.
                written.exception()
        kept = [row for row in rows if not row.due]
        self._waiting -= len(rows) - len(kept)
        self._rows = kept + self._rows
        self._has_rows.set()
        await asyncio.sleep(RETRY_SECONDS)


async def _observe(rounds: DecidedRounds, seconds: float) -> None:
    observe_request(rounds.ensemble, rounds.batch.replies, seconds)
    await in_slices(rounds.results, lambda result: observe_round(rounds.ensemble, result))


def compact_json(value: object) -> bytes:
    """JSON in a buffer of its own size: orjson's is several times larger, and rounds wait in memory."""
    return bytes(memoryview(orjson.dumps(value)))
