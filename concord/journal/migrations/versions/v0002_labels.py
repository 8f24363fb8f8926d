"""Labels, disputes, and an index by which a block finds its rounds."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_INDEX = "ix_rounds_block"


def upgrade() -> None:
    """Creates two tables and an index; what a crash on MySQL left of them is no hindrance."""
    options: dict[str, Any] = {
        f"{name}_{option}": value
        for name in ("mysql", "mariadb")
        for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
    } | {"if_not_exists": True}
    op.create_table(
        "labels",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("label", sa.BigInteger, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
        **options,
    )
    op.create_table(
        "disputes",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("label", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", "label", "source", name="pk_disputes"),
        **options,
    )
    settled = sa.text("block IS NOT NULL")
    if _INDEX not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("rounds")}:
        op.create_index(_INDEX, "rounds", ["block", "task"], sqlite_where=settled, postgresql_where=settled)
