"""Columns of a table for comparison with a training profile, in chunks, of any size.

What drift is about is accepted: an empty cell, an unknown choice and a number out of range. A text where a
number belongs is an error.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final
from unicodedata import normalize

from concord.cli.files.csv_file import find_column, open_table
from concord.errors import InvalidInput
from concord.tasks.cells import is_empty
from concord.tasks.csv_dialect import CsvDialect, ExpectedColumns
from concord.tasks.numbers import NumberFault, read_number
from concord.tasks.profile import Column
from concord.tasks.table_reader import TableLine

ROWS: Final = 10_000
"""Rows in a chunk: some MB of texts."""

Cell = float | str | None


def read_chunks(path: Path, features: Sequence[Column], target: Column | None) -> Iterator[list[list[Cell]]]:
    """Yields the cells of each column, many rows at a time; the target's last, if the file has it.

    Raises:
        InvalidInput: Names the file, the line, the column and the remedy.
    """
    every = [*features, *([target] if target else [])]
    numeric = frozenset(column.name for column in every if not column.choices)
    expected = ExpectedColumns(frozenset(column.name for column in every), numeric)
    with open_table(path, "--file", expected) as table:
        hint = f" It has {', '.join(table.header)}."
        columns = [*features, *([target] if target and target.name in table.header else [])]
        indexes = [find_column(path, table, column.name, column.name, hint) for column in columns]
        rows = table.valid_lines()
        while lines := list(islice(rows, ROWS)):
            yield [
                [_read_cell(path, line, column, line.cells[index], table.dialect) for line in lines]
                for column, index in zip(columns, indexes, strict=True)
            ]


def _read_cell(path: Path, line: TableLine, column: Column, text: str, dialect: CsvDialect) -> Cell:
    text = normalize("NFC", text.strip())
    if column.choices:
        return column.read_text(text)
    if is_empty(text):
        return None
    number = read_number(text, dialect)
    if isinstance(number, NumberFault):
        message = f"{column.name} must be a number, not {text[:40]!r}. {number.remedy}".rstrip()
        raise InvalidInput(f"{path}, line {line.number}: {message}", field=column.name)
    return number
