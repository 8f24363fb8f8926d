"""One value that all workers of a study share: the first that is offered.

The database's primary key decides, so it holds for any number of workers that offer at once.
"""

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

TABLES = sql.MetaData()
"""The tables of this package, beside Optuna's own."""

AGREED = sql.Table(
    "concord_benchmark_agreed",
    TABLES,
    sql.Column("study", sql.String(100), primary_key=True),
    sql.Column("name", sql.String(40), primary_key=True),
    sql.Column("value", sql.String(200), nullable=False),
)


class Agreement:
    """A named value of a study.

    Args:
        engine: The study's database.
        study: The study's name.
        name: What is agreed on.
    """

    def __init__(self, engine: sql.Engine, study: str, name: str) -> None:
        self._engine, self._key = engine, {"study": study, "name": name}

    @property
    def value(self) -> str | None:
        """What is agreed on; None: nothing yet."""
        with self._engine.connect() as connection:
            value = connection.execute(sql.select(AGREED.c.value).filter_by(**self._key)).scalar()
        return None if value is None else str(value)

    def offer(self, value: str, instead: str | None = None) -> str:
        """Offers a value, or one instead of another that is no good any more; returns the one that holds."""
        try:
            with self._engine.begin() as connection:
                if instead is None:
                    connection.execute(AGREED.insert().values(value=value, **self._key))
                else:
                    old = AGREED.update().filter_by(value=instead, **self._key)
                    connection.execute(old.values(value=value))
        except IntegrityError:
            pass  # another worker was quicker
        agreed = self.value
        assert agreed is not None, "Nothing is ever removed."
        return agreed
