"""Asks the journal's database whether its own tables and indexes are whole.

A page of a database file that a disk or a person has overwritten may hold nothing that a settlement reads,
and is found only by the database itself.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from concord.journal.database import Database
from concord.journal.tables import NAMES

MOST_PROBLEMS: Final = 10
"""Problems that are told; SQLite has one for every row of a page."""

_INDEXES: Final = """
SELECT index_.relname, bt_index_check(index_.oid, true)
FROM pg_index
JOIN pg_class AS index_ ON index_.oid = pg_index.indexrelid
JOIN pg_class AS table_ ON table_.oid = pg_index.indrelid
JOIN pg_am ON pg_am.oid = index_.relam AND pg_am.amname = 'btree'
WHERE table_.relname = ANY(:tables) AND table_.relnamespace = current_schema()::regnamespace
"""


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """What a database says of itself.

    Attributes:
        by: How it checked; None where it has no check that it may run here.
        problems: What it found.
    """

    by: str | None
    problems: tuple[str, ...] = ()


def check_integrity(database: Database) -> IntegrityReport:
    """Has the database check every table and index of the journal; minutes, where there are many rounds.

    Raises:
        JournalUnavailable: It does not serve.
    """
    check = {"sqlite": _check_sqlite, "postgresql": _check_postgresql}.get(
        database.dialect.name, _check_mysql
    )
    with database.patient(writing=False) as connection:
        return check(connection)


def _check_sqlite(connection: sa.Connection) -> IntegrityReport:
    query = f"PRAGMA integrity_check({MOST_PROBLEMS})"
    # One row may have several lines.
    said = [line for row in connection.exec_driver_sql(query) for line in str(row[0]).splitlines()]
    return IntegrityReport("integrity_check", tuple(line for line in said if line != "ok")[:MOST_PROBLEMS])


def _check_mysql(connection: sa.Connection) -> IntegrityReport:
    tables = ", ".join(f"`{name}`" for name in sorted(NAMES.tables))
    said = connection.exec_driver_sql(f"CHECK TABLE {tables}").all()
    problems = [f"{table}: {text}" for table, _, kind, text in said if kind == "error" or _is_bad(kind, text)]
    return IntegrityReport("CHECK TABLE", tuple(problems[:MOST_PROBLEMS]))


def _is_bad(kind: str, text: str) -> bool:
    return kind == "status" and text not in {"OK", "Table is already up to date"}


def _check_postgresql(connection: sa.Connection) -> IntegrityReport:
    query = "SELECT has_function_privilege(oid, 'EXECUTE') FROM pg_proc WHERE proname = 'bt_index_check'"
    if not any(connection.scalars(sa.text(query))):
        return IntegrityReport(None)
    # An index that is damaged, or lacks a row of its table, is an error of the database.
    try:
        connection.execute(sa.text(_INDEXES), {"tables": sorted(NAMES.tables)}).all()
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _DAMAGED:
            raise
        return IntegrityReport("amcheck", (str(error.orig).splitlines()[0],))
    return IntegrityReport("amcheck")


_DAMAGED: Final = {"XX001", "XX002"}
"""PostgreSQL's states for damaged data and a damaged index."""
