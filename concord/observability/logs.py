"""Logging as JSON, one object a line on standard error: constant events, and all else in fields.

Access lines are gathered and written together, because formatting and writing one by one costs a fifth of a
small request. Values of features are never logged; callers pass names, ids and numbers only.
"""

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson

from concord.util.times import iso

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

FLUSH_SECONDS: Final = 0.1
"""How long an access line may wait for others."""


class JsonFormatter(logging.Formatter):
    """Formats a record and its `extra` fields as one JSON line."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without its end."""
        fields: dict[str, Any] = {
            "time": iso(int(record.created * 1_000_000)),
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
        enabled: Whether lines are kept at all.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._lines: list[bytes] = []

    def add(self, fields: Mapping[str, Any]) -> bool:
        """Keeps a line; true if it is the first of a group, and then the caller schedules `flush`."""
        if not self._enabled:
            return False
        line = {
            "time": iso(time.time_ns() // 1000),
            "level": "INFO",
            "logger": "concord.access",
            "event": "request",
        }
        self._lines.append(orjson.dumps({**line, **fields}))
        return len(self._lines) == 1

    def flush(self) -> None:
        """Writes the gathered lines."""
        lines, self._lines = self._lines, []
        if lines:
            sys.stderr.write((b"\n".join(lines) + b"\n").decode())
            sys.stderr.flush()
