"""The journal and the ledger that the settings or `--ledger` name, for commands that read them directly."""

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from concord.cli.home import read_settings
from concord.errors import ConfigurationError, JournalUnavailable
from concord.util import private_files as private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from concord.journal import Journal
    from concord.ledger import Ledger, Store
    from concord.settings import Settings

# SQLAlchemy takes a while to import, and so does what reaches a cluster.


@contextmanager
def open_journal(where: str | None = None, *, read_only: bool = False) -> "Iterator[Journal]":
    """Opens the journal that the settings name.

    Args:
        where: The value of `--ledger`, if there is one.
        read_only: Whether it is only read, even on a medium that cannot be written.

    Raises:
        ConfigurationError: It is a file that is not there: nothing was ever asked.
    """
    settings = ledger_settings(where)
    if not has_journal(where):
        raise ConfigurationError(
            f"The journal beside {where} is not known here: set CONCORD_JOURNAL to its URL."
            if where
            else f"There is no journal in {settings.home}. `concord up` makes one; CONCORD_HOME names "
            "another folder.",
            field="CONCORD_JOURNAL" if where else "CONCORD_HOME",
        )
    from concord.journal import Journal

    journal = Journal(settings.journal_url, read_only=read_only)
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def open_ledger(where: str | None = None, *, read_only: bool = False) -> "Iterator[Ledger]":
    """Opens the ledger that the settings name, or `where`; the journal, if known, holds what was archived.

    Args:
        where: The value of `--ledger`, if there is one.
        read_only: Whether the journal is only read.

    Raises:
        ConfigurationError: There is none.
    """
    with ExitStack() as stack:
        known = has_journal(where)
        journal = stack.enter_context(open_journal(where, read_only=read_only)) if known else None
        yield ledger_beside(journal, where)


def ledger_settings(where: str | None) -> "Settings":
    """The settings, with the ledger of `--ledger` in place of their own.

    Raises:
        ConfigurationError: The option names none.
    """
    settings = read_settings()
    if where is None:
        return settings
    changed = settings.model_copy(update={"ledger": where})
    if changed.ledger_configmap is None:
        raise ConfigurationError(
            f"--ledger is configmap:NAMESPACE/NAME or configmap:NAME, not {where!r}.", field="--ledger"
        )
    return changed


def has_journal(where: str | None = None) -> bool:
    """Whether the settings name a journal, or one is in the home folder.

    One in the home folder belongs to the ledger of the settings, and not to another that `--ledger` names.
    """
    settings = read_settings()
    if settings.journal is not None or (where is not None and where != settings.ledger):
        return settings.journal is not None
    return (settings.home / "journal.sqlite").exists()


def ledger_beside(
    journal: "Journal | None", where: str | None = None, *, may_be_lost: bool = False
) -> "Ledger":
    """The ledger that the settings name, or `where`.

    Args:
        journal: Where segments were archived to.
        where: The value of `--ledger`, if there is one.
        may_be_lost: Accept a ledger whose folder, or whose ConfigMap, does not exist.

    Raises:
        ConfigurationError: There is none.
    """
    from concord.ledger import Ledger
    from concord.ledger.configmap_store import ConfigMapStore

    settings, store = ledger_settings(where), ledger_store(where)
    if may_be_lost:
        return Ledger(store, archive=journal)
    if isinstance(store, ConfigMapStore):
        if not store.is_there():
            raise ConfigurationError(
                f"There is no ledger at {settings.ledger}: no such ConfigMap. `kubectl get cm -A` lists all.",
                field="--ledger" if where else "CONCORD_LEDGER",
            )
    elif not settings.ledger_dir.is_dir():
        raise ConfigurationError(
            f"There is no ledger in {settings.home}. `concord up` makes one; CONCORD_HOME names another "
            "folder, and CONCORD_LEDGER=configmap:NAMESPACE/NAME one in a cluster.",
            field="CONCORD_HOME",
        )
    return Ledger(store, archive=journal)


def note_appended(ledger: "Ledger", where: str | None = None) -> None:
    """Notes blocks that a command has appended in the journal, if it is known and serves.

    Otherwise the service notes them at its next start.
    """
    from concord.settlement.noted_blocks import NotedBlocks

    if has_journal(where):
        with suppress(JournalUnavailable), open_journal(where) as journal:
            NotedBlocks(ledger, journal).note()


def ledger_store(where: str | None = None) -> "Store":
    """The store of the ledger that the settings name, or `where`."""
    from concord.ledger import open_store

    return open_store(ledger_settings(where))


def copy_head(where: str | None = None) -> "Path | None":
    """Copies the ledger's head into the home folder, before it is replaced; None where it has none."""
    head = ledger_store(where).read_head()
    if head is None:
        return None
    data, revision = head
    home = read_settings().home
    private.make_folder(home)
    copy = home / f"replaced-head-{revision[:8]}.json"
    with open(copy, "wb", opener=private.opener) as file:
        file.write(data)
    return copy
