"""Which table holds which task's rows, and a check that it still fits the task's schema.

A table that was made for another schema is refused, with what differs: its rows can be exported and loaded
into a new table.
"""

import json
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from concord.errors import DataError, UnknownName
from training.data.database.engine import RowDatabase
from training.data.database.tables import layout, row_tables, rows_table
from training.task import Task


def migrate(database: RowDatabase) -> None:
    """Migrates Concord's own tables to this version; several processes may call it at once.

    Raises:
        DataError: A later version of Concord has been here.
    """
    # Alembic takes a quarter of a second to import, and only this needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))

    def upgrade(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        with database.lock_tables(connection):
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise DataError(
                    f"{database.address.database} was used by a later version of Concord. Use that one here."
                ) from error

    database.write(upgrade)


def make_table(database: RowDatabase, task: Task) -> sa.Table:
    """The table of the address for a task's rows, made where it is missing.

    Raises:
        DataError: A table of that name is not Concord's, another task's, or of another schema.
    """
    name = database.address.table
    table = rows_table(task, name)
    made_at = time.time_ns() // 1000
    record = {"name": name, "task": task.name, "layout": json.dumps(layout(task)), "made_at": made_at}

    def make(connection: sa.Connection) -> None:
        with database.lock_tables(connection):
            row = connection.execute(
                sa.select(row_tables.c.task, row_tables.c.layout).where(row_tables.c.name == name)
            ).first()
            if row is not None:
                _check_layout(database, task, row[0], json.loads(row[1]))
            elif sa.inspect(connection).has_table(name):
                raise DataError(
                    f"{database.address.database} has a table {name!r} that `concord data` did not make. "
                    f"Name another one: URL#{name}_rows.",
                    field="table",
                )
            # MySQL commits by itself: what is noted first is what a crash leaves, and is made again.
            if row is None:
                connection.execute(row_tables.insert().values(record))
            table.create(connection, checkfirst=True)

    database.write(make)
    return table


def find_table(database: RowDatabase, task: Task) -> sa.Table:
    """The table of the address, which holds a task's rows.

    Raises:
        UnknownName: There is none.
        DataError: It holds another task's rows, or rows of another schema.
    """
    name = database.address.table
    tables = {row["name"]: row for row in list_tables(database)}
    if name not in tables:
        others = f"There are {', '.join(tables)}." if tables else "`concord data load` makes one."
        raise UnknownName(
            f"{database.address.database} has no table {name!r} of rows. {others}", field="table"
        )
    _check_layout(database, task, tables[name]["task"], json.loads(tables[name]["layout"]))
    return rows_table(task, name)


def list_tables(database: RowDatabase) -> list[dict[str, Any]]:
    """The bookkeeping of every table of rows, by name; empty in a database that Concord has not used."""
    with database.reading() as connection:
        if not sa.inspect(connection).has_table(row_tables.name):
            return []
        rows = connection.execute(sa.select(row_tables).order_by(row_tables.c.name)).mappings()
        return [dict(row) for row in rows]


def _check_layout(database: RowDatabase, task: Task, owner: str, stored: dict[str, Any]) -> None:
    name, where = database.address.table, database.address.database
    if owner != task.name:
        raise DataError(
            f"{name!r} in {where} holds rows of {owner}. Name another table: URL#{task.name}.", field="table"
        )
    current = layout(task)
    if stored == current:
        return
    before, after = stored.get("columns", {}), current["columns"]
    differs = next((name for name in {**after, **before} if before.get(name) != after.get(name)), "answer")
    was, is_now = before.get(differs, "nothing"), after.get(differs, "nothing")
    raise DataError(
        f"{name!r} in {where} was made for another schema of {task.name}: {differs!r} was {was} and is "
        f"{is_now} now. Load the rows into a new table, URL#{name}_2, and learn from that one.",
        field=differs,
    )
