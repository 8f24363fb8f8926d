"""Times: µs since the epoch, and as they are written on the wire."""

import time
from datetime import UTC, datetime


def now() -> int:
    """The clock, in µs since the epoch."""
    return time.time_ns() // 1000


def iso(micros: int) -> str:
    """µs since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="milliseconds")
