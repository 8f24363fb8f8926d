"""Cursors of pages: the time and id of the last round that was seen, so that pages don't shift."""

import re
from typing import Final

from concord.errors import InvalidInput

_CURSOR: Final = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{32})")


def write_cursor(time: int, last: str) -> str:
    """The cursor after a round of this time (µs) and id."""
    return f"{time:x}-{last}"


def read_cursor(cursor: str) -> tuple[int, str]:
    """Time and id of a cursor.

    Raises:
        InvalidInput: It is none that was given out.
    """
    found = _CURSOR.fullmatch(cursor)
    # A larger time fits into no BIGINT.
    if found is None or (at := int(found[1], 16)) >= 1 << 63:
        raise InvalidInput("This cursor was not given out here.", field="after")
    return at, found[2]
