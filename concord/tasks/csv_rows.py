"""Reads the rows of a CSV file by a task's schema, and writes answers beside them.

Every line is checked before any row is sent, and each problem is reported by line and column; command line
and page share this. Columns that the task does not have are kept and not sent. Cells that a spreadsheet would
execute as a formula are written with an apostrophe before them.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from unicodedata import normalize

from concord.tasks.schema import Feature, TaskSchema
from concord.tasks.values import InvalidValue, InvalidValueKind, Row, check_value, escape_formula
from concord.util.suggest import nearest

Line = tuple[int, list[str]]
"""A line's number, as an editor counts lines, and its cells."""

ProblemKind = InvalidValueKind | Literal["missing", "repeated", "cells"]

MOST_PROBLEMS: Final = 100
"""Problems that are kept to be shown; the count includes all."""


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """The form of a CSV file: the separator of its cells, and whether its decimal separator is a comma."""

    separator: str = ","
    comma: bool = False


COMMA_SEPARATED: Final = CsvDialect()


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a CSV file.

    Attributes:
        kind: Of a cell a kind of `concord.tasks.values`; of a column `missing` or `repeated`; of a line that
            has more or fewer cells than the header `cells`.
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


class _WrongWidth(NamedTuple):
    """The number of a line's cells, where the header has another number of columns."""

    cells: int
    columns: int


def number_lines(text: Iterable[str], separator: str = ",") -> Iterator[Line]:
    """Numbers the lines of a CSV text; lines of empty cells, which spreadsheets write, are left out.

    Raises:
        csv.Error: It is no CSV.
    """
    reader, last = csv.reader(text, strict=True, delimiter=separator), 0
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield last + 1, cells
        last = reader.line_num


def read_header(cells: Sequence[str]) -> tuple[str, ...]:
    """The names of a header's columns, in the schemas' Unicode normal form (NFC)."""
    return tuple(normalize("NFC", name.strip()) for name in cells)


def read_table(
    lines: Sequence[Line], schema: TaskSchema, dialect: CsvDialect = COMMA_SEPARATED
) -> Table | InvalidTable:
    """Reads and checks every line.

    Args:
        lines: The header and the lines below it.
        schema: The task's schema.
        dialect: The form of the file.
    """
    (header_line, header_cells), *body = lines
    header = read_header(header_cells)
    problems = list(_check_header(header_line, header, schema))
    if problems:
        return InvalidTable(tuple(problems[:MOST_PROBLEMS]), len(problems), 1)
    columns = [(feature, header.index(feature.name)) for feature in schema.features]
    rows: list[Row] = []
    count = invalid_lines = 0
    for line, cells in body:
        row, errors = _read_line(cells, len(header), columns, comma=dialect.comma)
        rows.append(row)
        count, invalid_lines = count + len(errors), invalid_lines + bool(errors)
        # Suggestions take time, so they are made for the problems that are kept only.
        problems += [_describe(line, error) for error in errors[: MOST_PROBLEMS - len(problems)]]
    if count:
        return InvalidTable(tuple(problems), count, invalid_lines)
    return Table(
        header,
        tuple(line for line, _ in body),
        tuple(tuple(cells) for _, cells in body),
        tuple(rows),
        tuple(name for name in header if name not in schema.names),
        dialect,
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
    for name in dict.fromkeys(name for name in header if header.count(name) > 1):
        yield Problem("repeated", line, name, name, "", f"column {name!r} is there twice.")
    unknown = [name for name in header if name not in schema.names]
    for feature in schema.features:
        if feature.name not in header:
            meant = nearest(feature.name, unknown)
            hint = f"Is it {meant!r}?" if meant else f"It has {', '.join(header)}."
            message = f"column {feature.name!r} is missing. {hint}"
            yield Problem("missing", line, feature.name, "", meant, message)


def _read_line(
    cells: Sequence[str], width: int, columns: Sequence[tuple[Feature, int]], *, comma: bool
) -> tuple[Row, list[InvalidValue | _WrongWidth]]:
    """The row of a line, and what is wrong with it."""
    if len(cells) != width:
        return {}, [_WrongWidth(len(cells), width)]
    row: dict[str, float | str] = {}
    errors: list[InvalidValue | _WrongWidth] = []
    for feature, index in columns:
        value = check_value(feature, cells[index], comma=comma)
        if isinstance(value, InvalidValue):
            errors.append(value)
        else:
            row[feature.name] = value
    return row, errors


def _describe(line: int, error: InvalidValue | _WrongWidth) -> Problem:
    if isinstance(error, _WrongWidth):
        message = f"{error.cells} cells where the header names {error.columns} columns."
        return Problem("cells", line, None, str(error.cells), str(error.columns), message)
    return Problem(error.kind, line, error.feature.name, error.text, error.meant, error.message)
