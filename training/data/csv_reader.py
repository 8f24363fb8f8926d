"""Reads a CSV file, or a gzip of one, line by line, in the memory of one line.

What makes the whole file unreadable (another encoding, semicolons, a quote that never ends, a broken gzip)
is an error with its remedy. A line that alone is wrong is yielded with its fault, and the caller decides. A
gzip is recognised by its first bytes.
"""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self
from unicodedata import normalize

from concord.errors import DataError

GZIP: Final = b"\x1f\x8b"
WIDE: Final = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""First bytes of files that spreadsheets call Unicode text."""

LONGEST: Final = 1 << 20
"""Characters of a line; csv itself takes cells of 131,072. What is longer is no table."""


@dataclass(frozen=True, slots=True)
class CsvLine:
    """A row of the file.

    Attributes:
        number: Where it begins, as an editor counts, from 1; the header is line 1.
        cells: As many as the header has, unless there is a fault.
        fault: What is wrong with the line itself; None where nothing is.
    """

    number: int
    cells: list[str]
    fault: str | None = None


class RowFile:
    """A CSV file with a header, opened for one pass.

    Args:
        path: The file.

    Raises:
        DataError: Not there, a folder, empty, no UTF-8, semicolons, or a header that repeats a column.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        try:
            self._raw: BinaryIO = path.open("rb")
        except IsADirectoryError:
            raise DataError(f"{path} cannot be read: it is a folder. Name a file in it.") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
        try:
            self.size = path.stat().st_size
            first = self._raw.read(2)
            self._raw.seek(0)
            self.is_gzip = first == GZIP
            if first in WIDE:
                raise self._foreign(f"it is {WIDE[first]}")
            self._text = io.TextIOWrapper(self._bytes(), encoding="utf-8-sig", newline="")
            self._begun = 0
            self._reader = csv.reader(self._lines(), strict=True)
            self.header = self._header()
        except BaseException:
            self._raw.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()
        self._raw.close()

    @property
    def position(self) -> int:
        """Bytes of the file that were read, of `size`."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[CsvLine]:
        """The rows after the header; empty lines are none.

        Raises:
            DataError: What follows cannot be read at all.
        """
        width = len(self.header)
        while (line := self._next()) is not None:
            if line.fault is None and len(line.cells) != width:
                fault = (
                    f"{len(line.cells)} cells where the header names {width} columns. "
                    "Add the missing commas, or put quotes around a cell that contains one."
                )
                line = CsvLine(line.number, line.cells, fault)
            yield line

    def valid_lines(self) -> Iterator[CsvLine]:
        """The rows after the header.

        Raises:
            DataError: One of them is no row, or what follows cannot be read at all.
        """
        for line in self:
            if line.fault is not None:
                raise DataError(f"{self.name}, line {line.number}: {line.fault}")
            yield line

    def _bytes(self) -> BinaryIO | gzip.GzipFile:
        return gzip.GzipFile(fileobj=self._raw) if self.is_gzip else self._raw

    def _lines(self) -> Iterator[str]:
        read = self._text.readline
        while text := read(LONGEST):
            if len(text) == LONGEST and not text.endswith("\n"):
                raise DataError(
                    f"{self.name}, line {self._begun + 1}: more than {LONGEST:,} characters without an end. "
                    "This is no CSV file, or a quote in it is opened and never closed."
                )
            yield text

    def _next(self) -> CsvLine | None:
        """The next row that is not empty; None at the end."""
        while True:
            number = self._begun + 1
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                self._begun = self._reader.line_num
                reason = str(error)
                if "unexpected end" in reason or "field larger" in reason:
                    raise DataError(
                        f"{self.name} is no CSV file: a quote that is opened in line {number} is never "
                        "closed. Close it, or save the file again as CSV with commas."
                    ) from error
                return CsvLine(
                    number, [], f"no CSV: {reason}. Put quotes around the whole cell, and double those in it."
                )
            except UnicodeDecodeError as error:
                raise self._foreign(f"line {self._bad_line()}") from error
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DataError(f"{self.name} is a broken gzip: {error}. Make it anew.") from error
            except OSError as error:
                raise DataError(f"{self.path} cannot be read: {error.strerror}. Check the disk.") from error
            if cells is None:
                return None
            self._begun = self._reader.line_num
            if cells:
                return CsvLine(number, cells)

    def _header(self) -> list[str]:
        line = self._next()
        if line is None:
            raise DataError(f"{self.name} is empty. It needs a header line and one line per row.")
        if line.fault is not None:
            raise DataError(f"{self.name}, line {line.number}: {line.fault}")
        names = [normalize("NFC", column.strip()) for column in line.cells]
        if len(names) == 1 and ";" in names[0]:
            raise DataError(f"{self.name} separates its columns with semicolons. Save it as CSV with commas.")
        repeated = [column for column, times in Counter(names).items() if times > 1]
        if repeated:
            raise DataError(
                f"{self.name} has the column {repeated[0]!r} twice. Remove one.", field=repeated[0]
            )
        return names

    def _foreign(self, why: str) -> DataError:
        return DataError(f"{self.name} is not UTF-8 ({why}). Save it as CSV UTF-8.")

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
