"""A batch of rows that is asked about slice by slice.

Slices of a hundred rows show progress and can be stopped; one that fails costs no other its answers and can
be asked again. A busy service is waited for. Of a verdict the answer is kept, and its id.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from concord.client import Client, verdicts_of
from concord.errors import ConcordError, Refused
from concord.tasks.csv_rows import Table
from concord.tasks.values import Row
from concord.types.answers import Status, Verdict
from frontend.data import service

SLICE: Final = 100
"""Rows in one call: a tenth of a second on a laptop, and well under what a service takes at once."""

BUSY_SECONDS: Final = 30.0
"""Seconds for which a busy service is waited for before its slice is given up."""

LONGEST_PAUSE: Final = 5.0
"""Seconds between two requests to a busy service; a Stop takes effect no sooner."""

MOST_FAILURES: Final = 3
"""Slices that may fail in a row: the rest would fail too, and each may take its whole time-out."""

PredictRows = Callable[[Sequence[Row], str], list[Verdict]]
"""Asks about rows, under a request id."""


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """What is kept of a verdict.

    Attributes:
        label: The answer of a classification.
        value: That of a regression.
        sure: The pooled probability of the label, in 0..1.
    """

    id: str
    status: Status
    label: str | None
    value: float | None
    sure: float | None
    agreement: float | None

    @classmethod
    def of(cls, verdict: Verdict) -> "RowAnswer":
        """The part of a verdict that is kept."""
        sure = (verdict.probabilities or {}).get(verdict.label or "")
        return cls(verdict.id, verdict.status, verdict.label, verdict.value, sure, verdict.agreement)


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A slice that got no answers.

    Attributes:
        lines: The numbers of its lines.
        code: The service's word for why, or `service_away`.
        message: The service's sentence.
        line: The line that it is about, if it is about one.
        column: The column likewise.
        request_id: What the service's log calls the call.
    """

    lines: tuple[int, ...]
    code: str
    message: str
    line: int | None
    column: str | None
    request_id: str


@dataclass
class Batch:
    """A table that is asked about.

    Attributes:
        name: The file's.
        table: Its rows.
        replies: A row's answer, or None so far.
        failures: What failed since it was last begun.
        waits: Slices of rows, by their places, that are still to be asked.
        is_running: Whether it is to go on.
        gave_up: Whether it ended early since too much failed.
    """

    name: str
    table: Table
    replies: list[RowAnswer | None] = field(default_factory=list)
    failures: list[FailedCall] = field(default_factory=list)
    waits: deque[list[int]] = field(default_factory=deque)
    is_running: bool = False
    gave_up: bool = False
    is_started: bool = False
    _waited: float = 0.0
    _failed: int = 0

    def __post_init__(self) -> None:
        self.replies = self.replies or [None] * len(self.table.rows)

    @property
    def open(self) -> list[int]:
        """The places of rows that have no answer: not asked, failed, or below the quorum."""
        return [
            index for index, reply in enumerate(self.replies) if reply is None or reply.status == "no_quorum"
        ]

    @property
    def answered(self) -> int:
        """Rows that have an answer."""
        return len(self.replies) - len(self.open)

    @property
    def done(self) -> float:
        """The share of rows that are not to be asked any more, in 0..1."""
        return 1 - sum(map(len, self.waits)) / len(self.replies)

    def begin(self) -> None:
        """Starts to ask about every row that has no answer."""
        indices = self.open
        self.waits = deque(indices[start : start + SLICE] for start in range(0, len(indices), SLICE))
        self.failures, self._waited, self._failed = [], 0.0, 0
        self.is_running, self.is_started, self.gave_up = True, True, False

    def stop(self) -> None:
        """Stops asking."""
        self.is_running = False

    def run(self, ask: PredictRows, sleep: Callable[[float], None] = time.sleep) -> Iterator[float]:
        """Asks slice after slice, and yields the share done after each; what was answered by then is kept.

        Args:
            ask: Asks one slice.
            sleep: Waits so many seconds.
        """
        while self.is_running and self.waits:
            self._ask(self.waits[0], ask, sleep)
            if self._failed >= MOST_FAILURES:
                self.gave_up = bool(self.waits)
                break
            yield self.done
        self.stop()

    def _ask(self, indices: list[int], ask: PredictRows, sleep: Callable[[float], None]) -> None:
        request_id = f"page-{secrets.token_hex(8)}"
        try:
            verdicts = ask([self.table.rows[index] for index in indices], request_id)
        except ConcordError as error:
            verdicts = verdicts_of(error) if isinstance(error, Refused) else []
            if not verdicts:
                self._not_answered(indices, error, request_id, sleep)
                return
        for index, verdict in zip(indices, verdicts, strict=True):
            self.replies[index] = RowAnswer.of(verdict)
        self.waits.popleft()
        self._waited, self._failed = 0.0, 0

    def _not_answered(
        self, indices: list[int], error: ConcordError, request_id: str, sleep: Callable[[float], None]
    ) -> None:
        if error.code in service.BUSY and self._waited < BUSY_SECONDS:
            pause = (error.retry_after if isinstance(error, Refused) else None) or 1.0
            pause = min(pause, LONGEST_PAUSE)
            self._waited += pause
            sleep(pause)
            return
        self.waits.popleft()
        if error.code in {"too_large", "too_many_rows"} and len(indices) > 1:
            half = len(indices) // 2
            self.waits.extendleft([indices[half:], indices[:half]])
            return
        self._waited, self._failed = 0.0, self._failed + 1
        self.failures.append(self._failure(indices, error, request_id))

    def _failure(self, indices: list[int], error: ConcordError, request_id: str) -> FailedCall:
        lines = tuple(self.table.lines[index_] for index_ in indices)
        index, column = _place(error.field)
        line = lines[index] if index is not None and index < len(lines) else None
        return FailedCall(lines, error.code, error.message, line, column, request_id)


def make_predictor(client: Client, task: str) -> PredictRows:
    """The function that asks the service about rows of a task."""

    def ask(rows: Sequence[Row], request_id: str) -> list[Verdict]:
        try:
            return client.predict(task, rows, request_id=request_id).verdicts
        except ConcordError as error:
            if error.code in {"invalid_input", "unknown_task"}:
                service.clear_cache()
            raise

    return ask


def _place(field: str | None) -> tuple[int | None, str | None]:
    """The row and the column in an error's path: `rows[3].income`."""
    head, _, column = (field or "").partition("].")
    number = head.removesuffix("]").removeprefix("rows[")
    return (int(number) if number.isdecimal() else None), column or None
