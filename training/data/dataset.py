"""Turns a table of texts, from a file or a generator, into the numbers that models learn from.

An error names the column, the line as an editor counts it, and the remedy. Only the columns of the schema
and of the answer are kept: names of persons, customer ids and the like reach no other part of Concord.
`cleaning` reads the cells; here rows are collected, or left out, and counted.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from concord.errors import DataError, InvalidInput
from concord.tasks.schema import Rows
from concord.tasks.table_reader import TableLine, TableReader
from training.data.cleaning import Cleaner, expected_columns, fill_values
from training.task import Columns, Task

AnswerArray = npt.NDArray[Any]
"""Class indices as int64, or values as float64, of shape (rows,)."""

Times = npt.NDArray[np.int64]
"""µs since the epoch, of shape (rows,)."""


@dataclass(frozen=True)
class Dataset:
    """Rows that a model can learn from.

    Attributes:
        name: File name or `generator`.
        rows: float32 of shape (rows, features), choices as their code.
        answers: Class indices or values, of shape (rows,).
        dropped: Column whose cell is empty → rows that were left out for it; a row counts once, for
            its first such column.
        empty: Feature → its empty cells, in all rows that were read, filled in or not.
        ignored: Columns of the file that are not the task's.
        times: Since when each row is true, in µs since the epoch, `UNDATED` where that is not stated; None
            where the source says it of no row.
        source: Where the rows are, for a record; without a password.
    """

    name: str
    rows: Rows
    answers: AnswerArray
    dropped: dict[str, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    times: Times | None = None
    source: str = "generator"

    @property
    def total(self) -> int:
        """Rows that were read, those left out included."""
        return len(self.rows) + sum(self.dropped.values())

    @property
    def digest(self) -> str:
        """SHA-256 over rows and answers: the same data, the same digest, wherever they came from."""
        return hashlib.sha256(self.rows.tobytes() + self.answers.tobytes()).hexdigest()


class RowCollector:
    """Collects rows, in as much memory as their numbers take."""

    def __init__(self, task: Task) -> None:
        self._task, self._fills = task, fill_values(task)
        self._rows, self._answers, self._times = array("f"), array("d"), array("q")

    def __len__(self) -> int:
        """Rows so far."""
        return len(self._answers)

    def add(self, values: Iterable[float | None], answer: float, time: int) -> None:
        """Adds a row; its empty cells are filled in."""
        pairs = zip(values, self._fills, strict=True)
        self._rows.extend([fill if value is None else value for value, fill in pairs])
        self._answers.append(answer)
        self._times.append(time)

    def extend(self, rows: Rows, answers: npt.NDArray[np.float64], times: Times) -> None:
        """Adds many rows without an empty cell at once."""
        self._rows.frombytes(np.ascontiguousarray(rows, np.float32).tobytes())
        self._answers.frombytes(answers.astype(np.float64).tobytes())
        self._times.frombytes(times.astype(np.int64).tobytes())

    def dataset(self, name: str, source: str, *, has_times: bool, **counts: Any) -> Dataset:  # noqa: ANN401
        """The data set of all rows."""
        answers: AnswerArray = np.frombuffer(self._answers, dtype=np.float64)
        return Dataset(
            name=name,
            rows=np.frombuffer(self._rows, dtype=np.float32).reshape(len(self), -1),
            answers=answers if self._task.schema.is_regression else answers.astype(np.int64),
            times=np.frombuffer(self._times, dtype=np.int64) if has_times else None,
            source=source,
            **counts,
        )


def generate_rows(task: Task, seed: int) -> Dataset:
    """The rows of the task's own generator, through the same checks as a file's.

    Raises:
        DataError: The task has none.
    """
    if task.generate is None:
        raise DataError(
            f"The task {task.name!r} has no generator, so it needs your rows: --data {task.name}=FILE.csv.",
            field="--data",
        )
    return clean_columns(task, task.generate(np.random.default_rng(seed)), f"generator:{seed}")


def clean_columns(task: Task, columns: Columns, source: str = "generator") -> Dataset:
    """The data set of a generator's columns, whose cells are read like a file's.

    Raises:
        DataError: Names the column, the line and the remedy.
    """
    cleaner = Cleaner(task, "generator", list(columns))
    rows = enumerate(zip(*columns.values(), strict=True), start=2)
    lines = (TableLine(n, ["" if cell is None else str(cell) for cell in cells]) for n, cells in rows)
    return _collect(task, cleaner, lines, source)


def read_file(task: Task, path: Path) -> Dataset:
    """The data set of a CSV file, whose texts are not held in memory.

    Raises:
        DataError: Names the column, the line and the remedy.
    """
    with TableReader.open(path, expected_columns(task)) as file:
        cleaner = Cleaner(task, file.name, file.header, file.dialect)
        return _collect(task, cleaner, file.valid_lines(), str(path.absolute()))


def _collect(task: Task, cleaner: Cleaner, lines: Iterable[TableLine], source: str) -> Dataset:
    rows, dropped, empty = RowCollector(task), Counter[str](), Counter[str]()
    names = [feature.name for feature in task.schema.features]
    for line in lines:
        try:
            row = cleaner.read(line.cells)
        except InvalidInput as error:
            raise DataError(
                f"{cleaner.name}, line {line.number}, column {error.field!r}: {error.message}",
                field=error.field,
            ) from None
        if None in row.values:
            empty.update(name for name, value in zip(names, row.values, strict=True) if value is None)
        missing = cleaner.missing_column(row)
        if missing is not None:
            dropped[missing] += 1
        else:
            assert row.answer is not None, "a row without an answer lacks it"
            rows.add(row.values, row.answer, row.time)
    require_rows(cleaner.name, len(rows), dropped)
    return rows.dataset(
        cleaner.name,
        source,
        has_times=cleaner.has_times,
        dropped=dict(dropped),
        empty={name: empty[name] for name in names if empty[name]},
        ignored=cleaner.ignored,
    )


def require_rows(name: str, kept: int, dropped: Counter[str]) -> None:
    """Refuses a table of which no row is left.

    Raises:
        DataError: It has no rows, or all of them lack a cell.
    """
    if not kept and not dropped:
        raise DataError(f"{name} has a header and no rows. Add rows to learn from.")
    if not kept:
        column, times = dropped.most_common(1)[0]
        raise DataError(
            f"{name} has no row left: column {column!r} is empty in {times} of {dropped.total()}. "
            "Fill it in.",
            field=column,
        )
