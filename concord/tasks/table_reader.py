"""Reads a table from a CSV file, or a gzip of one, line by line, in the memory of one line.

Training, command line and page read every table here. The separator is recognised, and a first line `sep=`
too; blank lines and empty columns without a name are skipped. What makes the whole file unreadable (another
encoding, a spreadsheet, a quote that never ends, a broken gzip) is an error with its remedy. A line that
alone is wrong is yielded with its fault, and the caller decides. A gzip is recognised by its first bytes.
"""

import csv
import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, Self

from concord.errors import DataError
from concord.tasks.csv_dialect import (
    NOTHING_EXPECTED,
    SEPARATOR_LINE,
    CsvDialect,
    DecimalEvidence,
    ExpectedColumns,
    find_separator,
    read_header,
)

GZIP: Final = b"\x1f\x8b"

_FOREIGN: Final = {b"\xff\xfe": "it is UTF-16", b"\xfe\xff": "it is UTF-16"}
"""First bytes of files that spreadsheets call Unicode text."""

_SHEETS: Final = {b"PK\x03\x04": "a spreadsheet (.xlsx, .ods)", b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls)"}
"""First bytes of files that hold no text."""

MOST_COLUMNS: Final = 1000
"""Columns of a table, unless more are expected: what is wider is no table, and each column costs work."""

SPARE_COLUMNS: Final = 100
"""Columns beyond the expected ones that a wide table may have."""

LONGEST: Final = 1 << 20
"""Characters of a line; csv itself takes cells of 131,072. What is longer is no table."""

UnreadableKind = Literal["away", "empty", "encoding", "sheet", "csv", "wide"]


