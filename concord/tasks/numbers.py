"""Numbers as texts: what is one, and which one.

A number has a decimal point and an optional exponent, as in JSON. `1 000`, `3,5` and `inf` are none.
"""

import re
from typing import Final

NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A decimal number with an optional exponent."""

_WHOLE: Final = re.compile(r"[-+]?\d{1,18}", re.ASCII)


def parse_number(text: str) -> int | float:
    """The number of a text that `NUMBER` matches; a whole one keeps all of its digits."""
    return int(text) if _WHOLE.fullmatch(text) else float(text)
