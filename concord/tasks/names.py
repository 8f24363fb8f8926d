"""The names of tasks, nodes, features and labels, checked where a schema or a task is made.

A task's name and a node's are part of the registered name `<task>.<node>`, of files, of metrics and of
objects in a cluster, so both keep to one pattern, which is the chart's too. A feature or a label may be in
any script.
"""

import re
from collections.abc import Sequence
from typing import Final

from concord.errors import ConfigurationError

NAME: Final = "[a-z][a-z0-9_]*"
"""What a task and a node may be called; `helm/concord/values.schema.json` has the same pattern."""


def is_name(text: str) -> bool:
    """Whether a text may be the name of a task or a node."""
    return re.fullmatch(NAME, text) is not None


def check_name(what: str, name: str) -> None:
    """Checks the name of a task or a node.

    Raises:
        ConfigurationError: It is not of the pattern.
    """
    if not is_name(name):
        raise ConfigurationError(
            f"The name of a {what} begins with a letter a to z and has only those, digits and underscores: "
            f"{name[:60]!r} does not. {_suggestion(name)}".rstrip(),
            field=what,
        )


_JOINERS: Final = dict.fromkeys((0x200C, 0x200D))
"""Signs between letters that are not seen themselves; Persian and Indic words need them."""


def check_texts(what: str, names: Sequence[str], field: str) -> None:
    """Checks the names of features or labels, which may be in any script.

    Args:
        what: What they name, for the message.
        names: All of one kind.
        field: The field of an error.

    Raises:
        ConfigurationError: One is there twice, is empty, begins or ends with a blank, or has a line break or
            another character that nobody sees.
    """
    for place, name in enumerate(names):
        seen = name.translate(_JOINERS)
        if not seen or name != name.strip() or not seen.isprintable():
            raise ConfigurationError(
                f"{what} {place + 1} is called {name[:60]!r}: a name is not empty, does not begin or end "
                "with a blank and has visible characters only.",
                field=field,
            )
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ConfigurationError(f"{what} {twice[:60]!r} is there twice.", field=field)


def _suggestion(name: str) -> str:
    """A name of the pattern, from what is left of this one in lower case."""
    plain = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")
    return f"{plain!r} would do." if is_name(plain) else ""
