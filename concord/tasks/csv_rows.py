"""Reads the rows of a CSV file by a task's schema, and writes answers beside them.

Every line is checked before any row is sent, and each problem is reported by line and column; command line
and page share this. Columns that the task does not have are kept and not sent. Cells that a spreadsheet would
execute as a formula are written with an apostrophe before them.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from concord.tasks.csv_dialect import COMMA_SEPARATED, CsvDialect, ExpectedColumns
from concord.tasks.empty_rules import NO_RULES, EmptyRule
from concord.tasks.schema import TaskSchema
from concord.tasks.table_reader import TableLine, TableReader
from concord.tasks.values import InvalidValue, InvalidValueKind, Row, check_value, escape_formula
from concord.util.suggest import nearest

ProblemKind = InvalidValueKind | Literal["missing", "repeated", "cells", "csv"]

MOST_SUGGESTIONS: Final = 10
"""Missing columns for which a similar one is looked for: who lacks more has another table."""

MOST_NAMED: Final = 50
"""Columns of a file that a message lists."""

MOST_PROBLEMS: Final = 100
"""Problems that are kept to be shown; the count includes all."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a CSV file.

    Attributes:
        kind: Of a cell a kind of `concord.tasks.values`; of a column `missing` or `repeated`; of a line that
            has more or fewer cells than the header `cells`, and of one that is no CSV `csv`.
        line: The line's number, as an editor counts lines.
        column: The column; None for a line as a whole.
        text: The cell's text; the number of cells for `cells`.
        meant: A suggestion; empty where there is none.
        message: A sentence that follows the line's number.
    """

    kind: ProblemKind
    line: int
    column: str | None
    text: str
    meant: str
    message: str


@dataclass(frozen=True)
class Table:
    """A CSV file without errors.

    Attributes:
        header: Its columns.
        lines: Its lines' numbers.
        cells: Its lines' cells, unchanged.
        rows: The row to predict for each line.
        unsent: Columns that the task does not have; they are kept and not sent.
        dialect: The form of the file and of its answers.
        filled: Column → empty cells that the task's rules filled.
        skipped: Lines that are wrong, where those are left out.
    """

    header: tuple[str, ...]
    lines: tuple[int, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]
    unsent: tuple[str, ...]
    dialect: CsvDialect = COMMA_SEPARATED
    filled: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple["SkippedLine", ...] = ()


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A line that is wrong and left out: its number, the reason and its cells."""

    number: int
    reason: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class InvalidTable:
    """The errors of a CSV file of which no row is sent.

    Attributes:
        problems: The first of them.
        count: The number of all.
        lines: The number of lines with errors.
    """

    problems: tuple[Problem, ...]
    count: int
    lines: int


def expected_columns(schema: TaskSchema) -> ExpectedColumns:
    """The columns that a table of rows to predict should have."""
    numeric = {feature.name for feature in schema.features if feature.kind != "choice"}
    return ExpectedColumns(schema.names, frozenset(numeric))


def read_table(
    reader: TableReader,
    lines: Iterable[TableLine],
    schema: TaskSchema,
    rules: Mapping[str, EmptyRule] = NO_RULES,
    *,
    skip_invalid: bool = False,
) -> Table | InvalidTable:
    """Reads and checks every line.

    Args:
        reader: The table.
        lines: Its lines.
        schema: The task's schema.
        rules: Feature → what an empty cell becomes; without a rule such a cell is wrong.
        skip_invalid: Whether lines that are wrong are left out; else one makes the whole table wrong.

    Raises:
        DataError: What follows in the file cannot be read at all.
    """
    problems = list(_check_header(reader.header_line, reader.header, schema))
    if problems:
        return InvalidTable(tuple(problems[:MOST_PROBLEMS]), len(problems), 1)
    checked = _CheckedLines(reader, schema, rules)
    for line in lines:
        checked.add(line)
    return checked.table() if skip_invalid or not checked.count else checked.invalid_table()


def render_skipped(table: Table) -> str:
    """The lines that were left out as CSV text, each with its number and the reason."""
    text, dialect = io.StringIO(), table.dialect
    writer = csv.writer(text, lineterminator="\n", delimiter=dialect.separator)
    writer.writerow([*_added_names(table, ("line", "reason")), *map(escape_formula, table.header)])
    for line in table.skipped:
        cells = [escape_formula(cell, comma=dialect.comma) for cell in line.cells]
        writer.writerow([line.number, escape_formula(line.reason), *cells])
    return text.getvalue()


