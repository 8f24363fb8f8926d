"""The interface of a store of desired versions, and their form as text.

A write names the versions that its caller read, and is refused where others are stored by now. A node
reads its desired versions when it starts; one without any serves its packaged version.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final, Protocol

from concord.errors import Conflict
from concord.types.models import DesiredVersions
from concord.util.digests import is_digest

_REFERENCE: Final = re.compile(r"(?:models:/[^/@]+/)?(?P<version>[1-9][0-9]*)")
"""A version's number, alone or in MLflow's form of a model URI; an alias does not match."""


def parse_versions(text: str) -> DesiredVersions:
    """Reads desired versions from JSON; text of another form counts as none, until the next write."""
    try:
        document = json.loads(text)
    except ValueError:
        return DesiredVersions()
    if not isinstance(document, dict):
        return DesiredVersions()
    champion, challenger = (document.get(role) for role in ("champion", "challenger"))
    return DesiredVersions(
        _reference(champion),
        _reference(challenger),
        *(_digest(document.get(f"{role}_digest")) for role in ("champion", "challenger")),
    )


def format_versions(versions: DesiredVersions) -> str:
    """Desired versions as JSON; empty where there are none."""
    named = {role: version for role, version in asdict(versions).items() if version is not None}
    return json.dumps(named) if named else ""


def version_number(reference: str | None) -> str | None:
    """The number in a reference; None for an alias, which the node resolves when it starts."""
    match = _REFERENCE.fullmatch(reference) if reference else None
    return match["version"] if match else None


class DesiredVersionsStore(Protocol):
    """Stores the desired versions of all nodes. Synchronous, called in a thread; thread-safe."""

    is_cluster: bool
    """Whether the nodes run in a cluster, where only a promotion changes what is served."""

    def check(self, name: str) -> None:
        """Checks that a node's desired versions can be changed.

        Raises:
            ConfigurationError: An object of the cluster is missing, or the name cannot be a file's.
        """

    def read_all(self) -> Mapping[str, DesiredVersions]:
        """Registered name → desired versions, of the nodes that have any."""

    def write(self, name: str, expected: DesiredVersions, desired: DesiredVersions) -> None:
        """Replaces a node's desired versions, if they are still the expected ones.

        Raises:
            Conflict: Others are stored by now; they stay.
            ServiceAway: The store does not serve; read it to see whether the write took place.
        """

    def restart(self, name: str) -> None:
        """Restarts a node without interruption, so that it reads its desired versions."""

    def is_restarted(self, name: str) -> bool:
        """Whether the last restart is complete."""


def changed_meanwhile(name: str, expected: DesiredVersions, stored: DesiredVersions) -> Conflict:
    """The error of a write whose expected versions are not the stored ones."""
    return Conflict(
        f"The desired versions of {name} are {format_versions(stored) or 'empty'} by now and not "
        f"{format_versions(expected) or 'empty'}: somebody else has changed them. Look at them again "
        "(`concord models list`).",
        field="expect",
    )


def _reference(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _digest(value: object) -> str | None:
    return value if is_digest(value) else None
