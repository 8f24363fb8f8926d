"""Tasks that run beside the requests, none of which may end unseen."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_log = logging.getLogger(__name__)


def spawn(
    work: Coroutine[Any, Any, None], name: str, on_failure: Callable[[BaseException], None] | None = None
) -> asyncio.Task[None]:
    """Starts a background task; if a bug ends it, that is logged and `on_failure` is told.

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
