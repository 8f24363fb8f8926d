"""Rounds on their way into the journal, in groups.

A round that moves money waits for its group to be durable before its caller hears of it; others
follow behind their answers, within 50 ms. While the journal is away rounds wait here, up to a
bound; beyond it they are refused, so that memory is bounded and nothing is dropped silently.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from concord import metrics
from concord.errors import JournalUnavailable
from concord.journal import Journal, RoundRow

BEHIND_SECONDS: Final = 0.02
"""How long rounds that nobody waits for gather; with the write itself, within the 50 ms promised."""

GROUP_ROWS: Final = 1000
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
        self._wanted = asyncio.Event()
        self._urgent = asyncio.Event()
        self._written: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Writes what waits, if the journal lets it, and stops."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._rows:
            try:
                await asyncio.to_thread(self._journal.record, self._rows)
            except JournalUnavailable:
                _log.exception("rounds lost at shutdown", extra={"rounds": len(self._rows)})

    def record(self, rows: Sequence[RoundRow]) -> None:
        """Takes rounds to be written behind their answers.

        Raises:
            JournalUnavailable: The journal is away and as many rounds wait as may.
        """
        if len(self._rows) + len(rows) > MOST_WAITING:
            raise JournalUnavailable("The journal is away, and no more rounds can wait for it.")
        self._rows.extend(rows)
        self._wanted.set()

    async def record_durably(self, rows: Sequence[RoundRow]) -> None:
        """Takes rounds and returns once they are durable.

        Raises:
            JournalUnavailable: They could not be written.
        """
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        written = self._written
        self.record(rows)
        self._urgent.set()
        # Shielded: many callers wait for one group, and one that hangs up must not end it for all.
        await asyncio.shield(written)

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
        metrics.JOURNAL_WAITING.set(len(rows))
        try:
            for start in range(0, len(rows), GROUP_ROWS):
                await asyncio.to_thread(self._journal.record, rows[start : start + GROUP_ROWS])
        except asyncio.CancelledError:
            self._rows = rows + self._rows
            raise
        except JournalUnavailable as error:
            await self._keep(rows, written, error)
        else:
            if written and not written.done():
                written.set_result(None)
            if any(row.due for row in rows):
                self._on_due()
        metrics.JOURNAL_WAITING.set(len(self._rows))

    async def _keep(
        self, rows: list[RoundRow], written: "asyncio.Future[None] | None", error: JournalUnavailable
    ) -> None:
        """Keeps for the next try what has been answered; what was waited for has been refused instead."""
        metrics.JOURNAL_FAULTS.inc()
        _log.error("journal away", extra={"rounds": len(rows), "reason": error.message})
        if written and not written.done():
            written.set_exception(error)
            # Nobody may be waiting any more; the fault is logged above.
            written.exception()
        self._rows = [row for row in rows if not row.due] + self._rows
        self._wanted.set()
        await asyncio.sleep(RETRY_SECONDS)
