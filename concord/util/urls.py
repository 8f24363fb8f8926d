"""URLs that may contain a password, and how to show them without it.

The URL of a database is given on a command line and appears in messages, logs and tables of results. Code
that shows one calls `masked` first.
"""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"[A-Za-z][\w+.-]*://")
# Up to the last @ before a blank: a password that is not percent-encoded may contain one.
_PASSWORD: Final = re.compile(r"(?P<before>[A-Za-z][\w+.-]*://[^\s:@/]*):\S*@")


def is_address(text: str) -> bool:
    """Whether a text is a URL with a scheme, and not a file's path."""
    return _ADDRESS.match(text) is not None


def masked(text: str) -> str:
    """The text, with the password of each URL in it replaced by three asterisks."""
    return _PASSWORD.sub(r"\g<before>:***@", text)
