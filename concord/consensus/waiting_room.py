"""The waiting room: the rows that are worked on or wait for nodes, shared by tasks and their callers.

A task may hold at most four times as many rows as are left free, and a caller twice as many. So a task whose
nodes hang, or a caller with many rows, leaves room for others, and several that ask for more than there is
get equal shares. Source: dynamic queue length thresholds (Choudhury and Hahne, 1998).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from concord.errors import Overloaded
from concord.observability import metrics

TASK_SHARE: Final = 4
"""Rows of a task for each row left free: a task that is alone takes four fifths of the room."""

CALLER_SHARE: Final = 2
"""Likewise for a caller of a task: one that is alone takes two thirds of the room."""

RETRY_SECONDS: Final = 1.0


class WaitingRoom:
    """Counts rows by task and caller.

    Args:
        size: Rows that it holds.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows = 0
        self._by_task: Counter[str] = Counter()
        self._by_caller: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def admit(self, task: str, caller: str, rows: int) -> Iterator[None]:
        """Holds the rows of a request until the block is left.

        Raises:
            Overloaded: The room has no place for them, or the task or the caller has its share of it.
        """
        self._check(task, caller, rows)
        self._add(task, caller, rows)
        try:
            yield
        finally:
            self._add(task, caller, -rows)

    def _check(self, task: str, caller: str, rows: int) -> None:
        free = self._size - self._rows - rows
        of_task, of_caller = self._by_task[task], self._by_caller[task, caller]
        if free < 0:
            raise _overloaded(f"{self._rows} rows wait already.")
        # One request may always be the first, or a small room would admit none.
        if of_task and of_task + rows > TASK_SHARE * free:
            raise _overloaded(f"{of_task} rows of {task} wait already, and the rest is for other tasks.")
        if of_caller and of_caller + rows > CALLER_SHARE * free:
            raise _overloaded(f"{of_caller} rows of yours wait already, and the rest is for other callers.")

    def _add(self, task: str, caller: str, rows: int) -> None:
        self._rows += rows
        self._by_task[task] += rows
        self._by_caller[task, caller] += rows
        if not self._by_caller[task, caller]:
            # Callers come and go; only those that wait are kept.
            del self._by_caller[task, caller]
        metrics.WAITING_ROWS.set(self._rows)


def _overloaded(why: str) -> Overloaded:
    return Overloaded(f"{why} Try again in a second.", retry_after=RETRY_SECONDS)
