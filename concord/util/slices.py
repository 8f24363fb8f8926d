"""Long work on the event loop, done in slices, so that other requests are answered meanwhile.

All long work of a loop together gets one slice a turn of the loop. While small requests are under way a slice
takes about half a millisecond: a small request needs some ten turns and so waits some five milliseconds,
whether one large request is under way or thirty. While there are none a slice is longer, since each turn of
the loop costs by itself; a small request that comes then waits for its end once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

SLICE_SECONDS: Final = 0.0005
"""How long a slice lasts while small requests are under way, and a few items more."""

LONG_SLICE_SECONDS: Final = 0.004
"""The same while there are none: forty times as long as a turn of the loop costs by itself."""

FEW_ITEMS: Final = 8
"""So many items are done at once: a row takes some 0.1 ms, and a turn of the loop nearly as much."""

ITEMS_AT_ONCE: Final = 4
"""Of more items, so many are done before it is seen whether the slice is over."""

LARGE_BYTES: Final = 1 << 16
"""A text from this size on is parsed in a turn of its own; it takes half a millisecond or more."""

URGENT: Final = 0
"""Long work that goes before all other: what a deadline ends, such as the reading of votes."""

GOING_ON: Final = 1
"""Long work of requests that nodes have answered."""

NEW: Final = 2
"""Long work of new requests, which goes behind all other: what was begun is finished first, and new requests
are then read one after the other and share a call to the nodes."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Turns:
    """The requests of one loop, and their long work that waits for its next slice.

    Attributes:
        requests: Requests under way.
        large: Those of them that are long work.
        slice_end: When the newest slice ends (`perf_counter`); until then whoever has work goes on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.requests = self.large = 0
        self.slice_end = 0.0
        self._call_soon, self._new = loop.call_soon, loop.create_future
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = (deque(), deque(), deque())
        self._is_giving = False

    @property
    def has_small(self) -> bool:
        """Whether a request is under way that is no long work."""
        return self.requests > self.large

    @property
    def reads_on(self) -> bool:
        """Whether new requests wait to be read on."""
        return bool(self._waiting[NEW])

    async def next(self, order: int = GOING_ON) -> None:
        """Waits for a turn of the loop in which no other long work goes on.

        Args:
            order: `URGENT`, `GOING_ON` or `NEW`.
        """
        turn: asyncio.Future[None] = self._new()
        self._waiting[order].append(turn)
        if not self._is_giving:
            self._is_giving = True
            self._call_soon(self._give)
        await turn
        seconds = SLICE_SECONDS if self.has_small else LONG_SLICE_SECONDS
        self.slice_end = time.perf_counter() + seconds

    async def go_on(self, order: int = GOING_ON) -> None:
        """Waits as `next` does, once the slice under way is over."""
        if time.perf_counter() >= self.slice_end:
            await self.next(order)

    def _give(self) -> None:
        """Lets one of those that wait go on, in the loop's next turn."""
        turn = self._take()
        if turn is not None:
            turn.set_result(None)
        self._is_giving = any(self._waiting)
        if self._is_giving:
            self._call_soon(self._give)

    def _take(self) -> "asyncio.Future[None] | None":
        """The first of those that wait and have not been cancelled."""
        for waiting in self._waiting:
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    return turn
        return None


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns() -> Turns:
    """Those of the running loop."""
    loop = asyncio.get_running_loop()
    found = _turns.get(loop)
    if found is None:
        found = _turns[loop] = Turns(loop)
    return found


class _LargeRequest:
    """A request of the running loop that is long work."""

    def __enter__(self) -> None:
        self._turns = turns()
        self._turns.large += 1

    def __exit__(self, *_error: object) -> None:
        self._turns.large -= 1


_SMALL_REQUEST: Final = nullcontext()


def long_work(items: int) -> AbstractContextManager[None]:
    """Counts the request in whose task this is entered as long work, if its items are many."""
    return _LargeRequest() if items > FEW_ITEMS else _SMALL_REQUEST


async def next_turn(order: int = GOING_ON) -> None:
    """Waits for a turn, as `Turns.next` does."""
    await turns().next(order)


async def turn_for(size: int, order: int = GOING_ON) -> None:
    """Waits for a turn before something of so many bytes is parsed or written, if it is large."""
    if size >= LARGE_BYTES:
        await next_turn(order)


async def in_slices(
    items: Sequence[_Item], step: Callable[[_Item], _Result], order: int = GOING_ON
) -> list[_Result]:
    """The results of a step for each item; more than a few are worked on in slices.

    Args:
        items: What is worked on.
        step: Takes much less than a slice for one item.
        order: `URGENT`, `GOING_ON` or `NEW`.
    """
    if len(items) <= FEW_ITEMS:
        return [step(item) for item in items]
    here = turns()
    results: list[_Result] = []
    for start in range(0, len(items), ITEMS_AT_ONCE):
        await here.go_on(order)
        results += [step(item) for item in items[start : start + ITEMS_AT_ONCE]]
    return results
