"""Every table of the journal, in types that SQLite, MySQL, MariaDB and PostgreSQL all have.

Times that code compares are µs since the epoch in a BIGINT. Times for people are `UtcDateTime`, because
SQLite and MySQL return datetimes without a zone. JSON is stored as bytes; no query reads inside it.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

NAMES = sa.MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}
)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A column of aware datetimes, stored in UTC; naive ones are refused."""

    impl = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Turns an aware datetime into a naive one in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A datetime without a zone says nothing.")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Adds the zone, UTC, to a stored datetime."""
        return None if value is None else value.replace(tzinfo=UTC)


# A BLOB of MySQL ends at 64 KiB, which a verdict of many nodes or a segment may pass.
Bytes = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
# Names and ids are bytes to us: by the usual collation of MySQL `Iris` would be `iris`.
ON_MYSQL: dict[str, Any] = {
    f"{name}_{option}": value
    for name in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
Micros = sa.BigInteger()
Name = sa.String(64)

DUE = ""
"""`rounds.batch` of a round that is due and not claimed."""

rounds = sa.Table(
    "rounds",
    NAMES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("task", Name, nullable=False),
    sa.Column("time", Micros, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("policy", sa.String(16), nullable=False),
    sa.Column("height", sa.BigInteger, nullable=False),
    sa.Column("request_id", sa.String(128), nullable=False),
    sa.Column("traceparent", sa.String(55)),
    sa.Column("due", sa.Boolean, nullable=False),
    # NULL: no settlement is due, or it is done. Empty: due. Else: the batch that claimed it.
    sa.Column("batch", sa.String(32)),
    sa.Column("block", sa.BigInteger),
    sa.Column("verdict", Bytes, nullable=False),
    sa.Column("evidence", Bytes),
    sa.Column("features", Bytes),
    sa.Column("record", Bytes),
    **ON_MYSQL,
)

QUEUED = rounds.c.batch.is_not(None)
KEPT = rounds.c.features.is_not(None)
SETTLED = rounds.c.block.is_not(None)

sa.Index("ix_rounds_time", rounds.c.time, rounds.c.id)
sa.Index("ix_rounds_task", rounds.c.task, rounds.c.time, rounds.c.id)
sa.Index("ix_rounds_queue", rounds.c.batch, rounds.c.time, sqlite_where=QUEUED, postgresql_where=QUEUED)
sa.Index("ix_rounds_kept", rounds.c.time, sqlite_where=KEPT, postgresql_where=KEPT)
sa.Index("ix_rounds_block", rounds.c.block, rounds.c.task, sqlite_where=SETTLED, postgresql_where=SETTLED)

# One for each round: a class's number or a value in steps of the resolution, and the token that it came with.
labels = sa.Table(
    "labels",
    NAMES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("label", sa.BigInteger, nullable=False),
    sa.Column("source", Name, nullable=False),
    sa.Column("time", Micros, nullable=False),
    sa.Column("request_id", sa.String(128), nullable=False),
    **ON_MYSQL,
)

# Labels that came after another one and differ from it. They change nothing.
disputes = sa.Table(
    "disputes",
    NAMES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("label", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("source", Name, primary_key=True),
    sa.Column("time", Micros, nullable=False),
    sa.Column("request_id", sa.String(128), nullable=False),
    **ON_MYSQL,
)

claims = sa.Table(
    "claims",
    NAMES,
    sa.Column("batch", sa.String(32), primary_key=True),
    sa.Column("noted_height", sa.BigInteger, nullable=False),
    sa.Column("time", Micros, nullable=False),
    **ON_MYSQL,
)

blocks = sa.Table(
    "blocks",
    NAMES,
    sa.Column("height", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.String(64), nullable=False),
    # The block itself, as long as it is in no segment: what a deleted head is rebuilt from.
    sa.Column("document", Bytes),
    **ON_MYSQL,
)

segments = sa.Table(
    "segments",
    NAMES,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("data", Bytes, nullable=False),
    sa.Column("archived", UtcDateTime, nullable=False),
    **ON_MYSQL,
)

# One row: how far the clock has been confirmed, and a clock that is further ahead (`heartbeat`).
heartbeat = sa.Table(
    "heartbeat",
    NAMES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("confirmed", Micros, nullable=False),
    sa.Column("last", Micros),
    sa.Column("beats", sa.Integer, nullable=False),
    **ON_MYSQL,
)

schemas = sa.Table(
    "schemas",
    NAMES,
    sa.Column("task", Name, primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("document", Bytes, nullable=False),
    sa.Column("saved", UtcDateTime, nullable=False),
    **ON_MYSQL,
)

ADDED = (heartbeat,)
"""Tables that came after the last migration. They are made beside the others, and no migration names them: a
version of before, which refuses a migration that it does not know, goes on with the same database."""
