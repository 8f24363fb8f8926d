"""Brings the journal's database to the tables of this version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from concord.errors import JournalUnavailable
from concord.journal.database import Database
from concord.journal.tables import ADDED, NAMES
from concord.util.sqlite_files import new_file, sqlite_url


def migrate(database: Database) -> None:
    """Migrates a database; several processes may do so at once.

    SQLite's file is made whole or not at all, and is its owner's alone.

    Raises:
        JournalUnavailable: It does not serve, or its file cannot be made.
    """
    with _new_database(database.file) as new:
        if new is not None:
            _upgrade(new)
    if database.file is not None:
        # What is written over a connection that was opened before the file came into its place would be lost.
        database.close()
    database.ping()
    _upgrade(database)


@contextmanager
def _new_database(file: Path | None) -> Iterator[Database | None]:
    """A database that becomes the file when the block ends; None where nothing is to be made."""
    if file is None:
        yield None
        return
    try:
        with new_file(file) as new:
            if new is None:
                yield None
                return
            database = Database(sqlite_url(new))
            try:
                yield database
            finally:
                database.close()
    except OSError as error:
        raise JournalUnavailable(f"The journal's file cannot be made: {error.strerror}.") from error


def _upgrade(database: Database) -> None:
    # Alembic takes a quarter of a second to import, and only this needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with database.migrating() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        NAMES.create_all(connection, ADDED, checkfirst=True)
