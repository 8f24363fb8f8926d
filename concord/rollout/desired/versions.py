"""What a node is to serve, and where that stands: the value, and what keeps it.

An entry names a champion, a challenger, both or neither; who has none serves the packaged version. It is
changed on the state that was seen: who writes says what stood there, and is refused if something else
does by now. A restart makes a node read its entry. Nothing here knows a registry, or why an entry changes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Protocol, Self

from concord.errors import Conflict

REFERENCE: Final = re.compile(r"(?:models:/(?P<model>[^/@]+)/)?(?P<version>[1-9][0-9]*)")
"""A version's number, alone or behind its model, as MLflow writes it; an alias is none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """References: a number, `@alias` or `models:/iris.knn/8`; None: the packaged one, or nobody."""

    champion: str | None = None
    challenger: str | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Reads an entry's JSON; what is none is an empty entry, which the next change mends."""
        try:
            found = json.loads(text)
        except ValueError:
            return cls()
        if not isinstance(found, dict):
            return cls()
        named = {role: found.get(role) for role in ("champion", "challenger")}
        return cls(**{role: one for role, one in named.items() if isinstance(one, str) and one})

    @property
    def text(self) -> str:
        """The entry as JSON; empty where it names nothing."""
        named = {role: one for role, one in asdict(self).items() if one is not None}
        return json.dumps(named) if named else ""


NOTHING: Final = Entry()
"""The entry of a node that serves the packaged version alone."""


def number(reference: str | None) -> str | None:
    """The number that a reference names; None for an alias, which the node resolves when it starts."""
    found = REFERENCE.fullmatch(reference) if reference else None
    return found["version"] if found else None


class Entries(Protocol):
    """Where the entries of all nodes are kept. Synchronous, called in a thread; thread-safe."""

    is_cluster: bool
    """Whether nodes are a cluster's, where only a promotion changes what is served."""

    def check(self, name: str) -> None:
        """Looks whether a node's entry can be changed, before anything is.

        Raises:
            ConfigurationError: Something of it is not there.
        """

    def all(self) -> Mapping[str, Entry]:
        """Registered name → entry, of those that have one."""

    def write(self, name: str, expected: Entry, wanted: Entry) -> None:
        """Puts a node's entry in the place of the one that was seen; the same entry is not written again.

        Raises:
            Conflict: Another one stands there by now, and stays.
            ServiceAway: What keeps them does not serve; whether it was written is to be looked up.
        """

    def restart(self, name: str) -> None:
        """Has the node read its entry, without a moment in which nobody answers."""

    def progress(self, name: str) -> tuple[bool, str]:
        """Whether the last restart is through, and how far it is, in words."""


def changed(name: str, expected: Entry, found: Entry) -> Conflict:
    """The refusal of a change whose state is not there any more."""
    return Conflict(
        f"The entry of {name} is {found.text or 'empty'} by now and not {expected.text or 'empty'}: somebody "
        "else has changed it. Look at it again (`concord models list`).",
        field="expect",
    )
