"""What is in a database of rows: its tables, their columns in figures, and the loads that brought them."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from training.data.database import bookkeeping
from training.data.database.address import DatabaseAddress
from training.data.database.engine import RowDatabase
from training.data.database.tables import loads
from training.task import Task

NEWEST: Final = 20
"""Loads that are shown of one table."""


def list_tables(address: DatabaseAddress) -> list[dict[str, Any]]:
    """Every table of rows in the database: its task, how many rows, and its loads."""
    with closing(RowDatabase(address)) as database:
        return [
            {
                "table": table["name"],
                "task": table["task"],
                "rows": database.count(table["name"]),
                "made_at": _time(table["made_at"]),
                "loads": _loads(database, table["name"]),
            }
            for table in bookkeeping.list_tables(database)
        ]


def describe_table(task: Task, address: DatabaseAddress) -> dict[str, Any]:
    """A task's table: rows, each column in figures, and its loads.

    Raises:
        UnknownName: There is no such table.
        DataError: It is another task's, or of another schema.
    """
    with closing(RowDatabase(address)) as database:
        table = bookkeeping.find_table(database, task)
        with database.reading() as connection:
            columns = [
                _figures(connection, table.c[feature.name], is_class=feature.kind == "choice")
                for feature in task.schema.features
            ]
            is_class = not task.schema.is_regression
            columns.append(_figures(connection, table.c.answer, is_class=is_class))
            if task.observed:
                columns.append(_times(connection, table, task.observed))
        return {
            "database": address.database,
            "table": address.table,
            "task": task.name,
            "rows": database.count(address.table),
            "columns": columns,
            "loads": _loads(database, address.table),
        }


def _figures(connection: sa.Connection, column: sa.Column[Any], *, is_class: bool) -> dict[str, Any]:
    """A column's empty cells with the rows of each choice, or with its least, mean and largest number."""
    if is_class:
        counts = connection.execute(sa.select(column, sa.func.count()).group_by(column).order_by(column))
        choices: dict[Any, int] = {row[0]: row[1] for row in counts}
        empty = choices.pop(None, 0)
        return {"name": column.name, "empty": empty, "choices": choices}
    figures = {"least": sa.func.min(column), "mean": sa.func.avg(column), "most": sa.func.max(column)}
    query = sa.select(sa.func.count(column), sa.func.count(), *figures.values())
    filled, rows, *numbers = connection.execute(query).one()
    # A mean of whole numbers is a decimal to some servers.
    values = [None if value is None else float(value) for value in numbers]
    return {"name": column.name, "empty": rows - filled} | dict(zip(figures, values, strict=True))


def _times(connection: sa.Connection, table: sa.Table, name: str) -> dict[str, Any]:
    column = table.c.observed_at
    first, last, filled, rows = connection.execute(
        sa.select(sa.func.min(column), sa.func.max(column), sa.func.count(column), sa.func.count())
    ).one()
    return {"name": name, "empty": rows - filled, "first": _time(first), "last": _time(last)}


def _loads(database: RowDatabase, name: str) -> list[dict[str, Any]]:
    """The newest loads of a table, newest first."""
    query = sa.select(loads).where(loads.c.name == name).order_by(loads.c.id.desc()).limit(NEWEST)
    with database.reading() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return [
        {key: _time(value) if key.endswith("_at") else value for key, value in row.items() if key != "id"}
        for row in rows
    ]


def _time(micros: int | None) -> str | None:
    if micros is None:
        return None
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat(timespec="seconds")