class UnreadableTable(DataError):
    """A file of which nothing can be read.

    Args:
        kind: What is wrong with it.
        message: In words, with the remedy.
    """

    def __init__(self, kind: UnreadableKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class TableLine:
    """A row of the file.

    Attributes:
        number: Where it begins, as an editor counts, from 1.
        cells: As many as the header has, unless there is a fault.
        fault: What is wrong with the line itself; None where nothing is.
        is_ragged: Whether it has more or fewer cells than the header.
    """

    number: int
    cells: list[str]
    fault: str | None = None
    is_ragged: bool = False


class TableReader:
    """A table, opened for one pass.

    Args:
        raw: The file's bytes; it can be rewound, and is closed with the table.
        name: The file's, for messages.
        expected: Columns that it should have: the separator and the decimals are found by them.

    Raises:
        UnreadableTable: Empty, no UTF-8, a spreadsheet, or with too many columns.
    """

    def __init__(self, raw: BinaryIO, name: str, expected: ExpectedColumns = NOTHING_EXPECTED) -> None:
        self._raw, self.name = raw, name
        self._text: io.TextIOWrapper | None = None
        try:
            self.size = raw.seek(0, io.SEEK_END)
            raw.seek(0)
            first = raw.read(4)
            self._most_columns = max(MOST_COLUMNS, len(expected.names) + SPARE_COLUMNS)
            self.is_gzip = first[:2] == GZIP
            self._refuse(first)
            self.dialect = self._find_dialect(expected)
            if self.dialect.separator != "," and expected.numeric:
                self._begin()
                self.dialect = self._find_decimals(expected)
            self._begin()
        except BaseException:
            raw.close()
            raise

    @classmethod
    def open(cls, path: Path, expected: ExpectedColumns = NOTHING_EXPECTED) -> Self:
        """The table of a file.

        Raises:
            DataError: Not there, a folder, or no table.
        """
        try:
            raw = path.open("rb")
        except IsADirectoryError:
            raise UnreadableTable(
                "away", f"{path} cannot be read: it is a folder. Name a file in it."
            ) from None
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}. Check the path."
            raise UnreadableTable("away", message) from error
        try:
            seekable = raw if raw.seekable() else _spooled(raw)
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}. Check the disk."
            raise UnreadableTable("away", message) from error
        return cls(seekable, path.name, expected)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._text is not None:
            self._text.close()
        self._raw.close()

    @property
    def position(self) -> int:
        """Bytes of the file that were read, of `size`."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[TableLine]:
        """The rows after the header; blank lines are none.

        Raises:
            DataError: What follows cannot be read at all.
        """
        with self._told():
            while (line := self._next()) is not None:
                yield line if line.fault is not None else self._fit(line)

    def valid_lines(self) -> Iterator[TableLine]:
        """The rows after the header.

        Raises:
            DataError: One of them is no row, or what follows cannot be read at all.
        """
        for line in self:
            if line.fault is not None:
                raise DataError(f"{self.name}, line {line.number}: {line.fault}")
            yield line

    def _fit(self, line: TableLine) -> TableLine:
        """A line without the cells of the columns without a name, if those are empty."""
        width, cells = len(self.header), line.cells
        if len(cells) == width:
            return line
        if width <= len(cells) <= width + self._unnamed and not any(cell.strip() for cell in cells[width:]):
            return TableLine(line.number, cells[:width])
        fault = (
            f"{len(cells)} cells where the header names {width} columns. "
            "Add the missing separators, or put quotes around a cell that contains one."
        )
        return TableLine(line.number, cells, fault, is_ragged=True)

    def _refuse(self, first: bytes) -> None:
        if first in _SHEETS:
            raise UnreadableTable(
                "sheet",
                f"{self.name} is {_SHEETS[first]}, and no CSV file. Open it and save it as CSV UTF-8.",
            )
        if first[:2] in _FOREIGN:
            raise self._foreign(_FOREIGN[first[:2]])

    def _rewind(self) -> None:
        if self._text is not None:
            # Else the file would be closed with it.
            self._text.detach()
        self._raw.seek(0)
        self._text = io.TextIOWrapper(self._bytes(), encoding="utf-8-sig", newline="")
        self._begun = 0

    def _find_dialect(self, expected: ExpectedColumns) -> CsvDialect:
        """The separator: what the first line says, or what fits the header."""
        self._rewind()
        with self._told():
            first = next((text for text in self._lines() if text.strip()), "")
        stated = SEPARATOR_LINE.fullmatch(first)
        self._is_stated = stated is not None
        return CsvDialect(stated["sign"] if stated else find_separator(first, expected.names))

    def _begin(self) -> None:
        """Reads up to the end of the header."""
        self._rewind()
        lines = self._lines()
        # Up to the line that states the separator.
        self._skipped = 0
        while self._is_stated:
            self._skipped += 1
            if next(lines).strip():
                break
        self._begun = self._skipped
        self._reader = csv.reader(lines, strict=True, delimiter=self.dialect.separator)
        with self._told():
            line = self._header()
        if len(line.cells) > self._most_columns:
            raise UnreadableTable(
                "wide",
                f"{self.name} has {len(line.cells):,} columns, and {self._most_columns:,} are admitted. "
                "Leave out those that the task does not need.",
            )
        names = read_header(line.cells)
        width = max(place + 1 for place, name in enumerate(names) if name)
        self.header_line, self.header, self._unnamed = line.number, names[:width], len(names) - width

    def _find_decimals(self, expected: ExpectedColumns) -> CsvDialect:
        places = [place for place, name in enumerate(self.header) if name in expected.numeric]
        evidence = DecimalEvidence()
        for line in self:
            for place in places:
                if place < len(line.cells):
                    evidence.add(line.cells[place])
            if evidence.is_settled:
                break
        return evidence.decide(self.dialect)

    def _bytes(self) -> BinaryIO | gzip.GzipFile:
        return gzip.GzipFile(fileobj=self._raw) if self.is_gzip else self._raw

    def _lines(self) -> Iterator[str]:
        assert self._text is not None, "it was rewound"
        while text := self._text.readline(LONGEST):
            if len(text) == LONGEST and not text.endswith("\n"):
                raise UnreadableTable(
                    "csv",
                    f"{self.name}, line {self._begun + 1}: more than {LONGEST:,} characters without an end. "
                    "This is no CSV file, or a quote in it is opened and never closed.",
                )
            if "\0" in text:
                raise self._foreign("it has zeros between its letters, as UTF-16 has")
            yield text

    def _next(self) -> TableLine | None:
        """The next row that is not blank; None at the end."""
        while True:
            number = self._begun + 1
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                self._begun = self._skipped + self._reader.line_num
                return self._no_csv(number, str(error))
            if cells is None:
                return None
            self._begun = self._skipped + self._reader.line_num
            if any(cell.strip() for cell in cells):
                return TableLine(number, cells)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Says in words why bytes cannot be read."""
        try:
            yield
        except UnicodeDecodeError as error:
            raise self._foreign(f"line {self._bad_line()}") from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableTable("csv", f"{self.name} is a broken gzip: {error}. Make it anew.") from error
        except OSError as error:
            message = f"{self.name} cannot be read: {error.strerror}. Check the disk."
            raise UnreadableTable("away", message) from error

    def _no_csv(self, number: int, reason: str) -> TableLine:
        if "unexpected end" in reason or "field larger" in reason:
            raise UnreadableTable(
                "csv",
                f"{self.name} is no CSV file: a quote that is opened in line {number} is never "
                "closed. Close it, or save the file again as CSV with commas.",
            )
        fault = f"no CSV: {reason}. Put quotes around the whole cell, and double those in it."
        return TableLine(number, [], fault)

    def _header(self) -> TableLine:
        line = self._next()
        if line is None:
            message = f"{self.name} is empty. It needs a header line and one line per row."
            raise UnreadableTable("empty", message)
        if line.fault is not None:
            raise UnreadableTable("csv", f"{self.name}, line {line.number}: {line.fault}")
        return line

    def _foreign(self, why: str) -> UnreadableTable:
        return UnreadableTable("encoding", f"{self.name} is not UTF-8 ({why}). Save it as CSV UTF-8.")

    def _bad_line(self) -> int:
        """The line of the first byte that is none: the decoder's own position is that in a chunk."""
        self._raw.seek(0)
        number = 1
        source = self._bytes()
        while block := source.readline(LONGEST):
            try:
                block.decode("utf-8")
            except UnicodeDecodeError:
                return number
            number += block.endswith(b"\n")
        return number


def _spooled(pipe: BinaryIO) -> BinaryIO:
    """What a pipe gives, in a temporary file: a table is read from its beginning more than once."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the table
    with pipe:
        shutil.copyfileobj(pipe, file)
    file.seek(0)
    return file
