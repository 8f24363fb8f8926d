"""What the cells of a row are worth: numbers that a model learns from, or why there are none.

The worth of a cell is decided by the schema's `Feature.read`, the same code that reads a caller's request, so
a model never learns from a row that it could not be asked about. Nothing is guessed: texts are not coerced,
and an empty cell becomes what the task's `Rule` says. Files are long, so what is usual is decided by a
comparison or two; everything else goes the whole way and gets its sentence.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Final, NamedTuple
from unicodedata import normalize

import numpy as np

from concord.errors import DataError, InvalidInput
from concord.tasks.schema import FLOAT32_MAX, Feature
from training.task import Answer, Task

NOTHING: Final = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"}
"""Texts of an empty cell, as spreadsheets, pandas and databases write them."""

NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A number as JSON callers may send it; `1_000`, `1 000`, `3,5` and `inf` are none."""

KEY: Final = re.compile(r"[\w][\w.:/ -]{0,59}")
"""A row's own name; one that a spreadsheet would take for a formula is none."""

UNDATED: Final = int(np.iinfo(np.int64).min)
"""The time of a row that has none: older than all that have one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Read = Callable[[str], float | None]


class Cells(NamedTuple):
    """A row that was read.

    Attributes:
        values: Of the features in their order; None where a cell says nothing.
        answer: A class's number or a value; None where the cell says nothing.
        key: The row's own name, where the task's data have one.
        time: Since when it is true, in µs since the epoch, or `UNDATED`.
    """

    values: tuple[float | None, ...]
    answer: float | None
    key: str | None
    time: int


class Cleaner:
    """Reads the rows of one table of texts.

    Args:
        task: Whose rows.
        name: The table's, for messages.
        header: Its columns.

    Raises:
        DataError: A column that the task needs is missing.
    """

    def __init__(self, task: Task, name: str, header: Sequence[str]) -> None:
        self._task, self.name = task, name
        columns = [feature.name for feature in task.schema.features]
        self.answer = _answer_column(task, name, header)
        self._places = [_column(name, header, column) for column in columns]
        self._read = [_reader(task, feature) for feature in task.schema.features]
        self._answer_place = header.index(self.answer.column)
        self._read_answer = _answers(task, self.answer)
        self._key_place = header.index(task.key) if task.key in header else None
        self._time_place = header.index(task.observed) if task.observed in header else None
        self.has_times = self._time_place is not None
        self.columns = (*columns, self.answer.column)
        self.ignored = tuple(one for one in header if one not in {*self.columns, task.observed})
        self._needed = [task.rule(column).fill is None for column in columns] + [True]
        self._pairs = list(zip(self._read, self._places, strict=True))

    def read(self, cells: Sequence[str]) -> Cells:
        """Reads one row.

        Raises:
            InvalidInput: A cell is none; says which and what to do.
        """
        values = tuple([read(cells[place]) for read, place in self._pairs])
        answer = self._read_answer(cells[self._answer_place])
        key = None if self._key_place is None else _key(str(self._task.key), cells[self._key_place])
        time = UNDATED if self._time_place is None else self._time(cells[self._time_place])
        return Cells(values, answer, key, time)

    def lacks(self, row: Cells) -> str | None:
        """The first column whose cell says nothing and is not filled in: for it the row is left out."""
        if row.answer is not None and None not in row.values:
            return None
        for column, needed, cell in zip(self.columns, self._needed, (*row.values, row.answer), strict=True):
            if needed and cell is None:
                return column
        return None

    def _time(self, text: str) -> int:
        column = str(self._task.observed)
        try:
            return moment(column, text)
        except InvalidInput as error:
            raise InvalidInput(f"{error.message} Correct the cell, or empty it.", field=column) from None


def fills(task: Task) -> list[float]:
    """What an empty cell of each feature is read as; not a number where its row is left out."""
    found = []
    for feature in task.schema.features:
        fill = task.rule(feature.name).fill
        found.append(np.nan if fill is None else feature.read(fill))
    return found


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
    return (found - _EPOCH) // timedelta(microseconds=1)


def number(name: str, text: str) -> float:
    """A number of a text without blanks around it.

    Raises:
        InvalidInput: It is none, or too large for what a node takes.
    """
    if NUMBER.fullmatch(text):
        found = float(text)
        # What a node's float32 cannot hold would be learned from as an infinity.
        if not abs(found) <= FLOAT32_MAX:
            raise InvalidInput(f"{name} must be a finite number.", field=name)
        return found
    hint = " Decimals are written with a point." if NUMBER.fullmatch(text.replace(",", ".")) else ""
    raise InvalidInput(f"{name} must be a number, not the text {text[:40]!r}.{hint}", field=name)


def _reader(task: Task, feature: Feature) -> Read:
    """How a feature's cells are read: the usual ones at once, all others by `_cell`."""
    if feature.kind == "choice":
        # A choice that stands for an empty cell is none of the usual ones.
        unknown = {*NOTHING, *task.rule(feature.name).unknown}
        codes = {one: float(code) for code, one in enumerate(feature.choices) if one not in unknown}

        def choice(text: str) -> float | None:
            found = codes.get(text)
            return _cell(task, feature, text) if found is None else found

        return choice
    low = -FLOAT32_MAX if feature.minimum is None else max(feature.minimum, -FLOAT32_MAX)
    high = FLOAT32_MAX if feature.maximum is None else min(feature.maximum, FLOAT32_MAX)
    whole, empty, match = feature.kind == "integer", task.rule(feature.name).unknown, NUMBER.fullmatch

    def numeric(text: str) -> float | None:
        if match(text):
            found = float(text)
            if low <= found <= high and found not in empty and (not whole or found.is_integer()):
                return found
        return _cell(task, feature, text)

    return numeric


