"""The database of the rows: its connections and transactions, and its errors as sentences with a remedy.

A transaction that was rolled back because of another one, or whose connection was cut, is tried again: all
writes are idempotent. No message contains a value of a row or a password: drivers put both into theirs, so
only codes and known phrases are read from them.
"""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from concord.errors import ConcordError, ConfigurationError, DataError, TrainingError
from concord.util import private_files as private
from training.data.database.address import DatabaseAddress
from training.retry import retry

CONNECT_SECONDS: Final = 10
"""A server elsewhere accepts within a second; a person waits for no longer."""

REPLY_SECONDS: Final = 300
"""A server that says nothing for so long hangs; an index on a large table takes minutes."""

LOCK_SECONDS: Final = 30
"""A statement waits so long for another loader's transaction; theirs take a second."""

TRIES: Final = 5

_CONTENDED: Final = {1020, 1205, 1213, "40001", "40P01", "55P03"}
_CUT: Final = {2006, 2013, "57P01", "57P02", "57P03", "08006", "08003"}
"""Codes of MySQL and states of PostgreSQL: rolled back because of another, and the connection is gone."""

_T = TypeVar("_T")


class RowDatabase:
    """The database of an address.

    Args:
        address: Which one.
        make: Whether SQLite's file is made where it is missing.

    Raises:
        ConfigurationError: There is no driver for it, or no such file.
    """

    def __init__(self, address: DatabaseAddress, *, make: bool = False) -> None:
        self.address = address
        self.is_sqlite = address.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._find_file(make=make)
        try:
            self._engine = _engine(address.url)
        except (SQLAlchemyError, ModuleNotFoundError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{address.database} cannot be opened from here ({type(error).__name__}). There are "
                "drivers for sqlite, mysql+pymysql, mariadb+pymysql and postgresql+psycopg.",
                field="url",
            ) from None
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", _open_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

    @property
    def dialect(self) -> sa.Dialect:
        """The dialect that statements are written for."""
        return self._engine.dialect

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that changes nothing."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _sentence(self.address, error) from None

    def write(self, transaction: Callable[[sa.Connection], _T]) -> _T:
        """Runs a transaction that is durable on return; again, where it lost to another or was cut off."""

        def run() -> _T:
            with self._engine.execution_options(concord_writing=True).begin() as connection:
                return transaction(connection)

        try:
            return retry(run, _is_temporary, map(_jitter, range(1, TRIES)))
        except SQLAlchemyError as error:
            raise _sentence(self.address, error) from None

    def count(self, table: str) -> int:
        """Rows in a table."""
        with self.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) or 0

    @contextmanager
    def lock_tables(self, connection: sa.Connection) -> Iterator[None]:
        """Locks the making and changing of tables in this database against other processes.

        PostgreSQL's lock ends with the transaction and SQLite's is the transaction. MySQL's is the
        connection's: what was done is committed before the lock is released, so that the next one sees
        it; after an error the connection is given up, and with it the lock and what MySQL has not committed.
        """
        if self.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('concord-data'))")
        if self.dialect.name in {"postgresql", "sqlite"}:
            yield
            return
        name = f"concord-data-{self.address.url.database}"[:64]
        if connection.scalar(sa.select(sa.func.get_lock(name, LOCK_SECONDS))) != 1:
            raise TrainingError(
                f"Another process has been making tables in {self.address.database} for "
                f"{LOCK_SECONDS} seconds. Try again when it has ended."
            )
        try:
            yield
            connection.exec_driver_sql("COMMIT")
            connection.scalar(sa.select(sa.func.release_lock(name)))
        except BaseException:
            connection.invalidate()
            raise

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def _find_file(self, *, make: bool) -> None:
        name = self.address.url.database or ""
        if not name or name == ":memory:":
            raise ConfigurationError("sqlite:///FILE names a file; without one nothing is kept.", field="url")
        path = Path(name)
        if not path.exists() and not make:
            raise ConfigurationError(
                f"There is no file {name}. `concord data load` makes one; see the number of slashes: "
                "sqlite:///rows.sqlite is here, sqlite:////tmp/rows.sqlite in /tmp.",
                field="url",
            )
        try:
            if make:
                private.make_folder(path.absolute().parent)
                # An empty file is an empty database, its owner's alone.
                open(name, "ab", opener=private.opener).close()
        except OSError as error:
            raise ConfigurationError(f"{name} cannot be made: {error.strerror}.", field="url") from error


