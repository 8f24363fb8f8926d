"""How the journal reaches its database: engine, transactions, faults, and the dialects' differences.

SQLite is opened so that a commit is on disk when it returns (WAL, synchronous FULL), that a writer
takes its lock at once instead of failing half-way, and that what is deleted is overwritten. A fault
of the database becomes `JournalUnavailable`, whose message never carries a value of a row.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from concord.errors import ConfigurationError, JournalUnavailable

BUSY_MS = 10_000
"""A writer waits so long for another process's transaction; theirs take milliseconds."""

_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
)


class Database:
    """One engine, and the two kinds of transaction that the journal makes."""

    def __init__(self, url: str) -> None:
        try:
            # Values stay out of every message and log line.
            self._engine = sa.create_engine(
                url, hide_parameters=True, pool_pre_ping=not url.startswith("sqlite")
            )
        except (ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise ConfigurationError(
                "CONCORD_JOURNAL is no URL of a database that can be reached from here "
                "(sqlite:///FILE, mysql+pymysql://…, postgresql+psycopg://…).",
                field="CONCORD_JOURNAL",
            ) from error
        self._writing = self._engine.execution_options(concord_writing=True)
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", _open_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

    @property
    def dialect(self) -> sa.Dialect:
        """The dialect that statements are compiled for."""
        return self._engine.dialect

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a file of SQLite's."""
        return self.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is durable when the block ends, or never was."""
        with _faults(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database."""
        with _faults(), self._engine.connect() as connection:
            yield connection

    def make_folder(self) -> None:
        """Creates the folder of SQLite's file, if it is missing."""
        if self.is_sqlite and self._engine.url.database:
            try:
                Path(self._engine.url.database).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise JournalUnavailable(f"The journal's folder cannot be made: {error.strerror}.") from error

    def wipe_log(self) -> None:
        """Takes what was forgotten out of SQLite's write-ahead log too, as soon as nobody reads it."""
        if self.is_sqlite:
            with (
                _faults(),
                self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection,
            ):
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def insert_new(self, table: sa.Table) -> sa.Insert:
        """An insert that leaves rows alone whose key is there."""
        keys = list(table.primary_key.columns)
        if self.dialect.name == "postgresql":
            return postgresql.insert(table).on_conflict_do_nothing(index_elements=keys)
        if self.is_sqlite:
            return sqlite.insert(table).on_conflict_do_nothing(index_elements=keys)
        return mysql.insert(table).on_duplicate_key_update({keys[0].name: keys[0]})

    def upsert(self, table: sa.Table, row: dict[str, Any]) -> sa.Insert:
        """An insert that replaces the row whose key is there."""
        keys = list(table.primary_key.columns)
        if self.dialect.name == "postgresql":
            return postgresql.insert(table).values(row).on_conflict_do_update(index_elements=keys, set_=row)
        if self.is_sqlite:
            return sqlite.insert(table).values(row).on_conflict_do_update(index_elements=keys, set_=row)
        return mysql.insert(table).values(row).on_duplicate_key_update(row)

    def close(self) -> None:
        """Gives all connections back."""
        self._engine.dispose()


class FastInsert:
    """An insert that is compiled once and then handed to the driver with plain tuples.

    SQLAlchemy's own executemany costs several µs a row for values that need no conversion.
    """

    def __init__(self, database: Database, table: sa.Table, columns: tuple[str, ...]) -> None:
        statement = database.insert_new(table).values({name: sa.bindparam(name) for name in columns})
        compiled = statement.compile(dialect=database.dialect)
        self._sql, self._columns = str(compiled), columns
        self._positions = None
        if compiled.positional:
            order = tuple(compiled.positiontup or ())
            self._positions = None if order == columns else [columns.index(name) for name in order]
        self._named = not compiled.positional

    def run(self, connection: sa.Connection, rows: list[tuple[Any, ...]]) -> None:
        """Inserts rows whose values stand in the order of the columns."""
        parameters: list[Any] = rows
        if self._named:
            parameters = [dict(zip(self._columns, row, strict=True)) for row in rows]
        elif self._positions is not None:
            parameters = [tuple(row[i] for i in self._positions) for row in rows]
        connection.exec_driver_sql(self._sql, parameters)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        reason = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
        raise JournalUnavailable(f"The journal's database does not serve ({reason}).") from error


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transactions begin late and deferred; ours begin where `_begin_sqlite` says.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("concord_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
