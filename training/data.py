"""Turns a table of texts, from a file or a generator, into the numbers that models learn from.

Whatever is wrong with a file is said with its column, its line as an editor counts it, and what
to do. Only the columns of the schema and of the answer are kept: names of persons, customer ids
and all the rest are dropped on reading and reach no other part of Concord. A cell's worth is
decided by the schema's `Feature.read`, the same code that reads a caller's request, so a model
never learns from a row that it could not be asked about. Nothing is guessed: texts are not
coerced, and an empty cell becomes what the task's `Rule` says.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from concord.errors import DataError, InvalidInput
from concord.schema import FLOAT32_MAX, Feature, Rows
from training.table import Table, tabulate
from training.task import Answer, Task

Answers = npt.NDArray[Any]
"""Class indices as int64, or values as float64, of shape (rows,)."""

Times = npt.NDArray[np.int64]
"""µs since the epoch, of shape (rows,)."""

UNDATED = np.iinfo(np.int64).min
"""The time of a row that has none: older than all that have one."""

NOTHING = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"}
"""Texts of an empty cell, as spreadsheets, pandas and databases write them."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A number as JSON callers may send it; `1_000`, `1 000`, `3,5` and `inf` are none."""


@dataclass(frozen=True)
class Dataset:
    """Rows that a model can learn from.

    Attributes:
        name: File name or `generator`.
        rows: float32 of shape (rows, features), choices as their code.
        answers: Class indices or values, of shape (rows,).
        dropped: Column whose cell says nothing → rows that were left out for it; a row counts once, for
            its first such column.
        empty: Feature → its cells that said nothing, in all rows that were read, filled in or not.
        ignored: Columns of the file that nobody asked for.
        times: Since when each row is true, in µs since the epoch, `UNDATED` where that is not said; None
            where the source says it of no row.
        source: Where the rows are, for a record; without a password.
    """

    name: str
    rows: Rows
    answers: Answers
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


def generated(task: Task, seed: int) -> Dataset:
    """The rows of the task's own generator, through the same checks as a file's."""
    columns = task.generate(np.random.default_rng(seed))
    return read(task, tabulate(columns, source=f"generator:{seed}"))


def read(task: Task, table: Table) -> Dataset:
    """Turns texts into numbers, drops what the task's rules drop, and checks that there is enough to learn.

    Raises:
        DataError: Names the column, the line and the remedy.
    """
    answer = _answer_column(task, table)
    said = {
        feature.name: [
            _cell(task, feature, text, table, place)
            for place, text in enumerate(_column(table, feature.name))
        ]
        for feature in task.schema.features
    }
    columns = [_filled(task, feature, said[feature.name]) for feature in task.schema.features]
    answers = [
        _answer(task, answer, text, table, place) for place, text in enumerate(table.columns[answer.column])
    ]
    names = [*(feature.name for feature in task.schema.features), answer.column]
    kept: list[tuple[float, ...]] = []
    dropped: Counter[str] = Counter()
    places: list[int] = []
    for place, row in enumerate(zip(*columns, answers, strict=True)):
        empty = [name for name, cell in zip(names, row, strict=True) if cell is None]
        if empty:
            dropped[empty[0]] += 1
        else:
            kept.append(row)
            places.append(place)
    _check_rows(table, kept, dropped)
    numbers = np.array(kept, dtype=np.float64)
    return Dataset(
        name=table.name,
        rows=numbers[:, :-1].astype(np.float32),
        answers=numbers[:, -1] if task.schema.is_regression else numbers[:, -1].astype(np.int64),
        dropped=dict(dropped),
        empty={name: cells.count(None) for name, cells in said.items() if None in cells},
        ignored=tuple(column for column in table.columns if column not in {*names, task.observed}),
        times=_times(task, table, places),
        source=table.source,
    )


def _times(task: Task, table: Table, places: list[int]) -> Times | None:
    if task.observed is None or task.observed not in table.columns:
        return None
    return np.array([_time(table, task.observed, place) for place in places], dtype=np.int64)


def _time(table: Table, column: str, place: int) -> int:
    try:
        return moment(column, table.columns[column][place])
    except InvalidInput as error:
        raise DataError(
            f"{_place(table, place, column)}: {error.message} Correct the cell, or empty it.", field=column
        ) from None


