"""Threads in which pages and reports are read and written as JSON, few at a time, with a bounded queue.

They are apart from the threads in which rounds and labels are recorded and settled, so that ten thousand
requests for pages take none of those. Few read at once, since a thread that computes slows the event loop
down, and what would wait longer than its caller is refused at once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final, ParamSpec, TypeVar

from concord.errors import Overloaded
from concord.http.application import json_response
from concord.http.request import Response
from concord.util.background import to_its_end

THREADS: Final = 2
"""So that one read that waits for a database does not hold up all others."""

MOST_READS: Final = 64
"""Reads under way or waiting. A page of 500 rounds takes some 20 ms, so the last one waits a second."""

CALLER_SHARE: Final = 2
"""Reads of a caller for each place left free: one that is alone takes two thirds of the places."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ReadThreads:
    """Reads that wait for one another.

    Args:
        name: Of the threads.
        most: Reads under way or waiting.
    """

    def __init__(self, name: str, most: int = MOST_READS) -> None:
        self._threads = ThreadPoolExecutor(THREADS, name)
        self._most = most
        self._by_caller: Counter[str] = Counter()

    def close(self) -> None:
        """Ends the threads; what has not begun is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, caller: str, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Runs a step in a thread.

        Args:
            caller: Who asks; none takes all places.
            step: What blocks or takes long.
            args: Its arguments.
            kwargs: Likewise.

        Raises:
            Overloaded: There are as many reads as may be, or as many of this caller.
        """
        with self._place(caller):
            return await self._start(partial(step, *args, **kwargs))

    async def answer(
        self, caller: str, step: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs
    ) -> Response:
        """The result of a step as JSON, which is written in the thread too; see `run`."""
        return await self.run(caller, _answer, partial(step, *args, **kwargs))

    async def run_alone(
        self, lock: asyncio.Lock, caller: str, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Runs a step to its end while holding the lock, even if the caller is cancelled; see `run`."""
        with self._place(caller):
            async with lock:
                return await to_its_end(self._start(partial(step, *args, **kwargs)))

    async def answer_alone(
        self, lock: asyncio.Lock, caller: str, step: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs
    ) -> Response:
        """The result of `run_alone` as JSON, which is written in the thread too."""
        return await self.run_alone(lock, caller, _answer, partial(step, *args, **kwargs))

    def _start(self, step: Callable[[], _T]) -> "asyncio.Future[_T]":
        return asyncio.get_running_loop().run_in_executor(self._threads, step)

    @contextmanager
    def _place(self, caller: str) -> Iterator[None]:
        free, own = self._most - self._by_caller.total() - 1, self._by_caller[caller]
        if free < 0 or (own and own + 1 > CALLER_SHARE * free):
            raise Overloaded("Many pages are read just now. Try again in a second.", retry_after=1.0)
        self._by_caller[caller] += 1
        try:
            yield
        finally:
            self._by_caller[caller] -= 1
            if not self._by_caller[caller]:
                del self._by_caller[caller]


def _answer(step: Callable[[], object]) -> Response:
    return json_response(step())
