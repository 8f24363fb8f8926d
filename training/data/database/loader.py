"""Brings rows into a task's table: cleaned, checked, each once, in batches that are durable one by one.

A batch is read, judged and then stored in one transaction, so a loader that is killed leaves whole batches
and never half of one, and the same command again adds what is missing. Where more than half of what was read
is refused the work ends before the next batch is stored: then the file is another one than was meant.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import sqlalchemy as sa

from concord.errors import DataError, InvalidInput
from training.data.cleaning import UNDATED, Cells, Cleaner
from training.data.csv_reader import Line
from training.data.database.engine import Database
from training.data.database.occurrences import Occurrences
from training.data.database.refused_file import RefusedFile
from training.data.database.row_store import Record, RowStore, Written
from training.data.database.tables import loads
from training.task import Task

BATCH: Final = 5000
"""Lines in one transaction: a second's work at most, and a MB or two of memory."""

_KEY_BYTES: Final = 16


@dataclass
class Summary:
    """What became of the lines so far.

    Attributes:
        read: Lines that were read.
        loaded: Rows that are new in the table.
        changed: Rows that were there under their own name with other values.
        known: Rows that were there already.
        refused: Lines that are no row of the task.
        dropped: Column → rows that were left out because it says nothing.
    """

    read: int = 0
    loaded: int = 0
    changed: int = 0
    known: int = 0
    refused: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class Loader:
    """Loads the lines of one source into one table.

    Args:
        database: Where the table is.
        store: The table.
        task: Whose rows.
        cleaner: Reads the source's lines.
        refused: Where refused lines go.
        clock: µs since the epoch.
    """

    def __init__(
        self,
        database: Database,
        store: RowStore,
        task: Task,
        cleaner: Cleaner,
        refused: RefusedFile,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.summary = Summary()
        self._database, self._store, self._cleaner, self._refused = database, store, cleaner, refused
        self._features, self._labels = task.schema.features, [one.name for one in task.schema.labels]
        self._clock, self._has_times = clock, task.observed is not None
        self._choices = [feature.choices for feature in self._features]
        self._whole = [
            isinstance(store.table.c[feature.name].type, sa.BigInteger) for feature in self._features
        ]
        self._occurrences = Occurrences()
        self._first: str | None = None
        self._load: int | None = None
        self._source = cleaner.name[:255]

    def add(self, lines: Sequence[Line], also: Callable[[sa.Connection], None] | None = None) -> None:
        """Takes in a batch of lines, durable on return.

        Args:
            lines: Some thousand at most.
            also: What else belongs to the transaction.

        Raises:
            DataError: More than half of all lines so far are refused; nothing of this batch was stored.
        """
        rows: list[tuple[int, Cells]] = []
        for line in lines:
            self._judge(line, rows)
        self.summary.read += len(lines)
        self._refused.flush()
        if self.summary.refused * 2 > self.summary.read:
            raise self._too_many()
        records = self._records(rows)
        named = any(cells.key for _, cells in rows)
        if self._load is None:
            self._load = self._database.write(self._begin)

        def transaction(connection: sa.Connection) -> Written:
            written = self._store.write(connection, records, named=named)
            self._note(connection, written, done=False)
            if also is not None:
                also(connection)
            return written

        written = self._database.write(transaction)
        self._count(self.summary, written)

    def finish(self) -> Summary:
        """Notes that the source was read to its end."""
        self._database.write(lambda connection: self._note(connection, Written(0, 0, 0), done=True))
        return self.summary

    def _judge(self, line: Line, rows: list[tuple[int, Cells]]) -> None:
        try:
            if line.fault is not None:
                raise InvalidInput(line.fault)
            cells = self._cleaner.read(line.cells)
        except InvalidInput as error:
            self.summary.refused += 1
            self._first = self._first or f"line {line.number}: {error.message}"
            self._refused.add(line.number, error.message, line.cells)
            return
        lacking = self._cleaner.lacks(cells)
        if lacking is not None:
            self.summary.dropped[lacking] += 1
        else:
            rows.append((line.number, cells))

    def _records(self, rows: Sequence[tuple[int, Cells]]) -> list[Record]:
        """The rows as they are stored."""
        now, source = self._clock(), self._source
        said = [self._says(cells) for _, cells in rows]
        keys = self._keys([cells.key for _, cells in rows], said)
        return [
            (key, source, line, now, *values) for key, (line, _), values in zip(keys, rows, said, strict=True)
        ]

    def _says(self, cells: Cells) -> Record:
        times = ((None if cells.time == UNDATED else cells.time),) if self._has_times else ()
        values = [
            value if value is None else choices[int(value)] if choices else int(value) if whole else value
            for value, choices, whole in zip(cells.values, self._choices, self._whole, strict=True)
        ]
        assert cells.answer is not None, "a row without an answer lacks it"
        answer = self._labels[int(cells.answer)] if self._labels else cells.answer
        return (*times, *values, answer)

    def _keys(self, names: Sequence[str | None], said: Sequence[Record]) -> list[str]:
        """Each row's own name, or a hash of what it says with its place among those that say the same."""
        keys: list[str] = [name or "" for name in names]
        unnamed = [place for place, name in enumerate(names) if name is None]
        if unnamed:
            hashes = [_digest(said[place]) for place in unnamed]
            heads = np.frombuffer(b"".join(one[:8] for one in hashes), dtype=np.uint64)
            for place, found, earlier in zip(unnamed, hashes, self._occurrences.count(heads), strict=True):
                keys[place] = f"#{found.hex()}-{earlier}" if earlier else f"#{found.hex()}"
        return keys

    def _begin(self, connection: sa.Connection) -> int:
        begun = {"name": self._store.table.name, "source": self._source, "began_at": self._clock()}
        counts = dict.fromkeys(("read", "loaded", "changed", "known", "refused"), 0)
        made = connection.execute(loads.insert().values(**begun, **counts, dropped="{}")).inserted_primary_key
        assert made is not None, "an insert of one row gives its key"
        return int(made[0])

    def _note(self, connection: sa.Connection, written: Written, *, done: bool) -> None:
        """Says how far the load is, in the transaction that brought it there."""
        totals = Summary(**vars(self.summary))
        self._count(totals, written)
        values = {
            "ended_at": self._clock() if done else None,
            **{name: getattr(totals, name) for name in ("read", "loaded", "changed", "known", "refused")},
            "dropped": json.dumps(totals.dropped),
        }
        connection.execute(loads.update().where(loads.c.id == self._load).values(**values))

    @staticmethod
    def _count(summary: Summary, written: Written) -> None:
        summary.loaded += written.loaded
        summary.changed += written.changed
        summary.known += written.known

    def _too_many(self) -> DataError:
        summary = self.summary
        stored = summary.loaded + summary.changed
        return DataError(
            f"{summary.refused:,} of the first {summary.read:,} rows of {self._cleaner.name} are refused, so "
            f"{'nothing more is' if stored else 'nothing was'} loaded. The first is {self._first} "
            f"All of them are in {self._refused.path}.",
            field="FILE",
        )


def _digest(said: Record) -> bytes:
    return hashlib.blake2b(repr(said).encode(), digest_size=_KEY_BYTES).digest()
