"""What endpoints that read have in common: numbers and times of a query, and long steps one at a time."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeVar

from concord.errors import InvalidInput
from concord.util.background import run_to_end

MOST_HEIGHT: Final = 10**15
"""Larger heights and times are nobody's; a number of JSON holds this one exactly."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def run_exclusive(
    lock: asyncio.Lock, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T:
    """Runs a step in a thread while nobody else holds the lock, to its end."""
    async with lock:
        return await run_to_end(step, *args, **kwargs)


def int_param(query: Any, name: str, *, default: int, least: int, most: int = MOST_HEIGHT) -> int:  # noqa: ANN401
    """A whole number of a query; InvalidInput beyond its bounds."""
    text = query.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else -1
    if not least <= number <= most:
        raise InvalidInput(f"{name} must be a whole number from {least} to {most}.", field=name)
    return number


def time_param(text: str, field: str = "since") -> int:
    """A time of a query in µs since the epoch; InvalidInput without its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(f"{field} is a time with its zone, such as 2026-01-31T09:00:00Z.", field=field)
    return int(moment.timestamp() * 1_000_000)
