"""Cleans rows: turns cells of text into the numbers that a model learns from, or says what is wrong.

A cell is read by the schema's `Feature.read`, like a caller's request, so a model never learns from a row
that it could not be asked about. An empty cell becomes what the task's `Rule` says. Files are long, so usual
cells are read by a comparison or two, and only the others by `_cell`.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from unicodedata import normalize

import numpy as np

from concord.errors import ConfigurationError, DataError, InvalidInput
from concord.tasks import csv_rows
from concord.tasks.cells import is_empty
from concord.tasks.class_names import AnswerTexts
from concord.tasks.csv_dialect import COMMA_SEPARATED, CsvDialect, ExpectedColumns, read_header
from concord.tasks.numbers import NUMBER, NumberFault, read_number
from concord.tasks.schema import FLOAT32_MAX, Feature
from concord.util.suggest import nearest
from training.task import Answer, Task

KEY: Final = re.compile(r"[\w][\w.:/ -]{0,59}")
"""A row's own name; one that a spreadsheet would take for a formula is none."""

UNDATED: Final = int(np.iinfo(np.int64).min)
"""The time of a row that has none: older than all that have one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

ReadCell = Callable[[str], float | None]


class CleanRow(NamedTuple):
    """A row that was read.

    Attributes:
        values: Of the features in their order; None where a cell is empty.
        answer: A class's number or a value; None where the cell is empty.
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
        dialect: How it writes numbers.

    Raises:
        DataError: A column that the task needs is missing, or there twice.
    """

    def __init__(
        self, task: Task, name: str, header: Sequence[str], dialect: CsvDialect = COMMA_SEPARATED
    ) -> None:
        self._task, self.name = task, name
        header = read_header(header)
        _check_distinct(name, header)
        columns = [feature.name for feature in task.schema.features]
        self.answer = _answer_column(task, name, header)
        places = [_column(name, header, column) for column in columns]
        readers = [_reader(task, feature, dialect) for feature in task.schema.features]
        self._pairs = list(zip(readers, places, strict=True))
        self._answer_place = header.index(self.answer.column)
        self._read_answer = _answers(task, self.answer, dialect)
        self._key_place = header.index(task.key) if task.key in header else None
        self._time_place = header.index(task.observed) if task.observed in header else None
        self.has_times = self._time_place is not None
        self.columns = (*columns, self.answer.column)
        self.ignored = tuple(name for name in header if name not in {*self.columns, task.observed})
        self._needed = [task.rule(column).fill is None for column in columns] + [True]

    def read(self, cells: Sequence[str]) -> CleanRow:
        """Reads one row.

        Raises:
            InvalidInput: A cell is none; says which and what to do.
        """
        values = tuple([read(cells[place]) for read, place in self._pairs])
        answer = self._read_answer(cells[self._answer_place])
        key = None if self._key_place is None else _key(str(self._task.key), cells[self._key_place])
        time = UNDATED if self._time_place is None else self._time(cells[self._time_place])
        return CleanRow(values, answer, key, time)

    def missing_column(self, row: CleanRow) -> str | None:
        """The first column whose cell is empty and is not filled in: for it the row is left out."""
        if row.answer is not None and None not in row.values:
            return None
        for column, needed, cell in zip(self.columns, self._needed, (*row.values, row.answer), strict=True):
            if needed and cell is None:
                return column
        return None

    def _time(self, text: str) -> int:
        column = str(self._task.observed)
        try:
            return read_time(column, text)
        except InvalidInput as error:
            raise InvalidInput(f"{error.message} Correct the cell, or empty it.", field=column) from None


def fill_values(task: Task) -> list[float]:
    """What an empty cell of each feature is read as; NaN where its row is left out."""
    fills = [(feature, task.rule(feature.name).fill) for feature in task.schema.features]
    return [np.nan if fill is None else feature.read(fill) for feature, fill in fills]


def read_time(column: str, text: str) -> int:
    """An ISO date or time in µs since the epoch, in UTC unless it names a zone; `UNDATED` of an empty cell.

    Raises:
        InvalidInput: It is none.
    """
    text = text.strip()
    if is_empty(text):
        return UNDATED
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{column} must be a date such as 2026-01-31, not {text[:40]!r}.", field=column
        ) from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - _EPOCH) // timedelta(microseconds=1)


def expected_columns(task: Task) -> ExpectedColumns:
    """The columns that a table of the task's data should have."""
    rows = csv_rows.expected_columns(task.schema)
    graded = {answer.column for answer in task.answers if task.schema.is_regression or answer.grade}
    return ExpectedColumns(rows.names | {answer.column for answer in task.answers}, rows.numeric | graded)


def parse_cell(name: str, text: str, dialect: CsvDialect) -> float:
    """A number of a text without blanks around it.

    Raises:
        InvalidInput: It is none, or too large for what a node takes.
    """
    value = read_number(text, dialect)
    if isinstance(value, NumberFault):
        raise InvalidInput(
            f"{name} must be a number, not the text {text[:40]!r}. {value.remedy}".rstrip(), field=name
        )
    # What a node's float32 cannot hold would be learned from as an infinity.
    if not abs(value) <= FLOAT32_MAX:
        raise InvalidInput(f"{name} must be a finite number.", field=name)
    return float(value)


