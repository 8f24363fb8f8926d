"""The journal and the ledger that the settings or `--ledger` name, opened for a command on them directly."""

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from concord.cli.home import settings
from concord.errors import ConfigurationError
from concord.util import private_files as private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from concord.journal import Journal
    from concord.ledger import Ledger, Store
    from concord.settings import Settings

# SQLAlchemy takes a while to import, and so does what reaches a cluster.


@contextmanager
def open_journal(where: str | None = None) -> "Iterator[Journal]":
    """The journal that the settings name.

    Args:
        where: The ledger that `--ledger` names, if it does.

    Raises:
        ConfigurationError: It is a file that is not there: nothing was ever asked.
    """
    read = placed(where)
    if not has_journal(where):
        raise ConfigurationError(
            f"The journal beside {where} is not known here: set CONCORD_JOURNAL to its URL."
            if where
            else f"There is no journal in {read.home}. `concord up` makes one; CONCORD_HOME names another "
            "folder.",
            field="CONCORD_JOURNAL" if where else "CONCORD_HOME",
        )
    from concord.journal import Journal

    journal = Journal(read.journal_url)
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def open_ledger(where: str | None = None) -> "Iterator[Ledger]":
    """The ledger that the settings name, or `where`; the journal, if known, holds what was archived.

    Raises:
        ConfigurationError: There is none.
    """
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(where)) if has_journal(where) else None
        yield ledger_beside(journal, where)


def placed(where: str | None) -> "Settings":
    """The settings, with the ledger that `--ledger` names in the place of theirs.

    Raises:
        ConfigurationError: It names none.
    """
    read = settings()
    if where is None:
        return read
    changed = read.model_copy(update={"ledger": where})
    if changed.ledger_configmap is None:
        raise ConfigurationError(
            f"--ledger is configmap:NAMESPACE/NAME or configmap:NAME, not {where!r}.", field="--ledger"
        )
    return changed


def has_journal(where: str | None = None) -> bool:
    """Whether the settings name a journal, or one is in the home folder.

    One in the home folder belongs to the ledger of the settings, and not to another that `--ledger` names.
    """
    read = settings()
    if read.journal is not None or (where is not None and where != read.ledger):
        return read.journal is not None
    return (read.home / "journal.sqlite").exists()


def ledger_beside(journal: "Journal | None", where: str | None = None, *, lost: bool = False) -> "Ledger":
    """The ledger that the settings name, or `where`.

    Args:
        journal: Where segments were archived to.
        where: The ledger that `--ledger` names, if it does.
        lost: Take it on also where its folder, or its ConfigMap, is not there any more.

    Raises:
        ConfigurationError: There is none.
    """
    from concord.ledger import Ledger
    from concord.ledger.configmap_store import ConfigMapStore

    read, store = placed(where), store_of(where)
    if lost:
        return Ledger(store, archive=journal)
    if isinstance(store, ConfigMapStore) and not store.is_there():
        raise ConfigurationError(
            f"There is no ledger at {read.ledger}: no such ConfigMap. `kubectl get cm -A` lists all.",
            field="--ledger" if where else "CONCORD_LEDGER",
        )
    if not isinstance(store, ConfigMapStore) and not read.ledger_dir.is_dir():
        raise ConfigurationError(
            f"There is no ledger in {read.home}. `concord up` makes one; CONCORD_HOME names another folder, "
            "and CONCORD_LEDGER=configmap:NAMESPACE/NAME one in a cluster.",
            field="CONCORD_HOME",
        )
    return Ledger(store, archive=journal)


def store_of(where: str | None = None) -> "Store":
    """The store of the ledger that the settings name, or `where`."""
    from concord.ledger import open_store

    return open_store(placed(where))


def has_head(where: str | None = None) -> bool:
    """Whether the ledger has a head, be it what was written or not."""
    return store_of(where).read_head() is not None


def keep_head(where: str | None = None) -> "Path":
    """Copies the ledger's head into the home folder, before it is replaced."""
    home = settings().home
    data, revision = store_of(where).read_head() or (b"", "")
    private.make_folder(home)
    copy = home / f"replaced-head-{revision[:8]}.json"
    with open(copy, "wb", opener=private.opener) as file:
        file.write(data)
    return copy
