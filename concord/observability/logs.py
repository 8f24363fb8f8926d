"""One JSON object a line, on standard error: events are constant strings, everything else a field.

`configure` is called once by a process's edge. Access lines are gathered and written together,
because formatting and writing one by one costs a fifth of a small request. Values of features
never come here; callers pass names, ids and numbers only.
"""

import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TextIO

import orjson

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

FLUSH_SECONDS: Final = 0.1
"""How long an access line may wait for others."""


class JsonFormatter(logging.Formatter):
    """Formats a record and its `extra` fields as one JSON line."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without its end."""
        fields: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        fields.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(fields, default=str).decode()


def configure(level: str = "INFO") -> None:
    """Sends every logger's records to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("alembic", "aiohttp.access", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class AccessLog:
    """Access lines of one process, written in groups.

    Args:
        stream: Where to; standard error of the process if None.
        enabled: Whether lines are kept at all.
    """

    def __init__(self, stream: TextIO | None = None, *, enabled: bool = True) -> None:
        self._stream = stream
        self._enabled = enabled
        self._lines: list[bytes] = []

    def add(self, fields: Mapping[str, Any]) -> bool:
        """Keeps one line; true if it is the first of a group, whose `flush` the caller schedules."""
        if not self._enabled:
            return False
        line = {
            "time": _timestamp(time.time()),
            "level": "INFO",
            "logger": "concord.access",
            "event": "request",
        }
        self._lines.append(orjson.dumps({**line, **fields}))
        return len(self._lines) == 1

    def flush(self) -> None:
        """Writes what is gathered."""
        lines, self._lines = self._lines, []
        if lines:
            stream = self._stream or sys.stderr
            stream.write((b"\n".join(lines) + b"\n").decode())
            stream.flush()


def _timestamp(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}+00:00"


@lru_cache(4)
def _second(whole: int) -> str:
    """A second since the epoch as text; hundreds of lines share it."""
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
