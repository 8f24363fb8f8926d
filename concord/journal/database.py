"""The journal's connection to its database: engine, transactions, errors, and differences of dialects.

With SQLite a commit is on disk when it returns (WAL, synchronous FULL), a writer takes its lock when it
begins, and deleted data is overwritten. With a server (MySQL, MariaDB, PostgreSQL) transactions are READ
COMMITTED, so that inserts don't wait for claimers, and every wait has a limit. An error of the database
becomes `JournalUnavailable`, whose message never holds a value of a row.
"""

import functools
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from concord.errors import ConfigurationError, JournalUnavailable
from concord.util.sqlite_files import named_file, open_read_only

BUSY_MS = 2_000
"""How long a writer waits for another process's transaction, which takes milliseconds."""

CONNECT_SECONDS: Final = 3
"""A server in the same cluster accepts within milliseconds."""

REPLY_SECONDS: Final = 3
"""A server that does not reply for so long is taken for away; our statements take milliseconds."""

LOCK_SECONDS: Final = 2
"""How long a statement waits for another replica's transaction."""

PATIENT_SECONDS: Final = 300
"""`REPLY_SECONDS` of statements that are long on a large journal: migrations, and expiry of features."""

TRIES: Final = 4
"""Attempts of a transaction that was rolled back because of another one: a deadlock or a lock timeout."""

_CONTENDED: Final = {1020, 1205, 1213, "40001", "40P01", "55P03"}
"""Codes of MySQL and states of PostgreSQL for a transaction that was rolled back because of another one."""

_P = ParamSpec("_P")
_T = TypeVar("_T")

CHUNK: Final = 500
"""Ids in one statement; SQLite admits 32,766 variables and others fewer bytes."""

_INSERTS: Final[dict[str, Callable[[sa.Table], postgresql.Insert | sqlite.Insert]]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}
"""Inserts with ON CONFLICT; MySQL and MariaDB have ON DUPLICATE KEY instead."""

_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA secure_delete=ON",
)


