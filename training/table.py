"""Reads a CSV file into columns of texts, with the line of each row as an editor counts it.

Nothing is interpreted here: a cell is a text until `data` has asked the task's schema about it.
Spreadsheets save many things as CSV, so each one that is not UTF-8 with commas and a header is an
error with its remedy, and never a table that is silently wrong.
"""

import csv
import gzip
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from unicodedata import normalize

from concord.errors import DataError
from training.task import Columns


@dataclass(frozen=True)
class Table:
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


def tabulate(columns: Columns, name: str = "generator", source: str = "generator") -> Table:
    """A generator's columns as the texts that a file would hold."""
    cells = {column: [str(cell) for cell in values] for column, values in columns.items()}
    length = len(next(iter(cells.values())))
    return Table(name, cells, list(range(2, length + 2)), source)


def load(path: Path) -> Table:
    """Reads a CSV file with a header, in UTF-8 and with commas.

    Raises:
        DataError: Not there, not UTF-8, empty, ragged, or a header that repeats a column.
    """
    try:
        with _opened(path) as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 ({_where(path, error)}). Save it as CSV UTF-8.") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is a broken gzip: {error}. Make it anew.") from error
    except csv.Error as error:
        raise DataError(f"{path.name} is no CSV file: {error}. Save it again as CSV with commas.") from error
    if not lines:
        raise DataError(f"{path.name} is empty. It needs a header line and one line per row.")
    header = _header(path.name, lines[0][1])
    for line, row in lines[1:]:
        if len(row) != len(header):
            raise DataError(
                f"{path.name}, line {line}: {len(row)} cells where the header names {len(header)} columns. "
                "Add the missing commas, or put quotes around a cell that contains one."
            )
    cells = {name: [row[place] for _, row in lines[1:]] for place, name in enumerate(header)}
    return Table(path.name, cells, [line for line, _ in lines[1:]], str(path.absolute()))


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _header(name: str, header: list[str]) -> list[str]:
    names = [normalize("NFC", column.strip()) for column in header]
    if len(names) == 1 and ";" in names[0]:
        raise DataError(f"{name} separates its columns with semicolons. Save it as CSV with commas.")
    repeated = [column for column, times in Counter(names).items() if times > 1]
    if repeated:
        raise DataError(f"{name} has the column {repeated[0]!r} twice. Remove one.", field=repeated[0])
    return names


def _where(path: Path, error: UnicodeDecodeError) -> str:
    # The decoder works in chunks, so its own position is no place in the file.
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as whole:
        line = data.count(b"\n", 0, whole.start) + 1
        return f"line {line}"
    return error.reason
