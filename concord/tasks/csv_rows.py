"""A CSV's rows as a task can be asked about them, every line checked before the first is sent.

The command line reads such a sheet from a file, the page gets one from a browser; both find the same
faults here, by line and column, and each says them in its own words. Columns that the task does not have
are kept and never sent. Answers go out beside the rows, into a text that spreadsheets open: what one would
take for a formula gets an apostrophe before it.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from unicodedata import normalize

from concord.tasks.schema import TaskSchema
from concord.tasks.values import Flaw, FlawKind, Row, check_value, safe
from concord.util.suggest import nearest

Line = tuple[int, list[str]]
"""A line's number, as an editor counts it, and its cells."""

ProblemKind = FlawKind | Literal["missing", "repeated", "cells"]

MOST_PROBLEMS: Final = 100
"""Problems that are kept to be shown; all are counted."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How a sheet is written: what stands between its cells, and whether decimals follow a comma."""

    separator: str = ","
    comma: bool = False


COMMAS: Final = Writing()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a sheet.

    Attributes:
        kind: Of a cell as `concord.tasks.values` has it; `missing` and `repeated` of a column; `cells`: a line
            has more or fewer than the header.
        line: As an editor counts it.
        column: The column; None of a line as a whole.
        text: What stands there; of `cells` how many.
        meant: What was probably meant; empty where nobody knows.
        message: A sentence that begins behind the line's number.
    """

    kind: ProblemKind
    line: int
    column: str | None
    text: str
    meant: str
    message: str


@dataclass(frozen=True)
class Table:
    """A sheet whose every line can be asked.

    Attributes:
        header: Its columns.
        lines: Its lines' numbers.
        cells: Its lines' cells as they stand there.
        rows: What is asked for each line.
        unsent: Columns that the task does not have; they are kept and not sent.
        writing: How it is written, and how its answers are.
    """

    header: tuple[str, ...]
    lines: tuple[int, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]
    unsent: tuple[str, ...]
    writing: Writing = COMMAS


@dataclass(frozen=True)
class Faulty:
    """What is wrong with a sheet of which nothing can be sent.

    Attributes:
        problems: The first of them.
        count: How many there are.
        lines: How many lines are wrong.
    """

    problems: tuple[Problem, ...]
    count: int
    lines: int


def numbered(text: Iterable[str], separator: str = ",") -> Iterator[Line]:
    """A CSV's lines that hold anything: spreadsheets leave lines of commas behind.

    Raises:
        csv.Error: It is no CSV.
    """
    reader, before = csv.reader(text, strict=True, delimiter=separator), 0
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield before + 1, cells
        before = reader.line_num


def names(cells: Sequence[str]) -> tuple[str, ...]:
    """A header's columns, in the normal form in which schemas have them."""
    return tuple(normalize("NFC", name.strip()) for name in cells)


def read(found: Sequence[Line], schema: TaskSchema, writing: Writing = COMMAS) -> Table | Faulty:
    """Checks every line.

    Args:
        found: The header and the lines below it.
        schema: Of the task.
        writing: How the sheet is written.
    """
    header = names(found[0][1])
    wrong = list(_wrong_columns(found[0][0], header, schema))
    if wrong:
        return Faulty(tuple(wrong[:MOST_PROBLEMS]), len(wrong), 1)
    places = [(feature, header.index(feature.name)) for feature in schema.features]
    rows: list[Row] = []
    problems: list[Problem] = []
    count = lines = 0
    for number, cells in found[1:]:
        if len(cells) != len(header):
            count, lines = count + 1, lines + 1
            if len(problems) < MOST_PROBLEMS:
                problems.append(_wrong_cells(number, len(cells), len(header)))
            continue
        row: Row = {}
        flaws = []
        for feature, place in places:
            value = check_value(feature, cells[place], comma=writing.comma)
            if isinstance(value, Flaw):
                flaws.append(value)
            else:
                row[feature.name] = value
        rows.append(row)
        count, lines = count + len(flaws), lines + bool(flaws)
        problems += [_wrong_cell(number, flaw) for flaw in flaws[: MOST_PROBLEMS - len(problems)]]
    if count:
        return Faulty(tuple(problems), count, lines)
    return Table(
        header,
        tuple(number for number, _ in found[1:]),
        tuple(tuple(cells) for _, cells in found[1:]),
        tuple(rows),
        tuple(name for name in header if name not in schema.names),
        writing,
    )


def render(table: Table, added: Sequence[str], answers: Iterable[Sequence[str]]) -> str:
    """The sheet with columns added to it.

    Args:
        table: The rows.
        added: Names of the columns; one that the sheet has itself gets `concord_` before it.
        answers: Their cells, line by line.
    """
    text, comma = io.StringIO(), table.writing.comma
    writer = csv.writer(text, lineterminator="\n", delimiter=table.writing.separator)
    taken = set(table.header)
    writer.writerow(
        [safe(name) for name in table.header] + [f"concord_{n}" if n in taken else n for n in added]
    )
    for cells, answer in zip(table.cells, answers, strict=True):
        writer.writerow([safe(cell, comma=comma) for cell in (*cells, *answer)])
    return text.getvalue()


def _wrong_columns(line: int, header: Sequence[str], schema: TaskSchema) -> Iterator[Problem]:
    for name in dict.fromkeys(name for name in header if header.count(name) > 1):
        yield Problem("repeated", line, name, name, "", f"column {name!r} is there twice.")
    extra = [name for name in header if name not in schema.names]
    for feature in schema.features:
        if feature.name not in header:
            meant = nearest(feature.name, extra)
            hint = f"Is it {meant!r}?" if meant else f"It has {', '.join(header)}."
            message = f"column {feature.name!r} is missing. {hint}"
            yield Problem("missing", line, feature.name, "", meant, message)


def _wrong_cells(line: int, count: int, width: int) -> Problem:
    message = f"{count} cells where the header names {width} columns."
    return Problem("cells", line, None, str(count), str(width), message)


def _wrong_cell(line: int, flaw: Flaw) -> Problem:
    return Problem(flaw.kind, line, flaw.feature.name, flaw.text, flaw.meant, flaw.message)
