"""What a misspelt name was probably meant to be."""

from collections.abc import Sequence


def nearest(name: str, known: Sequence[str]) -> str:
    """The known name that is most like this one; empty where none is."""
    # Imported by the command line at every start, which mostly has nothing to suggest.
    from difflib import get_close_matches  # noqa: PLC0415

    return next(iter(get_close_matches(name, known, 1)), "")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """` Did you mean 'x'?`, or nothing."""
    found = nearest(name, known)
    return f" Did you mean {found!r}?" if found else ""
