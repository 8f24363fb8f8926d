"""Times in their wire format."""

from datetime import UTC, datetime


def iso(micros: int) -> str:
    """µs since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="milliseconds")
