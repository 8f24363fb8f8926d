"""Recognises the form of a CSV file: the sign between its cells, and the one before its decimals.

The header tells the first, since it names columns that are expected. A file with commas between its cells has
decimal points. In others the numbers tell: `1,5` is a decimal comma and `2.25` a decimal point, but
`26.648` may be 26648. A file that has only such numbers is ambiguous, and nothing is guessed of it.
"""

import csv
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final
from unicodedata import normalize

SEPARATORS: Final = (",", ";", "\t", "|")

SEPARATOR_LINE: Final = re.compile(r'"?sep=(?P<sign>[,;\t|])"?\s*', re.IGNORECASE)
"""The first line that tells spreadsheets the separator."""

THOUSANDS: Final = re.compile(
    r"[-+]?[1-9]\d{0,2}(?P<sign>[.,'’ \u00a0\u202f])\d{3}(?:(?P=sign)\d{3})*(?:(?!(?P=sign))[.,]\d+)?",
    re.ASCII,
)
"""A number that may have signs between its thousands."""

_DECIMALS: Final = re.compile(r"[-+]?[\d.,]*(?P<sign>[.,])\d+(?:[eE][-+]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """The form of a CSV file.

    Attributes:
        separator: The sign between its cells.
        comma: Whether decimals follow a comma.
        is_ambiguous: Whether that cannot be known, since each of its signs may stand between thousands.
    """

    separator: str = ","
    comma: bool = False
    is_ambiguous: bool = False


COMMA_SEPARATED: Final = CsvDialect()


@dataclass(frozen=True, slots=True)
class ExpectedColumns:
    """What is known of a table before it is read.

    Attributes:
        names: Columns that it should have.
        numeric: Those of them that hold numbers.
    """

    names: frozenset[str] = frozenset()
    numeric: frozenset[str] = frozenset()


NOTHING_EXPECTED: Final = ExpectedColumns()


def read_header(cells: Iterable[str]) -> tuple[str, ...]:
    """The names of a header's columns, in the schemas' Unicode normal form (NFC)."""
    return tuple(normalize("NFC", name.strip()) for name in cells)


def find_separator(header: str, expected: Collection[str]) -> str:
    """The separator with which a header names most of the expected columns, else most columns."""

    def count(sign: str) -> tuple[int, int]:
        try:
            names = read_header(next(csv.reader([header], delimiter=sign), []))
        except csv.Error:
            return 0, 0
        return len(set(names) & set(expected)), len(names)

    return max(SEPARATORS, key=count)


class DecimalEvidence:
    """Collects what a file's numbers tell about its decimals."""

    def __init__(self) -> None:
        self._decimals: set[str] = set()
        self._doubtful: set[str] = set()

    def add(self, cell: str) -> None:
        """Looks at a cell of a column of numbers."""
        text = cell.strip()
        decimals = _DECIMALS.fullmatch(text)
        if decimals is None:
            return
        grouped = THOUSANDS.fullmatch(text)
        if grouped is None or grouped["sign"] != decimals["sign"]:
            self._decimals.add(decimals["sign"])
        elif text.count(grouped["sign"]) == 1:
            self._doubtful.add(grouped["sign"])
        else:
            # 1.234.567: what stands there twice stands between thousands.
            self._decimals.add("." if grouped["sign"] == "," else ",")

    @property
    def is_settled(self) -> bool:
        """Whether no other cell can change the decision."""
        return "." in self._decimals

    def decide(self, dialect: CsvDialect) -> CsvDialect:
        """The dialect, with its decimals."""
        if self._decimals:
            return replace(dialect, comma=self._decimals == {","})
        return replace(dialect, is_ambiguous=bool(self._doubtful))
