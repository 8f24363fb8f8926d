"""Times: µs since the epoch, and as they are written on the wire."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR
"""In µs."""


def now() -> int:
    """The clock, in µs since the epoch."""
    return time.time_ns() // 1000


def iso(micros: int) -> str:
    """µs since the epoch as ISO 8601 in UTC, to the millisecond."""
    return f"{_second(micros // 1_000_000)}.{micros // 1000 % 1000:03d}+00:00"


@lru_cache(4)
def _second(seconds: int) -> str:
    # Hundreds of access lines share one.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
