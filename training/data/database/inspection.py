"""What is in a database of rows: its tables, their columns in figures, and the loads that brought them."""

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from concord.tasks.schema import Feature
from training.data.database.address import DatabaseAddress
from training.data.database.bookkeeping import find_table, tables
from training.data.database.engine import Database
from training.data.database.tables import loads
from training.task import Task

NEWEST: Final = 20
"""Loads that are told of one table."""


def listing(address: DatabaseAddress) -> list[dict[str, Any]]:
    """Every table of rows in the database: its task, how many rows, and its loads."""
    database = Database(address)
    try:
        found = []
        for note in tables(database):
            with database.reading() as connection:
                rows = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(note["name"])))
            made = {
                "table": note["name"],
                "task": note["task"],
                "rows": rows,
                "made_at": _time(note["made_at"]),
            }
            found.append({**made, "loads": _loads(database, note["name"])})
        return found
    finally:
        database.close()


def look(task: Task, address: DatabaseAddress) -> dict[str, Any]:
    """A task's table: rows, each column in figures, and its loads.

    Raises:
        UnknownName: There is no such table.
        DataError: It is another task's, or of another schema.
    """
    database = Database(address)
    try:
        table = find_table(database, task)
        with database.reading() as connection:
            rows = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            columns = [_figures(connection, table, feature) for feature in task.schema.features]
            columns.append(_answers(connection, table, task))
            if task.observed:
                columns.append(_times(connection, table, task.observed))
        return {
            "database": address.database,
            "table": address.table,
            "task": task.name,
            "rows": rows,
            "columns": columns,
            "loads": _loads(database, address.table),
        }
    finally:
        database.close()


def _figures(connection: sa.Connection, table: sa.Table, feature: Feature) -> dict[str, Any]:
    column = table.c[feature.name]
    if feature.kind == "choice":
        return _counted(connection, column, feature.name)
    return _measured(connection, column, feature.name)


def _answers(connection: sa.Connection, table: sa.Table, task: Task) -> dict[str, Any]:
    if task.schema.is_regression:
        return _measured(connection, table.c.answer, "answer")
    return _counted(connection, table.c.answer, "answer")


def _measured(connection: sa.Connection, column: sa.Column[Any], name: str) -> dict[str, Any]:
    least, mean, most, said, rows = connection.execute(
        sa.select(
            sa.func.min(column),
            sa.func.avg(column),
            sa.func.max(column),
            sa.func.count(column),
            sa.func.count(),
        )
    ).one()
    # A mean of whole numbers is a decimal to some servers.
    found = {"least": least, "mean": mean, "most": most}
    return {"name": name, "empty": rows - said} | {
        key: None if value is None else float(value) for key, value in found.items()
    }


def _counted(connection: sa.Connection, column: sa.Column[Any], name: str) -> dict[str, Any]:
    found = connection.execute(sa.select(column, sa.func.count()).group_by(column).order_by(column)).all()
    choices = {value: rows for value, rows in found if value is not None}
    return {"name": name, "empty": sum(rows for value, rows in found if value is None), "choices": choices}


def _times(connection: sa.Connection, table: sa.Table, name: str) -> dict[str, Any]:
    column = table.c.observed_at
    first, last, said, rows = connection.execute(
        sa.select(sa.func.min(column), sa.func.max(column), sa.func.count(column), sa.func.count())
    ).one()
    return {"name": name, "empty": rows - said, "first": _time(first), "last": _time(last)}


def _loads(database: Database, name: str) -> list[dict[str, Any]]:
    """The newest loads of a table, newest first."""
    query = sa.select(loads).where(loads.c.name == name).order_by(loads.c.id.desc()).limit(NEWEST)
    with database.reading() as connection:
        found = [dict(row) for row in connection.execute(query).mappings()]
    return [
        {key: _time(value) if key.endswith("_at") else value for key, value in one.items() if key != "id"}
        for one in found
    ]


def _time(micros: int | None) -> str | None:
    if micros is None:
        return None
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat(timespec="seconds")
