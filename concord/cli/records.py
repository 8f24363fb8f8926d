"""The journal and the ledger of this machine, opened for a command that works on them directly."""

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from concord import private
from concord.cli.place import settings
from concord.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from concord.journal import Journal
    from concord.ledger import Ledger

# SQLAlchemy takes a while to import.


@contextmanager
def open_journal() -> "Iterator[Journal]":
    """The journal that the settings name.

    Raises:
        ConfigurationError: It is a file that is not there: nothing was ever asked.
    """
    read = settings()
    if not has_journal():
        raise ConfigurationError(
            f"There is no journal in {read.home}. `concord up` makes one; CONCORD_HOME names another folder.",
            field="CONCORD_HOME",
        )
    from concord.journal import Journal

    journal = Journal(read.journal_url)
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def open_ledger() -> "Iterator[Ledger]":
    """The ledger in the home folder; the journal, where there is one, holds what was archived.

    Raises:
        ConfigurationError: There is none.
    """
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal()) if has_journal() else None
        yield ledger_beside(journal)


def has_journal() -> bool:
    """Whether the settings name a journal, or one is in the home folder."""
    read = settings()
    return read.journal is not None or (read.home / "journal.sqlite").exists()


def ledger_beside(journal: "Journal | None", *, lost: bool = False) -> "Ledger":
    """The ledger in the home folder.

    Args:
        journal: Where segments were archived to.
        lost: Take it on also where its folder is not there any more.

    Raises:
        ConfigurationError: There is none.
    """
    read = settings()
    if not lost and not read.ledger_dir.is_dir():
        raise ConfigurationError(
            f"There is no ledger in {read.home}. `concord up` makes one; CONCORD_HOME names another folder.",
            field="CONCORD_HOME",
        )
    from concord.ledger import FileStore, Ledger

    return Ledger(FileStore(read.ledger_dir), archive=journal)


def has_head() -> bool:
    """Whether the ledger in the home folder has a head, be it what was written or not."""
    from concord.ledger import FileStore

    return FileStore(settings().ledger_dir).read_head() is not None


def keep_head() -> "Path":
    """Copies the ledger's head beside the ledger, before it is replaced."""
    from concord.ledger import FileStore

    read = settings()
    found = FileStore(read.ledger_dir).read_head()
    data, revision = found or (b"", "")
    copy = read.home / f"replaced-head-{revision[:8]}.json"
    with open(copy, "wb", opener=private.opener) as file:
        file.write(data)
    return copy
