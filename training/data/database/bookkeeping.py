"""Which table holds whose rows, and that it still fits the task: told before anything is read or written.

A task's schema may change, and its table then holds rows of another one. Such a table is refused with what
differs: its rows can be exported and loaded again into a new one, and nobody learns from columns that mean
something else.
"""

import json
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from concord.errors import DataError, UnknownName
from training.data.database.engine import Database
from training.data.database.tables import known, layout, rows_table
from training.task import Task


def migrate(database: Database) -> None:
    """Brings our own tables to those of this version; safe to call by several processes.

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
        with database.alone(connection):
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise DataError(
                    f"{database.address.database} was used by a later version of Concord. Use that one here."
                ) from error

    database.write(upgrade)


def make_table(database: Database, task: Task) -> sa.Table:
    """The table of the address for a task's rows, made where it is missing.

    Raises:
        DataError: There is a table of that name that is not ours, another task's, or of another schema.
    """
    name = database.address.table
    table = rows_table(task, name)
    made = {"layout": json.dumps(layout(task)), "made_at": time.time_ns() // 1000}
    note = {"name": name, "task": task.name, **made}

    def make(connection: sa.Connection) -> None:
        with database.alone(connection):
            row = connection.execute(
                sa.select(known.c.task, known.c.layout).where(known.c.name == name)
            ).first()
            if row is not None:
                _check(database, task, row[0], json.loads(row[1]))
            elif sa.inspect(connection).has_table(name):
                raise DataError(
                    f"{database.address.database} has a table {name!r} that `concord data` did not make. "
                    f"Name another one: URL#{name}_rows.",
                    field="table",
                )
            # MySQL commits by itself: what is noted first is what a crash leaves, and is made again.
            if row is None:
                connection.execute(known.insert().values(note))
            table.create(connection, checkfirst=True)

    database.write(make)
    return table


def find_table(database: Database, task: Task) -> sa.Table:
    """The table of the address, which holds a task's rows.

    Raises:
        UnknownName: There is none.
        DataError: It holds another task's rows, or rows of another schema.
    """
    name = database.address.table
    found = {row["name"]: row for row in tables(database)}
    if name not in found:
        there = f"There are {', '.join(found)}." if found else "`concord data load` makes one."
        raise UnknownName(
            f"{database.address.database} has no table {name!r} of rows. {there}", field="table"
        )
    _check(database, task, found[name]["task"], json.loads(found[name]["layout"]))
    return rows_table(task, name)


def tables(database: Database) -> list[dict[str, Any]]:
    """Our note of every table of rows, by name; none where Concord has never been."""
    with database.reading() as connection:
        if not sa.inspect(connection).has_table(known.name):
            return []
        found = connection.execute(sa.select(known).order_by(known.c.name)).mappings()
        return [dict(row) for row in found]


def _check(database: Database, task: Task, owner: str, made: dict[str, Any]) -> None:
    name, where = database.address.table, database.address.database
    if owner != task.name:
        raise DataError(
            f"{name!r} in {where} holds rows of {owner}. Name another table: URL#{task.name}.", field="table"
        )
    wanted = layout(task)
    if made == wanted:
        return
    before, after = made.get("columns", {}), wanted["columns"]
    differs = next((one for one in {**after, **before} if before.get(one) != after.get(one)), "answer")
    was, is_now = before.get(differs, "nothing"), after.get(differs, "nothing")
    raise DataError(
        f"{name!r} in {where} was made for another schema of {task.name}: {differs!r} was {was} and is "
        f"{is_now} now. Load the rows into a new table, URL#{name}_2, and learn from that one.",
        field=differs,
    )
