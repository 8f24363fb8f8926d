"""Rounds on their way into the journal, in groups.

A round that moves money waits for its group to be durable before its caller hears of it; others
follow behind their answers, within 50 ms. While the journal is away rounds wait here, up to a
bound; beyond it they are refused, so that memory is bounded and nothing is dropped silently. A round
that moves money is then refused at once, instead of after the seconds that a try may take.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from concord.errors import JournalUnavailable
from concord.journal import Journal, RoundRow
from concord.observability import metrics
from concord.util.background import spawn

BEHIND_SECONDS: Final = 0.03
"""How long rounds that nobody waits for gather; with the write itself, within the 50 ms promised."""

RETRY_SECONDS: Final = 1.0
MOST_WAITING: Final = 50_000
"""Rounds kept in memory while the journal is away: some 100 MiB, and ten seconds of full load."""

_log = logging.getLogger(__name__)


class Recorder:
    """Writes rounds to the journal from one background task.

    Args:
        journal: Where they go; called in a thread.
        on_due: Called after rounds that are to be settled have become durable.
    """

    def __init__(self, journal: Journal, on_due: Callable[[], None]) -> None:
        self._journal = journal
        self._on_due = on_due
        self._rows: list[RoundRow] = []
        self._writing = 0
        self._reserved = 0
        self._away = False
        # Its own, so that readers who occupy the shared ones never keep an answer waiting.
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._wanted = asyncio.Event()
        self._urgent = asyncio.Event()
        self._written: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to write."""
        self._task = spawn(self._run(), "recorder")

    async def close(self) -> None:
        """Writes what waits, if the journal lets it, and stops."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._rows:
            # In the same thread, so after a group that it still writes: beside it, the two would wait for
            # one another's rows.
            last = asyncio.get_running_loop().run_in_executor(self._thread, self._journal.record, self._rows)
            try:
                await last
            except JournalUnavailable:
                _log.exception("rounds lost at shutdown", extra={"rounds": len(self._rows)})
        self._thread.shutdown(wait=False)

    def reserve(self, rounds: int) -> None:
        """Keeps room for rounds that are not complete yet.

        Raises:
            JournalUnavailable: The journal is away and as many rounds wait as may.
        """
        if self._writing + self._reserved + len(self._rows) + rounds > MOST_WAITING:
            raise JournalUnavailable("The journal is away, and no more rounds can wait for it.")
        self._reserved += rounds

    def record(self, rows: Sequence[RoundRow], *, reserved: bool = False) -> None:
        """Takes rounds to be written behind their answers.

        Args:
            rows: The rounds.
            reserved: Whether room was kept for them.

        Raises:
            JournalUnavailable: As `reserve`, where none was kept.
        """
        if not reserved:
            self.reserve(len(rows))
        self._reserved -= len(rows)
        self._rows.extend(rows)
        self._wanted.set()

    def record_soon(self, rows: Sequence[RoundRow]) -> asyncio.Future[None]:
        """Takes rounds and returns what is done once they are durable, or fails if they could not be.

        Many callers share it, so it is awaited under `asyncio.shield`. While the journal is known to be away
        it has failed already; of the rounds, those that move no money are taken all the same.

        Raises:
            JournalUnavailable: They were not even taken, as by `record`.
        """
        if self._away:
            self.record([row for row in rows if not row.due])
            return _failed(JournalUnavailable("The journal is away. Try again soon."))
        self.record(rows)
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        self._urgent.set()
        return self._written

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEHIND_SECONDS):
                    await self._urgent.wait()
            self._wanted.clear()
            self._urgent.clear()
            rows, self._rows = self._rows, []
            written, self._written = self._written, None
            await self._write(rows, written)

    async def _write(self, rows: list[RoundRow], written: "asyncio.Future[None] | None") -> None:
        self._writing = len(rows)
        metrics.JOURNAL_WAITING.set(len(rows))
        try:
            # One transaction: a group is durable as a whole or not at all, and so are its callers' answers.
            loop = asyncio.get_running_loop()
            if rows:
                await loop.run_in_executor(self._thread, self._journal.record, rows)
            elif self._away:
                # Nothing waits, so this is how one finds out that it is back.
                await loop.run_in_executor(self._thread, self._journal.ping)
        except asyncio.CancelledError:
            self._rows = rows + self._rows
            raise
        except Exception as error:  # noqa: BLE001 - rounds must not be lost by a bug either
            await self._keep(rows, written, error)
        else:
            self._away = False
            if written and not written.done():
                written.set_result(None)
            if any(row.due for row in rows):
                self._on_due()
        finally:
            self._writing = 0
        metrics.JOURNAL_WAITING.set(len(self._rows))

    async def _keep(
        self, rows: list[RoundRow], written: "asyncio.Future[None] | None", error: Exception
    ) -> None:
        """Keeps for the next try what has been answered; what was waited for has been refused instead."""
        metrics.JOURNAL_FAULTS.inc()
        self._away = known = isinstance(error, JournalUnavailable)
        fields = {"rounds": len(rows), "reason": str(error)}
        _log.error("journal away", extra=fields, exc_info=None if known else error)
        if written and not written.done():
            written.set_exception(error if known else JournalUnavailable("The journal could not be written."))
            # Nobody may be waiting any more; the fault is logged above.
            written.exception()
        self._rows = [row for row in rows if not row.due] + self._rows
        self._wanted.set()
        await asyncio.sleep(RETRY_SECONDS)


def _failed(error: JournalUnavailable) -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    # Nobody has to look at it.
    future.exception()
    return future
