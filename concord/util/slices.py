"""Long work on the event loop, done in slices, so that other requests are answered meanwhile.

A slice takes about half a millisecond, and all long work of a loop together gets one slice a turn of the
loop. So a small request, which needs some ten turns, waits some five milliseconds, whether one large request
is under way or thirty. Those get their slices one after the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

SLICE_SECONDS: Final = 0.0005
"""How long a slice lasts, and one item more: five times as long as a turn of the loop costs by itself."""

FEW_ITEMS: Final = 8
"""So many items are done at once: a row takes some 0.1 ms, and a turn of the loop nearly as much."""

LARGE_BYTES: Final = 1 << 16
"""A text from this size on is parsed in a turn of its own; it takes half a millisecond or more."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Turns:
    """The long work of one loop that waits for its next slice."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call_soon, self._new = loop.call_soon, loop.create_future
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._is_giving = False

    def next(self, *, urgent: bool) -> "asyncio.Future[None]":
        turn: asyncio.Future[None] = self._new()
        (self._urgent if urgent else self._waiting).append(turn)
        if not self._is_giving:
            self._is_giving = True
            self._call_soon(self._give)
        return turn

    def _give(self) -> None:
        """Lets one of those that wait go on, in the loop's next turn."""
        while self._urgent or self._waiting:
            turn = (self._urgent or self._waiting).popleft()
            if not turn.done():
                turn.set_result(None)
                break
        self._is_giving = bool(self._urgent or self._waiting)
        if self._is_giving:
            self._call_soon(self._give)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


async def next_turn(*, urgent: bool = False) -> None:
    """Waits for a turn of the loop in which no other long work goes on.

    Args:
        urgent: Before all that is not: what a deadline ends, such as the reading of votes.
    """
    loop = asyncio.get_running_loop()
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = _Turns(loop)
    await turns.next(urgent=urgent)


async def turn_for(size: int) -> None:
    """Waits for a turn before something of so many bytes is parsed or written, if it is large."""
    if size >= LARGE_BYTES:
        await next_turn()


async def in_slices(items: Sequence[_Item], step: Callable[[_Item], _Result]) -> list[_Result]:
    """The results of a step for each item; more than a few are worked on in slices.

    Args:
        items: What is worked on.
        step: Takes much less than a slice for one item.
    """
    if len(items) <= FEW_ITEMS:
        return [step(item) for item in items]
    results: list[_Result] = []
    end = 0.0
    for item in items:
        if time.perf_counter() >= end:
            await next_turn()
            end = time.perf_counter() + SLICE_SECONDS
        results.append(step(item))
    return results