def render_csv(table: Table, added: Sequence[str], answers: Iterable[Sequence[str]]) -> str:
    """The table as CSV text, with columns added to it.

    Args:
        table: The table.
        added: Names of the added columns; a name that the table has already gets the prefix `concord_`.
        answers: The cells of the added columns, line by line.
    """
    text, comma = io.StringIO(), table.dialect.comma
    writer = csv.writer(text, lineterminator="\n", delimiter=table.dialect.separator)
    header = [escape_formula(name) for name in table.header]
    writer.writerow([*header, *_added_names(table, added)])
    for cells, answer in zip(table.cells, answers, strict=True):
        writer.writerow([escape_formula(cell, comma=comma) for cell in (*cells, *answer)])
    return text.getvalue()


def _added_names(table: Table, names: Iterable[str]) -> list[str]:
    header = frozenset(table.header)
    return [f"concord_{name}" if name in header else name for name in names]


def _check_header(line: int, header: Sequence[str], schema: TaskSchema) -> Iterator[Problem]:
    counts = Counter(name for name in header if name)
    for name in (name for name, times in counts.items() if times > 1):
        yield Problem("repeated", line, name, name, "", f"column {name!r} is there twice.")
    unknown = [name for name in header if name and name not in schema.names]
    listed = ", ".join(header[:MOST_NAMED]) + (", …" if len(header) > MOST_NAMED else "")
    missing = (feature for feature in schema.features if feature.name not in counts)
    for number, feature in enumerate(missing):
        meant = nearest(feature.name, unknown) if number < MOST_SUGGESTIONS else ""
        hint = f"Is it {meant!r}?" if meant else f"It has {listed}."
        message = f"column {feature.name!r} is missing. {hint}"
        yield Problem("missing", line, feature.name, "", meant, message)


class _CheckedLines:
    """The rows of the lines that are right, and what is wrong with the others."""

    def __init__(self, reader: TableReader, schema: TaskSchema, rules: Mapping[str, EmptyRule]) -> None:
        self._reader, self._schema, self._rules = reader, schema, rules
        self._columns = [(feature, reader.header.index(feature.name)) for feature in schema.features]
        self._rows: list[Row] = []
        self._valid: list[TableLine] = []
        self._skipped: list[SkippedLine] = []
        self._problems: list[Problem] = []
        self._filled: Counter[str] = Counter()
        self.count = 0

    def add(self, line: TableLine) -> None:
        """Checks a line."""
        row, errors, filled = self._read(line)
        if not errors:
            self._rows.append(row)
            self._valid.append(line)
            self._filled.update(filled)
            return
        self.count += len(errors)
        # Suggestions take time, so they are made for the problems that are kept only.
        kept = errors[: MOST_PROBLEMS - len(self._problems)]
        described = [_describe(line, error, len(self._reader.header)) for error in kept]
        self._problems += described
        reason = described[0].message if described else _name_briefly(line, errors[0])
        self._skipped.append(SkippedLine(line.number, reason, tuple(line.cells)))

    def table(self) -> Table:
        """The lines that are right."""
        header = self._reader.header
        return Table(
            header,
            tuple(line.number for line in self._valid),
            tuple(tuple(line.cells) for line in self._valid),
            tuple(self._rows),
            tuple(name for name in header if name not in self._schema.names),
            self._reader.dialect,
            dict(self._filled),
            tuple(self._skipped),
        )

    def invalid_table(self) -> InvalidTable:
        """The lines that are wrong."""
        return InvalidTable(tuple(self._problems), self.count, len(self._skipped))

    def _read(self, line: TableLine) -> tuple[Row, list[InvalidValue | None], list[str]]:
        """The row of a line, what is wrong with it (None: the line itself), and which cells were filled."""
        if line.fault is not None:
            return {}, [None], []
        row: dict[str, float | str] = {}
        errors: list[InvalidValue | None] = []
        filled: list[str] = []
        for feature, index in self._columns:
            value = check_value(feature, line.cells[index], self._reader.dialect)
            rule = self._rules.get(feature.name)
            if rule is not None and rule.applies(line.cells[index], value, self._reader.dialect):
                value = rule.read(feature, line.cells[index])
                filled.append(feature.name)
            if isinstance(value, InvalidValue):
                errors.append(value)
            else:
                row[feature.name] = value
        return row, errors, filled


def _name_briefly(line: TableLine, error: InvalidValue | None) -> str:
    if error is None:
        return line.fault or ""
    return f"{error.feature.name} does not admit {error.text[:40]!r}."


def _describe(line: TableLine, error: InvalidValue | None, width: int) -> Problem:
    if error is not None:
        return Problem(error.kind, line.number, error.feature.name, error.text, error.meant, error.message)
    if line.is_ragged:
        return Problem("cells", line.number, None, str(len(line.cells)), str(width), line.fault or "")
    return Problem("csv", line.number, None, "", "", line.fault or "")
