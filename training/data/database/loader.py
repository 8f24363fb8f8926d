"""Loads rows into a task's table: cleaned, checked, each once, in batches.

A batch is stored in one transaction, so a loader that is killed leaves whole batches, and the same command
again adds what is missing. When more than half of the rows so far are refused the load ends, since the file
is probably the wrong one.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from concord.errors import DataError, InvalidInput
from concord.tasks.table_reader import TableLine
from training.data.cleaning import UNDATED, Cleaner, CleanRow
from training.data.database.engine import RowDatabase
from training.data.database.occurrences import Occurrences
from training.data.database.refused_file import RefusedFile
from training.data.database.row_store import BatchCounts, RowStore, StoredRow
from training.data.database.tables import loads
from training.task import Task

BATCH: Final = 5000
"""Lines in one transaction: a second's work at most, and a MB or two of memory."""

_KEY_BYTES: Final = 16


@dataclass
class LoadSummary:
    """Counts of the lines so far.

    Attributes:
        read: Lines that were read.
        loaded: Rows that are new in the table.
        changed: Rows that were there under their own name with other values.
        known: Rows that were there already.
        refused: Lines that are not a row of the task.
        dropped: Column → rows that were left out because it is empty.
    """

    read: int = 0
    loaded: int = 0
    changed: int = 0
    known: int = 0
    refused: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def plus(self, counts: BatchCounts) -> "LoadSummary":
        """The counts after another batch was stored."""
        stored = {name: getattr(self, name) + count for name, count in asdict(counts).items()}
        return replace(self, **stored)

    def columns(self) -> dict[str, Any]:
        """The counts as the table of loads has them."""
        return vars(self) | {"dropped": json.dumps(self.dropped)}


class Loader:
    """Loads the lines of one source into one table.

    Args:
        database: Where the table is.
        store: The table.
        task: Whose rows.
        cleaner: Reads the source's lines.
        refused: The file for refused lines.
        clock: µs since the epoch.
    """

    def __init__(
        self,
        database: RowDatabase,
        store: RowStore,
        task: Task,
        cleaner: Cleaner,
        refused: RefusedFile,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.summary = LoadSummary()
        self._database, self._store, self._cleaner, self._refused = database, store, cleaner, refused
        self._features, self._labels = task.schema.features, [label.name for label in task.schema.labels]
        self._clock, self._has_times = clock, task.observed is not None
        self._choices = [feature.choices for feature in self._features]
        self._whole = [
            isinstance(store.table.c[feature.name].type, sa.BigInteger) for feature in self._features
        ]
        self._occurrences = Occurrences()
        self._first_fault: str | None = None
        self._load: int | None = None
        self._source = cleaner.name[:255]

    def add(self, lines: Sequence[TableLine], also: Callable[[sa.Connection], None] | None = None) -> None:
        """Stores a batch of lines, durable on return.

        Args:
            lines: Some thousand at most.
            also: Writes what else belongs to the transaction.

        Raises:
            DataError: More than half of all lines so far are refused; nothing of this batch was stored.
        """
        rows: list[tuple[int, CleanRow]] = []
        for line in lines:
            self._clean(line, rows)
        self.summary.read += len(lines)
        self._refused.flush()
        if self.summary.refused * 2 > self.summary.read:
            raise self._too_many_refused()
        records = self._records(rows)
        named = any(cells.key for _, cells in rows)
        if self._load is None:
            self._load = self._database.write(self._insert_load)

        def transaction(connection: sa.Connection) -> LoadSummary:
            totals = self.summary.plus(self._store.write(connection, records, named=named))
            self._update_load(connection, totals, ended_at=None)
            if also is not None:
                also(connection)
            return totals

        self.summary = self._database.write(transaction)

    def finish(self) -> LoadSummary:
        """Notes that the source was read to its end."""
        now = self._clock()
        self._database.write(lambda connection: self._update_load(connection, self.summary, ended_at=now))
        return self.summary

    def _clean(self, line: TableLine, rows: list[tuple[int, CleanRow]]) -> None:
        try:
            if line.fault is not None:
                raise InvalidInput(line.fault)
            cells = self._cleaner.read(line.cells)
        except InvalidInput as error:
            self.summary.refused += 1
            self._first_fault = self._first_fault or f"line {line.number}: {error.message}"
            self._refused.add(line.number, error.message, line.cells)
            return
        missing = self._cleaner.missing_column(cells)
        if missing is not None:
            self.summary.dropped[missing] += 1
        else:
            rows.append((line.number, cells))

    def _records(self, rows: Sequence[tuple[int, CleanRow]]) -> list[StoredRow]:
        """The rows as they are stored."""
        now, source = self._clock(), self._source
        contents = [self._content(cells) for _, cells in rows]
        keys = self._keys([cells.key for _, cells in rows], contents)
        return [
            (key, source, line, now, *content)
            for key, (line, _), content in zip(keys, rows, contents, strict=True)
        ]

    def _content(self, cells: CleanRow) -> StoredRow:
        times = ((None if cells.time == UNDATED else cells.time),) if self._has_times else ()
        values = [
            value if value is None else choices[int(value)] if choices else int(value) if whole else value
            for value, choices, whole in zip(cells.values, self._choices, self._whole, strict=True)
        ]
        assert cells.answer is not None, "a row without an answer lacks it"
        answer = self._labels[int(cells.answer)] if self._labels else cells.answer
        return (*times, *values, answer)

    def _keys(self, names: Sequence[str | None], contents: Sequence[StoredRow]) -> list[str]:
        """Each row's own name, or a hash of its content with its place among rows of the same content."""
        keys: list[str] = [name or "" for name in names]
        unnamed = [place for place, name in enumerate(names) if name is None]
        if unnamed:
            digests = [_digest(contents[place]) for place in unnamed]
            heads = np.frombuffer(b"".join(digest[:8] for digest in digests), dtype=np.uint64)
            for place, digest, earlier in zip(unnamed, digests, self._occurrences.count(heads), strict=True):
                keys[place] = f"#{digest.hex()}-{earlier}" if earlier else f"#{digest.hex()}"
        return keys

    def _insert_load(self, connection: sa.Connection) -> int:
        values = {"name": self._store.table.name, "source": self._source, "began_at": self._clock()}
        none_yet = LoadSummary().columns()
        key = connection.execute(loads.insert().values(values | none_yet)).inserted_primary_key
        assert key is not None, "an insert of one row gives its key"
        return int(key[0])

    def _update_load(self, connection: sa.Connection, totals: LoadSummary, *, ended_at: int | None) -> None:
        """Notes how far the load is, in the transaction of the batch."""
        values = totals.columns() | {"ended_at": ended_at}
        connection.execute(loads.update().where(loads.c.id == self._load).values(values))

    def _too_many_refused(self) -> DataError:
        summary = self.summary
        stored = summary.loaded + summary.changed
        return DataError(
            f"{summary.refused:,} of the first {summary.read:,} rows of {self._cleaner.name} are refused, so "
            f"{'nothing more is' if stored else 'nothing was'} loaded. The first is {self._first_fault} "
            f"All of them are in {self._refused.path}.",
            field="FILE",
        )


def _digest(content: StoredRow) -> bytes:
    return hashlib.blake2b(repr(content).encode(), digest_size=_KEY_BYTES).digest()
