"""The journal and the ledger of this machine, opened for a command that works on them directly."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

from concord.cli.place import settings
from concord.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    file = read.home / "journal.sqlite"
    if read.journal is None and not file.exists():
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


def open_ledger(journal: "Journal | None" = None) -> "Ledger":
    """The ledger in the home folder.

    Args:
        journal: Where segments were archived to.

    Raises:
        ConfigurationError: There is none.
    """
    read = settings()
    if not read.ledger_dir.is_dir():
        raise ConfigurationError(
            f"There is no ledger in {read.home}. `concord up` makes one; CONCORD_HOME names another folder.",
            field="CONCORD_HOME",
        )
    from concord.ledger import FileStore, Ledger

    return Ledger(FileStore(read.ledger_dir), archive=journal)
