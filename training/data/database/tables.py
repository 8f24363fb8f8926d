"""The tables of the rows' database: Concord's own, which Alembic makes, and a task's, made from its schema.

A task's table has a typed column for each feature and one for the answer, so that people can query it, and
Concord's own beside them. Times are µs since the epoch in a BIGINT, as in the journal: exact and the same
everywhere. A NULL in a feature is an empty cell, which the task's rule fills in on reading.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from concord.errors import ConfigurationError
from concord.journal.tables import ON_MYSQL
from concord.tasks.schema import Feature
from training.task import Task

OURS: Final = sa.MetaData()
Micros: Final = sa.BigInteger()
Text: Final = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
Number: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A column that counts by itself; SQLite's does so as INTEGER alone."""

EXACT: Final = 2.0**53
"""Whole numbers up to here are kept as such."""

RESERVED: Final = ("row_id", "row_key", "row_source", "row_line", "loaded_at", "observed_at", "answer")
"""Columns of a task's table that are Concord's own."""

row_tables = sa.Table(
    "concord_tables",
    OURS,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("task", sa.String(64), nullable=False),
    # What its columns were made from, as JSON.
    sa.Column("layout", Text, nullable=False),
    sa.Column("made_at", Micros, nullable=False),
    **ON_MYSQL,
)

loads = sa.Table(
    "concord_loads",
    OURS,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("source", sa.String(255), nullable=False),
    sa.Column("began_at", Micros, nullable=False),
    # NULL: it goes on, or was cut off.
    sa.Column("ended_at", Micros),
    sa.Column("read", sa.BigInteger, nullable=False),
    sa.Column("loaded", sa.BigInteger, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Column("known", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    # Column → rows that were left out because it is empty, as JSON.
    sa.Column("dropped", Text, nullable=False),
    **ON_MYSQL,
)

# What TMDB was asked already, by table.
films = sa.Table(
    "concord_tmdb_films",
    OURS,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("film", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("asked_at", Micros, nullable=False),
    **ON_MYSQL,
)
pages = sa.Table(
    "concord_tmdb_pages",
    OURS,
    sa.Column("name", sa.String(64), primary_key=True),
    # First day, last day and fewest votes of the films on it.
    sa.Column("span", sa.String(64), primary_key=True),
    sa.Column("page", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("asked_at", Micros, nullable=False),
    **ON_MYSQL,
)


def rows_table(task: Task, name: str) -> sa.Table:
    """The table of a task's rows.

    Raises:
        ConfigurationError: A feature has the name of one of our columns.
    """
    features = task.schema.features
    taken = next((feature.name for feature in features if feature.name.lower() in RESERVED), None)
    if taken is not None:
        raise ConfigurationError(
            f"A table of rows has a column {taken!r} of its own. Name the feature of {task.name} otherwise.",
            field=taken,
        )
    answer = sa.Double() if task.schema.is_regression else sa.String(64)
    observed = [sa.Column("observed_at", Micros)] if task.observed else []
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("row_id", Number, primary_key=True, autoincrement=True),
        sa.Column("row_key", sa.String(64), nullable=False),
        sa.Column("row_source", sa.String(255), nullable=False),
        sa.Column("row_line", sa.BigInteger, nullable=False),
        sa.Column("loaded_at", Micros, nullable=False),
        *observed,
        *(sa.Column(feature.name, _type(feature)) for feature in features),
        sa.Column("answer", answer, nullable=False),
        sa.UniqueConstraint("row_key", name=f"uq_{name[:50]}_row_key"),
        **ON_MYSQL,
    )


def layout(task: Task) -> dict[str, Any]:
    """What a task's table is made from: a table of another layout cannot hold its rows."""
    answer = "number" if task.schema.is_regression else "label"
    columns = {feature.name: _kind(feature) for feature in task.schema.features}
    return {"columns": columns, "answer": answer, "observed": task.observed is not None}


def _kind(feature: Feature) -> str:
    if feature.kind != "integer":
        return feature.kind
    bounds = (feature.minimum, feature.maximum)
    return "integer" if all(bound is not None and abs(bound) <= EXACT for bound in bounds) else "number"


def _type(feature: Feature) -> sa.types.TypeEngine[Any]:
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "choice": sa.String(255),
        "integer": sa.BigInteger(),
        "number": sa.Double(),
    }
    return types[_kind(feature)]
