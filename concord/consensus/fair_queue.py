"""The questions to one task that wait for a batch, taken from their callers in turn.

Each caller has a queue of its own, and at its turn may send so many rows; what its next question needs beyond
them it saves for the next turns. So a caller with many rows takes no more of a batch than one with few.
Source: deficit round robin (Shreedhar and Varghese, 1995).
"""

from collections import OrderedDict
from typing import Final, Generic, Protocol, TypeVar

from concord.consensus.ensemble import Ensemble
from concord.consensus.node_client import Question

ROWS_PER_TURN: Final = 64
"""Rows that a caller may send at its turn: the single rows of as many of its users, or a part of a file."""


class Waiting(Protocol):
    """What waits: a question to an ensemble, of a caller."""

    @property
    def ensemble(self) -> Ensemble:
        """The nodes that it is asked of; a batch has one."""
        ...

    @property
    def question(self) -> Question:
        """The rows of one request."""
        ...

    @property
    def caller(self) -> str:
        """Who asks."""
        ...


_Waiting = TypeVar("_Waiting", bound=Waiting)


class _CallerQueue(Generic[_Waiting]):
    """One caller's questions, oldest first, and the rows that it may send."""

    __slots__ = ("allowed", "questions")

    def __init__(self) -> None:
        # Ordered, so that one that is left in the midst is removed at once.
        self.questions: OrderedDict[_Waiting, None] = OrderedDict()
        self.allowed = 0

    def next(self) -> _Waiting | None:
        """The oldest question; None where there is none."""
        return next(iter(self.questions), None)

    def pop(self) -> _Waiting:
        """The oldest question, which leaves the queue."""
        return self.questions.popitem(last=False)[0]


class FairQueue(Generic[_Waiting]):
    """Questions by caller."""

    def __init__(self) -> None:
        self._callers: OrderedDict[str, _CallerQueue[_Waiting]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """How many questions wait."""
        return self._count

    def add(self, waiting: _Waiting) -> None:
        """Puts a question behind its caller's others."""
        queue = self._callers.get(waiting.caller)
        if queue is None:
            queue = self._callers[waiting.caller] = _CallerQueue()
        queue.questions[waiting] = None
        self._count += 1

    def remove(self, waiting: _Waiting) -> None:
        """Drops a question whose caller has hung up."""
        queue = self._callers[waiting.caller]
        del queue.questions[waiting]
        self._count -= 1
        if not queue.questions:
            del self._callers[waiting.caller]

    @property
    def head(self) -> _Waiting:
        """The oldest question of the caller whose turn it is."""
        return next(iter(next(iter(self._callers.values())).questions))

    def take(self, most_rows: int) -> list[_Waiting]:
        """The next questions that may go together: one at least, of one ensemble, up to so many rows."""
        batch = _Filled(self.head, most_rows)
        held: list[tuple[str, _CallerQueue[_Waiting]]] = []
        while self._callers and not batch.is_full:
            caller, queue = self._callers.popitem(last=False)
            batch.take_from(queue)
            waiting = queue.next()
            if batch.is_full or (waiting is not None and waiting.ensemble is not batch.ensemble):
                # Its turn was cut short, so the next batch begins with it.
                held.append((caller, queue))
            elif waiting is not None:
                self._callers[caller] = queue
        for caller, queue in reversed(held):
            self._callers[caller] = queue
            self._callers.move_to_end(caller, last=False)
        self._count -= len(batch.questions)
        return batch.questions


class _Filled(Generic[_Waiting]):
    """The questions of a batch that is being filled."""

    def __init__(self, first: _Waiting, most_rows: int) -> None:
        self.questions: list[_Waiting] = []
        self.ensemble = first.ensemble
        self.is_full = False
        self._left = most_rows

    def take_from(self, queue: _CallerQueue[_Waiting]) -> None:
        """A caller's turn: takes its questions up to the rows that it may send."""
        queue.allowed += ROWS_PER_TURN
        while (waiting := queue.next()) is not None and waiting.ensemble is self.ensemble:
            rows = waiting.question.rows
            if rows > queue.allowed:
                return
            if self.questions and rows > self._left:
                self.is_full = True
                queue.allowed -= ROWS_PER_TURN
                return
            self.questions.append(queue.pop())
            queue.allowed -= rows
            self._left -= rows
