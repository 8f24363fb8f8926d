"""The first tables: which table is whose, what was loaded, and what TMDB was asked."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables, spelled out: what a migration does must not change with the code.

    MySQL commits after each of them. So a crash leaves some, and the next try makes the others.
    """
    text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
    counting = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    options: dict[str, Any] = {
        f"{name}_{option}": value
        for name in ("mysql", "mariadb")
        for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
    } | {"if_not_exists": True}
    op.create_table(
        "concord_tables",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("layout", text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        **options,
    )
    op.create_table(
        "concord_loads",
        sa.Column("id", counting, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        *(
            sa.Column(count, sa.BigInteger, nullable=False)
            for count in ("read", "loaded", "changed", "known", "refused")
        ),
        sa.Column("dropped", text, nullable=False),
        **options,
    )
    op.create_table(
        "concord_tmdb_films",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("film", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        **options,
    )
    op.create_table(
        "concord_tmdb_pages",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("span", sa.String(64), primary_key=True),
        sa.Column("page", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        **options,
    )
