"""The versions that the ledger of this machine has appointed, and decisions about them where no service runs.

The registry is a store that others may write. What a start of `concord up` serves is therefore the version of
which the ledger has the digest: the appointed one, or else the one that was served last. Who may write the
ledger's folder may decide without a token; that is the owner of the home folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from concord.cli.home import read_settings
from concord.errors import Conflict
from concord.util.times import now

if TYPE_CHECKING:
    from concord.policies.stake import Action

# The ledger's store may reach a cluster, whose client takes a while to import.

BY: Final = "command line"
"""Who decides in the ledger, where no token is asked for."""


@dataclass(frozen=True)
class AppointedVersion:
    """A version of a model, and the SHA-256 of its file in hex."""

    number: str
    digest: str


def read_appointed() -> dict[str, AppointedVersion]:
    """Registered name → the version that the ledger has, of all models whose digest it knows.

    Raises:
        ConcordError: The ledger cannot be read.
    """
    from concord.cli.stores import ledger_beside

    state = ledger_beside(None, may_be_lost=True).head().state
    versions = {
        f"{task}.{node}": account.champion
        for task, accounts in state.tasks.items()
        for node, account in accounts.accounts.items()
    }
    return {
        name: AppointedVersion(version, digest)
        for name, (version, digest) in versions.items()
        if version is not None and version.isdecimal() and digest is not None
    }


def appoint(action: "Action", name: str, version: AppointedVersion, why: str) -> bool:
    """Records a promotion or a rollback; false where the ledger has the version appointed already.

    Without an account there is nothing to change: the first start opens it with what it serves.

    Args:
        action: `promote` or `rollback`.
        name: Registered name.
        version: The version that is to be served.
        why: The reason, for people.

    Raises:
        Conflict: A rollback to a version whose file the ledger does not know.
        ConcordError: The ledger cannot be written.
    """
    from concord.cli.stores import ledger_beside, note_appended
    from concord.ledger import events
    from concord.ledger.events import Decision
    from concord.ledger.state import PACKAGED

    if read_settings().ledger_configmap is not None:
        # That of a cluster, which its own service writes.
        return True
    ledger, (task, _, node) = ledger_beside(None, may_be_lost=True), name.rpartition(".")
    state = ledger.head().state
    account = state.tasks[task].accounts.get(node) if task in state.tasks else None
    if account is None:
        return True
    number, digest = account.champion
    if (number, digest) == (version.number, version.digest):
        return False
    if action == "rollback" and account.find_digest(version.number) != version.digest:
        raise _unknown_file(name, version.number, number)
    decision = Decision(action, version.number, number or PACKAGED, BY, why, version.digest)
    event = events.appoint(task, node, decision, now(), account.changes)
    ledger.append([event], since=ledger.head().height)
    note_appended(ledger)
    return True


def _unknown_file(name: str, version: str, served: str | None) -> Conflict:
    return Conflict(
        f"The ledger does not know the file of version {version} of {name}, so the next `concord up` goes on "
        f"with version {served}. `concord models promote {name} {version}` serves it as it is registered.",
        field="MODEL",
    )


def choose_versions(
    appointed: Mapping[str, AppointedVersion], fitted: Mapping[str, AppointedVersion]
) -> dict[str, AppointedVersion]:
    """The versions to be served: those that this command has fitted, before those that were appointed."""
    return {**appointed, **{name: version for name, version in fitted.items() if name in appointed}}
