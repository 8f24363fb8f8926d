"""Background tasks whose failure is logged, and steps in threads that are never left half done."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger(__name__)


def spawn(
    work: Coroutine[Any, Any, None], name: str, on_failure: Callable[[BaseException], None] | None = None
) -> asyncio.Task[None]:
    """Starts a background task; if a bug ends it, that is logged and `on_failure` called.

    Args:
        work: What runs until it is cancelled.
        name: Its name in the log.
        on_failure: Called with the error.
    """

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            _log.critical("background task failed", extra={"work": name}, exc_info=error)
            if on_failure is not None:
                on_failure(error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    return task


async def run_to_end(step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs a step in a thread; a cancellation takes effect only once the step has ended.

    A thread cannot be stopped, and the caller's next action must not run beside it.
    """
    return await to_its_end(asyncio.ensure_future(asyncio.to_thread(step, *args, **kwargs)))


async def to_its_end(work: "asyncio.Future[_T]") -> _T:
    """Awaits work in a thread; a cancellation takes effect only once it has ended."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.exception()
        raise
