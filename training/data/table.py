"""A table of texts with the line of each of its rows: a file that is read whole, or a generator's columns.

Cells are not interpreted here; `cleaning` does that. A file with one line that is no row is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from concord.errors import DataError
from training.data.csv_reader import CsvLine, RowFile
from training.task import Columns


@dataclass(frozen=True)
class TextTable:
    """Cells as texts, with the line of each row in its file.

    Attributes:
        name: File name or `generator`, for messages.
        columns: Column → cells.
        lines: Line numbers of the rows, from 1; the header is line 1.
        source: Where it is, in full.
    """

    name: str
    columns: dict[str, list[str]]
    lines: list[int]
    source: str = "generator"

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns)

    def __iter__(self) -> Iterator[CsvLine]:
        """The rows with their lines."""
        for number, cells in zip(self.lines, zip(*self.columns.values(), strict=True), strict=True):
            yield CsvLine(number, list(cells))


def tabulate(columns: Columns, name: str = "generator", source: str = "generator") -> TextTable:
    """A generator's columns as the texts that a file would hold."""
    cells = {column: [str(cell) for cell in values] for column, values in columns.items()}
    length = len(next(iter(cells.values())))
    return TextTable(name, cells, list(range(2, length + 2)), source)


def read_csv(path: Path) -> TextTable:
    """Reads a CSV file with a header, in UTF-8 and with commas, or a gzip of one.

    Raises:
        DataError: Not there, not UTF-8, empty, ragged, or a header that repeats a column.
    """
    with RowFile(path) as file:
        lines = list(valid_lines(file))
        cells = {name: [line.cells[place] for line in lines] for place, name in enumerate(file.header)}
    return TextTable(path.name, cells, [line.number for line in lines], str(path.absolute()))


def valid_lines(file: RowFile) -> Iterator[CsvLine]:
    """The lines of a file.

    Raises:
        DataError: One of them is no row.
    """
    for line in file:
        if line.fault is not None:
            raise DataError(f"{file.name}, line {line.number}: {line.fault}")
        yield line
