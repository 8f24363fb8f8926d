"""Suggestions for misspelt names."""

from collections.abc import Sequence


def nearest(name: str, known: Sequence[str]) -> str:
    """The known name that is most like this one; empty where none is."""
    # Imported by the command line at every start, which mostly has nothing to suggest.
    from difflib import get_close_matches  # noqa: PLC0415

    return next(iter(get_close_matches(name, known, 1)), "")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """` Did you mean 'x'?`, or nothing."""
    suggestion = nearest(name, known)
    return f" Did you mean {suggestion!r}?" if suggestion else ""
