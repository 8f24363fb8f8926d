"""The file of refused rows: the line, the reason, and the cells as they were.

It is opened in spreadsheets, so a cell that looks like a formula gets an apostrophe before it. Once its rows
are corrected it can be loaded as it is: the first two columns are ignored on reading.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

from concord.errors import DataError
from concord.tasks.csv_dialect import COMMA_SEPARATED, CsvDialect
from concord.tasks.values import escape_formula
from concord.util import private_files as private


def refused_path(source: Path) -> Path:
    """Where the refused rows of a file go by default: `rows.csv` → `rows.refused.csv`."""
    name = source.name
    for end in (".gz", ".csv"):
        name = name.removesuffix(end)
    return source.with_name(f"{name}.refused.csv")


class RefusedFile:
    """The file, made with the first row that goes into it.

    Args:
        path: Where; what an earlier load wrote there is replaced.
        header: The columns of the file that is loaded.
        dialect: Its form, which this file has too.
    """

    def __init__(self, path: Path, header: Sequence[str], dialect: CsvDialect = COMMA_SEPARATED) -> None:
        self.path, self._header, self._dialect = path, header, dialect
        self._file: IO[str] | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: int, reason: str, cells: Sequence[str]) -> None:
        """Writes a row.

        Raises:
            DataError: The file cannot be written.
        """
        try:
            if self._file is None:
                self._file = open(self.path, "w", encoding="utf-8", newline="", opener=private.opener)  # noqa: SIM115 - closed on exit
                self._writer = csv.writer(self._file, lineterminator="\n", delimiter=self._dialect.separator)
                self._writer.writerow(["line", "reason", *map(escape_formula, self._header)])
            self._writer.writerow([line, reason, *self._escaped(cells)])
        except OSError as error:
            raise DataError(
                f"The refused rows cannot be written to {self.path}: {error.strerror}. "
                "Say --refused FILE for another place.",
                field="--refused",
            ) from error

    def _escaped(self, cells: Sequence[str]) -> list[str]:
        return [escape_formula(cell, comma=self._dialect.comma) for cell in cells]

    def flush(self) -> None:
        """Brings what was written to the file."""
        if self._file is not None:
            self._file.flush()