class Database:
    """The engines of a URL, and the kinds of transaction that the journal uses.

    Args:
        url: SQLAlchemy URL.
        read_only: Whether nothing is written; so a file on a medium that cannot be written is read too.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        try:
            self._engine = _engine(url, REPLY_SECONDS, read_only=read_only)
            # Its connections are closed after use, which releases the lock of a migration.
            self._patient = _engine(url, PATIENT_SECONDS, read_only=read_only, poolclass=sa.pool.NullPool)
        except (ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
            raise ConfigurationError(
                "CONCORD_JOURNAL is no URL of a database that can be reached from here "
                "(sqlite:///FILE, mysql+pymysql://…, postgresql+psycopg://…).",
                field="CONCORD_JOURNAL",
            ) from error
        self.dialect = self._engine.dialect
        self.is_sqlite = self.dialect.name == "sqlite"
        if self.is_sqlite:
            # SQLite has no long waits, and a journal in memory is one connection's own.
            self._patient = self._engine
            sa.event.listen(self._engine, "connect", _open_to_read if read_only else _open_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        elif read_only and self.dialect.name != "postgresql":
            for engine in (self._engine, self._patient):
                sa.event.listen(engine, "connect", _read_only_mysql)
        self._writing = self._engine.execution_options(concord_writing=True)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes; it is durable when the block ends."""
        with _faults(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database."""
        with _faults(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def patient(self, *, writing: bool = True) -> Iterator[sa.Connection]:
        """A transaction that may take minutes."""
        with _faults(), self._patient.execution_options(concord_writing=writing).begin() as connection:
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        """A transaction that only one process holds at a time, by SQLite's lock or one of the server's."""
        with self.patient() as connection:
            if self.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('concord-journal'))")
            elif not self.is_sqlite:
                # A lock of this name is one for the whole server, and ends with the connection.
                name = f"concord-journal-{self._engine.url.database}"[:64]
                got = connection.scalar(sa.select(sa.func.get_lock(name, LOCK_SECONDS * 30)))
                if got != 1:
                    raise JournalUnavailable("Another process has been migrating the journal for a minute.")
            yield connection

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for a server or a database in memory."""
        return named_file(self._engine.url.database) if self.is_sqlite else None

    def ping(self) -> None:
        """Checks that the database serves."""
        with self.reading() as connection:
            connection.execute(sa.select(sa.literal(1)))

    def wipe_log(self) -> bool:
        """Removes deleted data from SQLite's write-ahead log too; False while a reader needs that log."""
        if not self.is_sqlite:
            return True
        with _faults(), self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            is_busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return not is_busy

    def insert_new(self, table: sa.Table) -> sa.Insert:
        """An insert that skips rows whose key exists."""
        keys = list(table.primary_key.columns)
        if self.dialect.name in _INSERTS:
            return _INSERTS[self.dialect.name](table).on_conflict_do_nothing(index_elements=keys)
        return mysql.insert(table).on_duplicate_key_update({keys[0].name: keys[0]})

    def upsert(self, table: sa.Table, row: dict[str, Any]) -> sa.Insert:
        """An insert that replaces the row whose key exists."""
        keys = list(table.primary_key.columns)
        if self.dialect.name in _INSERTS:
            insert = _INSERTS[self.dialect.name](table).values(row)
            return insert.on_conflict_do_update(index_elements=keys, set_=row)
        return mysql.insert(table).values(row).on_duplicate_key_update(row)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()
        self._patient.dispose()


class FastInsert:
    """Inserts that are compiled once and passed to the driver with plain values, many rows each.

    SQLAlchemy's own executemany costs several µs a row for values that need no conversion. And SQLite's
    releases the GIL at each row, which a busy event loop returns only after 5 ms: one statement of 64 rows is
    then a hundred times as fast as 64 of one.
    """

    SIZES: Final = (64, 8, 1)
    """Rows in one statement, largest first."""

    BYTES: Final = 1 << 20
    """Bytes of several rows in one statement to a server, which refuses more than 4 to 64 MiB; escaped values
    take up to twice as many."""

    def __init__(self, database: Database, table: sa.Table, columns: tuple[str, ...]) -> None:
        in_table = tuple(column.name for column in table.columns if column.name in columns)
        self._statements = {size: _compile(database, table, in_table, size) for size in self.SIZES}
        self._in_order = itemgetter(*(columns.index(name) for name in in_table))
        self._bounded = not database.is_sqlite

    def run(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts rows whose values stand in the order of the columns."""
        start = 0
        for size in self.SIZES:
            sql, names = self._statements[size]
            while len(rows) - start >= size:
                values = tuple(chain.from_iterable(map(self._in_order, rows[start : start + size])))
                if size > 1 and self._bounded and _size(values) > self.BYTES:
                    break
                connection.exec_driver_sql(sql, dict(zip(names, values, strict=True)) if names else values)
                start += size


def chunks(items: Iterable[_T]) -> Iterable[list[_T]]:
    """Splits items into lists that one statement takes."""
    all_ = list(items)
    return (all_[i : i + CHUNK] for i in range(0, len(all_), CHUNK))


def rows_in(
    connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], values: Iterable[Any]
) -> Iterator[Any]:
    """The query's rows whose column has one of many values."""
    for chunk in chunks(values):
        yield from connection.execute(query.where(column.in_(chunk)))


def _size(values: Sequence[Any]) -> int:
    return sum(len(value) for value in values if isinstance(value, bytes | str))


def _compile(
    database: Database, table: sa.Table, columns: tuple[str, ...], size: int
) -> tuple[str, tuple[str, ...]]:
    """The SQL of one insert of `size` rows, and the names of its parameters if they are named.

    It takes tens of milliseconds, so a process that opens several databases compiles once for each kind.
    """
    key = (database.dialect.name, database.dialect.driver, table.name, columns, size)
    if key not in _compiled:
        _compiled[key] = _compile_anew(database, table, columns, size)
    return _compiled[key]


_compiled: dict[tuple[Any, ...], tuple[str, tuple[str, ...]]] = {}


def _compile_anew(
    database: Database, table: sa.Table, columns: tuple[str, ...], size: int
) -> tuple[str, tuple[str, ...]]:
    named: list[dict[str, Any]] = [
        {name: sa.bindparam(f"{name}_{row}") for name in columns} for row in range(size)
    ]
    statement = database.insert_new(table).values(named)
    compiled = statement.compile(dialect=database.dialect)
    order = tuple(f"{name}_{row}" for row in range(size) for name in columns)
    if compiled.positional:
        assert tuple(compiled.positiontup or ()) == order, "SQLAlchemy lists columns as the table does."
        return str(compiled), ()
    return str(compiled), order


class _Contended(JournalUnavailable):
    """The transaction was rolled back because of another one."""


def retried(transaction: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorates a method of one transaction: it is retried if another transaction made it roll back."""

    @functools.wraps(transaction)
    def trying(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for attempt in range(1, TRIES):
            try:
                return transaction(*args, **kwargs)
            except _Contended:
                time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, no secret
        return transaction(*args, **kwargs)

    return trying


def _engine(
    url: str,
    reply_seconds: int,
    *,
    read_only: bool,
    **options: Any,  # noqa: ANN401 - SQLAlchemy's own
) -> sa.Engine:
    parsed = sa.make_url(url)
    server = parsed.get_backend_name()
    if read_only and server == "sqlite" and (file := named_file(parsed.database)):
        options["creator"] = lambda: open_read_only(file)
    if server != "sqlite":
        # A group under MySQL's REPEATABLE READ would lock the gaps into which others insert.
        options["isolation_level"] = "READ COMMITTED"
        if "poolclass" not in options:
            options["pool_timeout"] = CONNECT_SECONDS
    if server in {"mysql", "mariadb"}:
        options["connect_args"] = {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": reply_seconds,
            "write_timeout": reply_seconds,
            "init_command": f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}",
        }
    elif server == "postgresql":
        options["connect_args"] = {
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={reply_seconds * 1000} -c lock_timeout={LOCK_SECONDS * 1000}"
            + (" -c default_transaction_read_only=on" if read_only else ""),
            "tcp_user_timeout": reply_seconds * 1000,
        }
    # Values stay out of every message and log line.
    return sa.create_engine(parsed, hide_parameters=True, pool_pre_ping=server != "sqlite", **options)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        # MySQL's drivers number their errors, PostgreSQL's name a state, SQLite's a word.
        code = cause.args[0] if cause.args and isinstance(cause.args[0], int) else None
        code = code or getattr(cause, "sqlstate", None)
        named = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
        reason = f"{named} {code}" if code else named
        kind = _Contended if code in _CONTENDED else JournalUnavailable
        raise kind(f"The journal's database does not serve ({reason}).") from error


def _open_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transactions begin late and deferred; ours begin where `_begin_sqlite` says.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _read_only_mysql(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")


def _open_to_read(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("concord_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
