"""Columns of a CSV file for comparison with a training profile, in chunks, of any size.

What drift is about is accepted: an empty cell, an unknown choice and a number out of range. A text where a
number belongs is an error.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from concord.cli.files.csv_file import check_width, find_column, open_csv
from concord.errors import InvalidInput
from concord.tasks.numbers import NUMBER
from concord.tasks.profile import Column

if TYPE_CHECKING:
    import _csv

ROWS: Final = 10_000
"""Rows in a chunk: some MB of texts."""

NOTHING: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})
"""Texts of an empty cell, as spreadsheets, pandas and databases write them."""

Cell = float | str | None


def read_chunks(path: Path, features: Sequence[Column], target: Column | None) -> Iterator[list[list[Cell]]]:
    """Yields the cells of each column, many rows at a time; the target's last, if the file has it.

    Raises:
        InvalidInput: Names the file, the line, the column and the remedy.
    """
    with open_csv(path, "--file") as file:
        reader = csv.reader(file, strict=True)
        header = [normalize("NFC", name.strip()) for name in next(reader, [])]
        hint = f" It has {', '.join(header)}." if header else " The file is empty."
        columns = [*features, *([target] if target and target.name in header else [])]
        indexes = [find_column(path, header, column.name, column.name, hint) for column in columns]
        while lines := list(islice(_read_lines(path, reader, len(header)), ROWS)):
            yield [
                [_read_cell(path, column, number, cells[index]) for number, cells in lines]
                for column, index in zip(columns, indexes, strict=True)
            ]


def _read_lines(path: Path, reader: "_csv.Reader", width: int) -> Iterator[tuple[int, list[str]]]:
    for cells in reader:
        if cells:
            check_width(cells, width, "--file", f"{path}, line {reader.line_num}: ")
            yield reader.line_num, cells


def _read_cell(path: Path, column: Column, line: int, text: str) -> Cell:
    text = text.strip()
    if text in NOTHING:
        return None
    if column.choices:
        return normalize("NFC", text)
    if NUMBER.fullmatch(text):
        return float(text)
    raise InvalidInput(
        f"{path}, line {line}: {column.name} must be a number, not {text[:40]!r}.", field=column.name
    )
