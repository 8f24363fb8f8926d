"""One task's table: rows are stored by their key, each once, and read in the order in which they came.

A batch is one transaction. Its keys are looked up first, so that a summary can count new rows; that two
loaders at once never store a row twice is the unique key's work. A row with a name of its own (a film's id)
and other values replaces the stored one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import sqlalchemy as sa

from training.data.database.engine import RowDatabase

AT_ONCE: Final = 500
"""Rows in one statement: 40 to 100 KB, and fewer variables than SQLite takes (32,766)."""

ASKED: Final = 1000
"""Keys in one question."""

CHUNK: Final = 10_000
"""Rows that are read at once: a few MB."""

_COMPARED: Final = {"row_id", "row_key", "row_source", "row_line", "loaded_at"}
"""Columns that are not a row's content."""

StoredRow = tuple[Any, ...]


@dataclass(frozen=True)
class BatchCounts:
    """Counts of the rows of a batch.

    Attributes:
        loaded: Rows that are new.
        changed: Rows that were there with other values.
        known: Rows that were there as they are, or twice in the batch.
    """

    loaded: int
    changed: int
    known: int


class RowStore:
    """Rows of one table.

    Args:
        database: Where it is.
        table: As `tables.rows_table` describes it.
    """

    def __init__(self, database: RowDatabase, table: sa.Table) -> None:
        self._database, self.table = database, table
        self.columns = tuple(column.name for column in table.columns if column.name != "row_id")
        self._key = self.columns.index("row_key")
        self._content_places = [place for place, name in enumerate(self.columns) if name not in _COMPARED]
        self._inserts = {size: self._insert(size) for size in (AT_ONCE, 50, 1)}

    def write(self, connection: sa.Connection, records: Sequence[StoredRow], *, named: bool) -> BatchCounts:
        """Stores a batch within a transaction.

        Args:
            connection: Of the transaction.
            records: Values in the order of `columns`.
            named: Whether some have a name of their own, under which other values may be there.
        """
        # Of two with one name the later counts.
        batch = {record[self._key]: record for record in records}
        stored = self._stored(connection, batch, named=named)
        new = [record for key, record in batch.items() if key not in stored]
        changed = [
            batch[key] for key, content in stored.items() if named and content != self._content(batch[key])
        ]
        self._store(connection, new)
        if changed:
            self._replace(connection, changed)
        return BatchCounts(len(new), len(changed), len(records) - len(new) - len(changed))

    def read(self, *columns: str) -> Iterator[Sequence[StoredRow]]:
        """The rows in the order in which they came, in chunks.

        Args:
            columns: What to read of each, `row_id` first.
        """
        number, last = self.table.c.row_id, -1
        query = (
            sa.select(*(self.table.c[name] for name in ("row_id", *columns))).order_by(number).limit(CHUNK)
        )
        while True:
            with self._database.reading() as connection:
                chunk = [tuple(row) for row in connection.execute(query.where(number > last))]
            if not chunk:
                return
            yield chunk
            last = chunk[-1][0]

    def _stored(self, connection: sa.Connection, keys: Iterable[str], *, named: bool) -> dict[str, StoredRow]:
        """Key → content of the rows that are stored; the content is empty unless `named`."""
        column, contents, batch = self.table.c.row_key, {}, list(keys)
        columns = [self.table.c[self.columns[place]] for place in self._content_places] if named else []
        for start in range(0, len(batch), ASKED):
            query = sa.select(column, *columns).where(column.in_(batch[start : start + ASKED]))
            contents.update({row[0]: tuple(row[1:]) for row in connection.execute(query)})
        return contents

    def _content(self, record: StoredRow) -> StoredRow:
        return tuple([record[place] for place in self._content_places])

    def _store(self, connection: sa.Connection, records: Sequence[StoredRow]) -> None:
        start = 0
        for size, sql in self._inserts.items():
            while len(records) - start >= size:
                values = tuple(chain.from_iterable(records[start : start + size]))
                connection.exec_driver_sql(sql, values)
                start += size

    def _replace(self, connection: sa.Connection, records: Sequence[StoredRow]) -> None:
        names = [name for name in self.columns if name != "row_key"]
        statement = (
            self.table.update()
            .where(self.table.c.row_key == sa.bindparam("the_key"))
            .values({name: sa.bindparam(f"new_{place}") for place, name in enumerate(names)})
        )
        places = [self.columns.index(name) for name in names]
        connection.execute(
            statement,
            [
                {"the_key": record[self._key]}
                | {f"new_{number}": record[place] for number, place in enumerate(places)}
                for record in records
            ],
        )

    def _insert(self, size: int) -> str:
        """The driver's own SQL: SQLAlchemy would take longer over the values than the server."""
        quote = self._database.dialect.identifier_preparer.quote
        mark = "?" if self._database.is_sqlite else "%s"
        # A percent sign in a name is none of a driver's.
        names = ", ".join(quote(name) for name in self.columns)
        row = f"({', '.join([mark] * len(self.columns))})"
        key = quote("row_key")
        on_mysql = self._database.dialect.name in {"mysql", "mariadb"}
        on_conflict = (
            f"ON DUPLICATE KEY UPDATE {key} = {key}" if on_mysql else f"ON CONFLICT ({key}) DO NOTHING"
        )
        return (
            f"INSERT INTO {quote(self.table.name)} ({names}) VALUES {', '.join([row] * size)} {on_conflict}"  # noqa: S608 - names are quoted, values are marks
        )