def _reader(task: Task, feature: Feature, dialect: CsvDialect) -> ReadCell:
    """A function that reads a feature's cells: the usual ones at once, all others by `_cell`."""
    if feature.kind == "choice":
        codes = {name: float(code) for code, name in enumerate(feature.choices) if name}

        def choice(text: str) -> float | None:
            code = codes.get(text)
            return _cell(task, feature, text, dialect) if code is None else code

        return choice
    if dialect.comma or dialect.is_ambiguous:
        return lambda text: _cell(task, feature, text, dialect)
    low = -FLOAT32_MAX if feature.minimum is None else max(feature.minimum, -FLOAT32_MAX)
    high = FLOAT32_MAX if feature.maximum is None else min(feature.maximum, FLOAT32_MAX)
    whole, match, unknown = feature.kind == "integer", NUMBER.fullmatch, task.rule(feature.name).unknown

    def numeric(text: str) -> float | None:
        if match(text):
            value = float(text)
            if low <= value <= high and value not in unknown and (not whole or value.is_integer()):
                return value
        return _cell(task, feature, text, dialect)

    return numeric


def _cell(task: Task, feature: Feature, text: str, dialect: CsvDialect) -> float | None:
    text = normalize("NFC", text.strip())
    if is_empty(text, feature.choices):
        return None
    try:
        value = text if feature.kind == "choice" else parse_cell(feature.name, text, dialect)
        return None if value in task.rule(feature.name).unknown else feature.read(value)
    except InvalidInput as error:
        similar = nearest(text, feature.choices)
        remedy = f"Is it {similar!r}?" if similar else "Correct the cell, or remove the row."
        raise InvalidInput(f"{error.message} {remedy}", field=feature.name) from None


def _answers(task: Task, answer: Answer, dialect: CsvDialect) -> ReadCell:
    """A function that reads the cells of the answer; a class's text is looked up once."""
    if task.schema.is_regression or answer.grade:
        return lambda text: _graded(task, answer, text, dialect)
    texts = AnswerTexts([label.name for label in task.schema.labels], answer.names)
    codes: dict[str, float | None] = {}

    def label(text: str) -> float | None:
        if text not in codes:
            codes[text] = _label(task, answer.column, texts, text.strip())
        return codes[text]

    return label


def _graded(task: Task, answer: Answer, text: str, dialect: CsvDialect) -> float | None:
    """The answer of a number: the value itself, or the class that it is graded as."""
    text = text.strip()
    if is_empty(text):
        return None
    try:
        value = parse_cell(answer.column, text, dialect)
    except InvalidInput as error:
        message = f"{error.message} Correct the cell, or remove the row."
        raise InvalidInput(message, field=answer.column) from None
    if answer.grade is None:
        return value
    label = answer.grade(value)
    place = task.schema.class_names.find_name(label)
    if place is None:
        raise ConfigurationError(f"Task {task.name!r}: grade gives {label!r}, which is no label.")
    return float(place)


def _label(task: Task, column: str, texts: AnswerTexts, text: str) -> float | None:
    label = texts.find(text)
    place = None if label is None else task.schema.class_names.find_name(label)
    if place is not None:
        return float(place)
    if is_empty(text):
        return None
    raise InvalidInput(
        f"{text[:40]!r} is none of {', '.join(texts.texts)}. Correct the cell, or remove the row.",
        field=column,
    )


def _key(column: str, text: str) -> str | None:
    text = text.strip()
    if KEY.fullmatch(text):
        return text
    if is_empty(text):
        return None
    raise InvalidInput(
        f"{column} names a row by at most 60 letters, digits and . : / - _, not {text[:40]!r}. "
        "Correct the cell, or empty it.",
        field=column,
    )


def _check_distinct(table: str, header: Sequence[str]) -> None:
    counts = Counter(name for name in header if name)
    repeated = next((name for name, times in counts.items() if times > 1), None)
    if repeated is not None:
        raise DataError(f"{table} has the column {repeated!r} twice. Remove one.", field=repeated)


def _column(table: str, header: Sequence[str], name: str) -> int:
    if name in header:
        return header.index(name)
    similar = nearest(name, header)
    columns = f"Its columns: {', '.join(header)}."
    remedy = f"Is it {similar!r}? Then rename that one." if similar else columns
    raise DataError(f"{table} has no column {name!r}. {remedy}", field=name)


def _answer_column(task: Task, table: str, header: Sequence[str]) -> Answer:
    for answer in task.answers:
        if answer.column in header:
            return answer
    for feature in task.schema.features:
        _column(table, header, feature.name)
    _column(table, header, task.answers[0].column)
    raise AssertionError("unreachable: the line above raises")