def moment(column: str, text: str) -> int:
    """An ISO date or time in µs since the epoch, in UTC unless it names a zone; `UNDATED` of an empty cell.

    Raises:
        InvalidInput: It is none.
    """
    text = text.strip()
    if text in NOTHING:
        return UNDATED
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{column} must be a date such as 2026-01-31, not {text[:40]!r}.", field=column
        ) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found - EPOCH) // timedelta(microseconds=1)


def newer(data: Dataset, since: str) -> Dataset:
    """Only the rows of an ISO date or time, or later.

    Raises:
        InvalidInput: It is none.
        DataError: The rows have no times, or none is so new.
    """
    start = moment("since", since)
    if data.times is None:
        raise DataError(f"{data.name} does not say when its rows were true, so none is newer than another.")
    kept = data.times >= start
    if not kept.any():
        raise DataError(f"{data.name} has no row since {since}.")
    return replace(data, rows=data.rows[kept], answers=data.answers[kept], times=data.times[kept])


def _column(table: Table, name: str) -> list[str]:
    if name in table.columns:
        return table.columns[name]
    near = get_close_matches(name, table.columns, n=1)
    remedy = (
        f"Is it {near[0]!r}? Then rename that one." if near else f"Its columns: {', '.join(table.columns)}."
    )
    raise DataError(f"{table.name} has no column {name!r}. {remedy}", field=name)


def _answer_column(task: Task, table: Table) -> Answer:
    for answer in task.answers:
        if answer.column in table.columns:
            return answer
    _column(table, task.answers[0].column)
    raise AssertionError("unreachable: the line above raises")


def _cell(task: Task, feature: Feature, text: str, table: Table, place: int) -> float | None:
    rule, text = task.rule(feature.name), text.strip()
    if text in NOTHING:
        return None
    try:
        value = normalize("NFC", text) if feature.kind == "choice" else _number(feature.name, text)
        return None if value in rule.unknown else feature.read(value)
    except InvalidInput as error:
        near = get_close_matches(text, feature.choices, n=1)
        remedy = f"Is it {near[0]!r}?" if near else "Correct the cell, or remove the row."
        raise DataError(
            f"{_place(table, place, feature.name)}: {error.message} {remedy}", field=feature.name
        ) from None


def _filled(task: Task, feature: Feature, cells: list[float | None]) -> list[float | None]:
    fill = task.rule(feature.name).fill
    if fill is None:
        return cells
    value = feature.read(fill)
    return [value if cell is None else cell for cell in cells]


def _answer(task: Task, answer: Answer, text: str, table: Table, place: int) -> float | None:
    text = text.strip()
    if text in NOTHING:
        return None
    names = [label.name for label in task.schema.labels]
    try:
        if not names:
            return _number(answer.column, text)
        label = answer.grade(_number(answer.column, text)) if answer.grade else answer.names.get(text, text)
    except InvalidInput as error:
        raise DataError(
            f"{_place(table, place, answer.column)}: {error.message} Correct the cell, or remove the row.",
            field=answer.column,
        ) from None
    if label not in names:
        raise DataError(
            f"{_place(table, place, answer.column)}: {text[:40]!r} is none of "
            f"{', '.join([*answer.names, *names])}. Correct the cell, or remove the row.",
            field=answer.column,
        )
    return float(names.index(label))


def _number(name: str, text: str) -> float:
    if NUMBER.fullmatch(text):
        number = float(text)
        # What a node's float32 cannot hold would be learned from as an infinity.
        if not abs(number) <= FLOAT32_MAX:
            raise InvalidInput(f"{name} must be a finite number.", field=name)
        return number
    hint = " Decimals are written with a point." if NUMBER.fullmatch(text.replace(",", ".")) else ""
    raise InvalidInput(f"{name} must be a number, not the text {text[:40]!r}.{hint}", field=name)


def _check_rows(table: Table, kept: list[tuple[float, ...]], dropped: Counter[str]) -> None:
    if not kept and not dropped:
        raise DataError(f"{table.name} has a header and no rows. Add rows to learn from.")
    if not kept:
        column, times = dropped.most_common(1)[0]
        raise DataError(
            f"{table.name} has no row left: column {column!r} says nothing in {times} of {len(table.lines)}. "
            "Fill it in.",
            field=column,
        )


def _place(table: Table, place: int, column: str) -> str:
    return f"{table.name}, line {table.lines[place]}, column {column!r}"