def _cell(task: Task, feature: Feature, text: str) -> float | None:
    text = text.strip()
    if text in NOTHING:
        return None
    try:
        value = normalize("NFC", text) if feature.kind == "choice" else number(feature.name, text)
        return None if value in task.rule(feature.name).unknown else feature.read(value)
    except InvalidInput as error:
        near = get_close_matches(text, feature.choices, n=1)
        remedy = f"Is it {near[0]!r}?" if near else "Correct the cell, or remove the row."
        raise InvalidInput(f"{error.message} {remedy}", field=feature.name) from None


def _answers(task: Task, answer: Answer) -> Read:
    """How the cells of the answer are read; a class's text is looked up once."""
    if task.schema.is_regression or answer.grade:
        return lambda text: _answer(task, answer, text)
    known: dict[str, float | None] = {}

    def label(text: str) -> float | None:
        if text not in known:
            known[text] = _answer(task, answer, text)
        return known[text]

    return label


def _answer(task: Task, answer: Answer, text: str) -> float | None:
    text, column = text.strip(), answer.column
    if text in NOTHING:
        return None
    names = [label.name for label in task.schema.labels]
    try:
        if not names:
            return number(column, text)
        label = answer.grade(number(column, text)) if answer.grade else answer.names.get(text, text)
    except InvalidInput as error:
        raise InvalidInput(f"{error.message} Correct the cell, or remove the row.", field=column) from None
    if label not in names:
        raise InvalidInput(
            f"{text[:40]!r} is none of {', '.join([*answer.names, *names])}. "
            "Correct the cell, or remove the row.",
            field=column,
        )
    return float(names.index(label))


def _key(column: str, text: str) -> str | None:
    text = text.strip()
    if KEY.fullmatch(text):
        return text
    if text in NOTHING:
        return None
    raise InvalidInput(
        f"{column} names a row by at most 60 letters, digits and . : / - _, not {text[:40]!r}. "
        "Correct the cell, or empty it.",
        field=column,
    )


def _column(table: str, header: Sequence[str], name: str) -> int:
    if name in header:
        return header.index(name)
    near = get_close_matches(name, header, n=1)
    remedy = f"Is it {near[0]!r}? Then rename that one." if near else f"Its columns: {', '.join(header)}."
    raise DataError(f"{table} has no column {name!r}. {remedy}", field=name)


def _answer_column(task: Task, table: str, header: Sequence[str]) -> Answer:
    for answer in task.answers:
        if answer.column in header:
            return answer
    for feature in task.schema.features:
        _column(table, header, feature.name)
    _column(table, header, task.answers[0].column)
    raise AssertionError("unreachable: the line above raises")
