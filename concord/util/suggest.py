"""Suggestions for misspelt names."""

from collections.abc import Sequence


def nearest(name: str, names: Sequence[str]) -> str:
    """The most similar of the names; empty where none is similar."""
    # Imported here, since the command line imports this module at every start and rarely needs it.
    from difflib import get_close_matches  # noqa: PLC0415

    return next(iter(get_close_matches(name, names, 1)), "")


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """` Did you mean 'x'?`, or an empty text."""
    suggestion = nearest(name, names)
    return f" Did you mean {suggestion!r}?" if suggestion else ""