def _engine(url: sa.URL) -> sa.Engine:
    options: dict[str, Any] = {}
    backend = url.get_backend_name()
    if backend in {"mysql", "mariadb"}:
        options["isolation_level"] = "READ COMMITTED"
        options["connect_args"] = {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": REPLY_SECONDS,
            "write_timeout": REPLY_SECONDS,
            # A value that does not fit is a fault, whatever the server's own mode is.
            "init_command": "SET SESSION sql_mode = 'STRICT_ALL_TABLES', "
            f"innodb_lock_wait_timeout = {LOCK_SECONDS}",
        }
    elif backend == "postgresql":
        options["isolation_level"] = "READ COMMITTED"
        options["connect_args"] = {
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c lock_timeout={LOCK_SECONDS * 1000}",
            "tcp_user_timeout": REPLY_SECONDS * 1000,
        }
    return sa.create_engine(url, hide_parameters=True, pool_pre_ping=backend != "sqlite", **options)


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transactions begin late and deferred; ours begin where `_begin_sqlite` says.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={LOCK_SECONDS * 1000}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("concord_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _cause(error: SQLAlchemyError) -> BaseException:
    return getattr(error, "orig", None) or error


def _code(error: SQLAlchemyError) -> int | str | None:
    """MySQL's drivers number their faults, PostgreSQL's name a state, SQLite's a word."""
    cause = _cause(error)
    if cause.args and isinstance(cause.args[0], int):
        return cause.args[0]
    state: str | None = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return state


def _is_temporary(error: Exception) -> bool:
    return isinstance(error, SQLAlchemyError) and _code(error) in _CONTENDED | _CUT


def _jitter(attempt: int) -> float:
    return random.uniform(0, 0.1 * 2**attempt)  # noqa: S311 - jitter, no secret


_Codes = frozenset[int | str]

_PASSWORD: Final[_Codes] = frozenset({1045, 1698, "28P01", "28000"})
_DATABASE: Final[_Codes] = frozenset({1049, "3D000"})
_RIGHTS: Final[_Codes] = frozenset({1044, 1142, 1227, 1290, "42501", "SQLITE_READONLY"})
_AWAY: Final[_Codes] = frozenset({2002, 2003, 2005, "08001", "08006"})
_FULL: Final[_Codes] = frozenset({1021, 1114, "53100", "SQLITE_FULL"})
_FILE: Final[_Codes] = frozenset({"SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_CANTOPEN", "SQLITE_IOERR"})
_LOCKED: Final[_Codes] = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED"})

# psycopg's faults of connecting have no state, only a text.
_PHRASES: Final = (
    ("password authentication", _PASSWORD),
    ("no password", _PASSWORD),
    ("pg_hba", _PASSWORD),
    ('role "', _PASSWORD),
    ("permission denied", _RIGHTS),
    ('database "', _DATABASE),
    ("refused", _AWAY),
    ("timeout", _AWAY),
    ("timed out", _AWAY),
    ("resolve", _AWAY),
    ("not known", _AWAY),
    ("no route", _AWAY),
    ("unreachable", _AWAY),
    ("no such file", _AWAY),
)

_MESSAGES: Final[dict[_Codes, str]] = {
    _PASSWORD: "{where} refuses the user or the password. Check both; CONCORD_DATA_PASSWORD holds the "
    "password where the URL has none, and a : / @ or # in it is written as %3A %2F %40 %23 in a URL.",
    _DATABASE: "{where}: there is no such database on this server. Make it first (CREATE DATABASE …), or "
    "check its name at the end of the URL.",
    _RIGHTS: "{where}: this user may not do that. Reading needs SELECT; loading needs CREATE, INSERT, "
    "UPDATE, DELETE and SELECT, or a file that may be written.",
    _AWAY: "{where} cannot be reached. Check host and port, and that the server runs.",
    _FULL: "{where} has no room left. Make some, and run the same command again: it goes on where it ended.",
    _FILE: "{where} is no SQLite database, or is damaged. Name another file.",
    _LOCKED: "{where} is locked by another process. Try again when it has ended.",
}


def _sentence(address: DatabaseAddress, error: SQLAlchemyError) -> ConcordError:
    code, cause = _code(error), _cause(error)
    kind = next((codes for codes in _MESSAGES if code in codes), None) if code is not None else None
    if kind is None and code is None:
        text = str(cause).lower()
        kind = next((codes for phrase, codes in _PHRASES if phrase in text), None)
    if kind is not None:
        error_class = DataError if kind in (_FULL, _LOCKED) else ConfigurationError
        return error_class(_MESSAGES[kind].format(where=address.database), field="url")
    name = f"{type(cause).__name__} {code}" if code else type(cause).__name__
    return TrainingError(
        f"{address.database} does not serve ({name}). What was loaded stays; run the same command again to "
        "go on."
    )
