"""Suggestions for misspelt names."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

MOST_COMPARED: Final = 500
"""Names that one is compared with; each takes some 0.05 ms."""

LONGEST_COMPARED: Final = 100
"""Characters of a name that is compared; a longer one is no misspelt name."""


def nearest(name: str, names: Sequence[str]) -> str:
    """The most similar of the names; empty where none of the first ones is similar."""
    if len(name) > LONGEST_COMPARED:
        return ""
    # Imported here, since the command line imports this module at every start and rarely needs it.
    from difflib import get_close_matches  # noqa: PLC0415

    compared = islice((other for other in names if len(other) <= LONGEST_COMPARED), MOST_COMPARED)
    return next(iter(get_close_matches(name, list(compared), 1)), "")


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """` Did you mean 'x'?`, or an empty text."""
    suggestion = nearest(name, names)
    return f" Did you mean {suggestion!r}?" if suggestion else ""
