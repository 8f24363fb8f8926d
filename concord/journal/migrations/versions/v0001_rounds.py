"""The first tables: rounds, claims, blocks, segments, schemas."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables, spelled out: what a migration does must not change with the code.

    MySQL commits after each of them. So a crash leaves some, and the next try makes the others.
    """
    blob = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
    moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    options: dict[str, Any] = {
        f"{name}_{option}": value
        for name in ("mysql", "mariadb")
        for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
    } | {"if_not_exists": True}
    op.create_table(
        "rounds",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("policy", sa.String(16), nullable=False),
        sa.Column("height", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("traceparent", sa.String(55)),
        sa.Column("due", sa.Boolean, nullable=False),
        sa.Column("batch", sa.String(32)),
        sa.Column("block", sa.BigInteger),
        sa.Column("verdict", blob, nullable=False),
        sa.Column("evidence", blob),
        sa.Column("features", blob),
        sa.Column("record", blob),
        sa.PrimaryKeyConstraint("id", name="pk_rounds"),
        **options,
    )
    queued, kept = sa.text("batch IS NOT NULL"), sa.text("features IS NOT NULL")
    _index("ix_rounds_time", ["time", "id"])
    _index("ix_rounds_task", ["task", "time", "id"])
    _index("ix_rounds_queue", ["batch", "time"], sqlite_where=queued, postgresql_where=queued)
    _index("ix_rounds_kept", ["time"], sqlite_where=kept, postgresql_where=kept)
    op.create_table(
        "claims",
        sa.Column("batch", sa.String(32), nullable=False),
        sa.Column("noted_height", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("batch", name="pk_claims"),
        **options,
    )
    op.create_table(
        "blocks",
        sa.Column("height", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("document", blob),
        sa.PrimaryKeyConstraint("height", name="pk_blocks"),
        **options,
    )
    op.create_table(
        "segments",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("data", blob, nullable=False),
        sa.Column("archived", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_segments"),
        **options,
    )
    op.create_table(
        "schemas",
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("document", blob, nullable=False),
        sa.Column("saved", moment, nullable=False),
        sa.PrimaryKeyConstraint("task", name="pk_schemas"),
        **options,
    )


def _index(name: str, columns: list[str], **options: Any) -> None:  # noqa: ANN401 - Alembic's own
    # MySQL has no CREATE INDEX IF NOT EXISTS.
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("rounds")}:
        op.create_index(name, "rounds", columns, **options)
