"""Rows of a CSV file for comparison with a profile: in chunks, of any size, with whatever cells there are.

Nothing is sent anywhere, and nothing refused that drift is about: an empty cell, a choice never heard of
and a number out of range are what is looked for. A text where a number belongs is a mistake and an error.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from concord.errors import InvalidInput
from concord.tasks.profile import Column
from concord.tasks.values import NUMBER

if TYPE_CHECKING:
    import _csv

ROWS: Final = 10_000
"""Rows in a chunk: some MB of texts."""

NOTHING: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})
"""Texts of an empty cell, as spreadsheets, pandas and databases write them."""

Cells = list[list[float | str | None]]


def chunks(path: Path, columns: Sequence[Column], also: Column | None) -> Iterator[Cells]:
    """Yields the cells of each column, many rows at a time; of `also` only if the file has it.

    Raises:
        InvalidInput: Names the file, the line, the column and the remedy.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [normalize("NFC", name.strip()) for name in next(reader, [])]
            wanted = [*columns, *([also] if also and also.name in header else [])]
            places = [_place(path, header, column.name) for column in wanted]
            while lines := list(islice(_lines(path, reader, len(header)), ROWS)):
                yield [
                    [_cell(path, column, line, cells[place]) for line, cells in lines]
                    for column, place in zip(wanted, places, strict=True)
                ]
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field="--file") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8. Save it as CSV UTF-8.", field="--file") from error
    except csv.Error as error:
        raise InvalidInput(
            f"{path} is no CSV file: {error}. Save it as CSV with commas.", field="--file"
        ) from error


def _lines(path: Path, reader: "_csv.Reader", width: int) -> Iterator[tuple[int, list[str]]]:
    for cells in reader:
        if not cells:
            continue
        if len(cells) != width:
            raise InvalidInput(
                f"{path}, line {reader.line_num}: {len(cells)} cells where the header names {width} columns.",
                field="--file",
            )
        yield reader.line_num, cells


def _place(path: Path, header: Sequence[str], name: str) -> int:
    if header.count(name) != 1:
        how = "is there twice" if name in header else "is missing"
        has = f" It has {', '.join(header)}." if header else " The file is empty."
        raise InvalidInput(f"{path}, line 1: column {name!r} {how}.{has}", field=name)
    return header.index(name)


def _cell(path: Path, column: Column, line: int, text: str) -> float | str | None:
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
