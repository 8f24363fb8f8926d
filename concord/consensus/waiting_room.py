"""The waiting room: the rows that are worked on or wait for nodes, shared by tasks and their callers.

A task may hold at most four times as many rows as are left free, and a caller twice as many. So a task whose
nodes hang, or a caller with many rows, leaves room for others, and several that ask for more than there is
get equal shares. Source: dynamic queue length thresholds (Choudhury and Hahne, 1998).
"""

from collections import defaultdict
from typing import Final

from concord.errors import Overloaded
from concord.observability import metrics

TASK_SHARE: Final = 4
"""Rows of a task for each row left free: a task that is alone takes four fifths of the room."""

CALLER_SHARE: Final = 2
"""Likewise for a caller of a task: one that is alone takes two thirds of the room."""

RETRY_SECONDS: Final = 1.0


class Place:
    """The rows of one request in the waiting room, until the block is left."""

    __slots__ = ("_caller", "_room", "_rows", "_task")

    def __init__(self, room: "WaitingRoom", task: str, caller: str, rows: int) -> None:
        self._room, self._task, self._caller, self._rows = room, task, caller, rows

    def __enter__(self) -> None:
        self._room.enter(self._task, self._caller, self._rows)

    def __exit__(self, *_error: object) -> None:
        self._room.leave(self._task, self._caller, self._rows)


class WaitingRoom:
    """Counts rows by task and caller.

    Args:
        size: Rows that it holds.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows = 0
        self._by_task: defaultdict[str, int] = defaultdict(int)
        self._by_caller: dict[tuple[str, str], int] = {}
        metrics.WAITING_ROWS.set_function(lambda: self._rows)

    def admit(self, task: str, caller: str, rows: int) -> Place:
        """A place for the rows of a request; entering it raises `Overloaded`, as `enter` does."""
        return Place(self, task, caller, rows)

    def enter(self, task: str, caller: str, rows: int) -> None:
        """Takes the rows of a request in, until `leave` is called with the same.

        Raises:
            Overloaded: The room has no place for them, or the task or the caller has its share of it.
        """
        free = self._size - self._rows - rows
        key = (task, caller)
        of_task, of_caller = self._by_task[task], self._by_caller.get(key, 0)
        if free < 0:
            raise _overloaded(f"{self._rows} rows wait already.")
        # One request may always be the first, or a small room would admit none.
        if of_task and of_task + rows > TASK_SHARE * free:
            raise _overloaded(f"{of_task} rows of {task} wait already, and the rest is for other tasks.")
        if of_caller and of_caller + rows > CALLER_SHARE * free:
            raise _overloaded(f"{of_caller} rows of yours wait already, and the rest is for other callers.")
        self._rows += rows
        self._by_task[task] = of_task + rows
        self._by_caller[key] = of_caller + rows

    def leave(self, task: str, caller: str, rows: int) -> None:
        """The request is answered, or given up."""
        key = (task, caller)
        self._rows -= rows
        self._by_task[task] -= rows
        self._by_caller[key] -= rows
        if not self._by_caller[key]:
            # Callers come and go; only those that wait are kept.
            del self._by_caller[key]


def _overloaded(why: str) -> Overloaded:
    return Overloaded(f"{why} Try again in a second.", retry_after=RETRY_SECONDS)
