"""Long steps in threads, one at a time."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def run_exclusive(
    lock: asyncio.Lock, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T:
    """Runs a step to its end in a thread while holding the lock, even if the caller is cancelled."""
    async with lock:
        work = asyncio.ensure_future(asyncio.to_thread(step, *args, **kwargs))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The thread cannot be stopped, so the lock stays taken until it ends.
            await asyncio.wait([work])
            work.exception()
            raise
