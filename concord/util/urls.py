"""Masks the passwords in addresses of databases.

Such an address is typed on a command line and comes back in messages, logs and tables of results; each of
these shows `masked` of it.
"""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"[A-Za-z][\w+.-]*://")
# Up to the last @ before a blank: a password without quoting may hold one itself.
_PASSWORD: Final = re.compile(r"(?P<before>[A-Za-z][\w+.-]*://[^\s:@/]*):\S*@")


def is_address(text: str) -> bool:
    """Whether a text is an address with a scheme, and no path of a file."""
    return _ADDRESS.match(text) is not None


def masked(text: str) -> str:
    """The text with each password of an address in it replaced by three asterisks."""
    return _PASSWORD.sub(r"\g<before>:***@", text)
