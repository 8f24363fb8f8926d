"""Reads the rows of a CSV file by a task's schema, and writes answers beside them.

Every line is checked before any row is sent, and each problem is reported by line and column; command line
and page share this. Columns that the task does not have are kept and not sent. Cells that a spreadsheet would
execute as a formula are written with an apostrophe before them.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from concord.tasks.csv_dialect import COMMA_SEPARATED, CsvDialect, ExpectedColumns
from concord.tasks.schema import Feature, TaskSchema
from concord.tasks.table_reader import TableLine, TableReader
from concord.tasks.values import InvalidValue, InvalidValueKind, Row, check_value, escape_formula
from concord.util.suggest import nearest

ProblemKind = InvalidValueKind | Literal["missing", "repeated", "cells", "csv"]

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
    """

    header: tuple[str, ...]
    lines: tuple[int, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]
    unsent: tuple[str, ...]
    dialect: CsvDialect = COMMA_SEPARATED


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


def read_table(reader: TableReader, lines: Iterable[TableLine], schema: TaskSchema) -> Table | InvalidTable:
    """Reads and checks every line.

    Args:
        reader: The table.
        lines: Its lines.
        schema: The task's schema.

    Raises:
        DataError: What follows in the file cannot be read at all.
    """
    problems = list(_check_header(reader.header_line, reader.header, schema))
    if problems:
        return InvalidTable(tuple(problems[:MOST_PROBLEMS]), len(problems), 1)
    columns = [(feature, reader.header.index(feature.name)) for feature in schema.features]
    rows, valid, count, invalid_lines = list[Row](), list[TableLine](), 0, 0
    for line in lines:
        row, errors = _read_line(line, columns, reader.dialect)
        rows.append(row)
        valid.append(line)
        count, invalid_lines = count + len(errors), invalid_lines + bool(errors)
        # Suggestions take time, so they are made for the problems that are kept only.
        kept = errors[: MOST_PROBLEMS - len(problems)]
        problems += [_describe(line, error, len(reader.header)) for error in kept]
    if count:
        return InvalidTable(tuple(problems), count, invalid_lines)
    return Table(
        reader.header,
        tuple(line.number for line in valid),
        tuple(tuple(line.cells) for line in valid),
        tuple(rows),
        tuple(name for name in reader.header if name not in schema.names),
        reader.dialect,
    )


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
    writer.writerow(header + [f"concord_{name}" if name in table.header else name for name in added])
    for cells, answer in zip(table.cells, answers, strict=True):
        writer.writerow([escape_formula(cell, comma=comma) for cell in (*cells, *answer)])
    return text.getvalue()


def _check_header(line: int, header: Sequence[str], schema: TaskSchema) -> Iterator[Problem]:
    counts = Counter(name for name in header if name)
    for name in (name for name, times in counts.items() if times > 1):
        yield Problem("repeated", line, name, name, "", f"column {name!r} is there twice.")
    unknown = [name for name in header if name not in schema.names]
    for feature in schema.features:
        if feature.name not in header:
            meant = nearest(feature.name, unknown)
            hint = f"Is it {meant!r}?" if meant else f"It has {', '.join(header)}."
            message = f"column {feature.name!r} is missing. {hint}"
            yield Problem("missing", line, feature.name, "", meant, message)


def _read_line(
    line: TableLine, columns: Sequence[tuple[Feature, int]], dialect: CsvDialect
) -> tuple[Row, list[InvalidValue | None]]:
    """The row of a line, and what is wrong with it; None: the line itself."""
    if line.fault is not None:
        return {}, [None]
    row: dict[str, float | str] = {}
    errors: list[InvalidValue | None] = []
    for feature, index in columns:
        value = check_value(feature, line.cells[index], dialect)
        if isinstance(value, InvalidValue):
            errors.append(value)
        else:
            row[feature.name] = value
    return row, errors


def _describe(line: TableLine, error: InvalidValue | None, width: int) -> Problem:
    if error is not None:
        return Problem(error.kind, line.number, error.feature.name, error.text, error.meant, error.message)
    if line.is_ragged:
        return Problem("cells", line.number, None, str(len(line.cells)), str(width), line.fault or "")
    return Problem("csv", line.number, None, "", "", line.fault or "")
