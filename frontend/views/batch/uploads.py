"""A person's CSV as it comes from their spreadsheet, read into lines and checked by a task's schema.

Spreadsheets write what their country is used to: commas, semicolons or tabs between cells, a mark before
the first, decimals after a comma. The header tells which sign separates, since it names the task's
columns. Decimals after a comma are read only where cells are not separated by commas and no number has a
point, so that `1,234` is never taken for another number than it was. Nothing here is sent anywhere.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from concord.tasks.csv_rows import (
    CsvDialect,
    InvalidTable,
    Line,
    Table,
    number_lines,
    read_header,
    read_table,
    render_csv,
)
from concord.tasks.schema import TaskSchema

MOST_BYTES: Final = 10 << 20
"""Of a file: 10,000 rows of some hundred columns, and little beside what a browser's page takes anyway."""

MOST_ROWS: Final = 10_000
"""In a file: some minutes of asking. `concord predict --file` asks more."""

EXTENSIONS: Final = ("csv", "txt", "tsv")

_SEPARATORS: Final = (",", ";", "\t")

NoSheetKind = Literal["empty", "encoding", "csv", "no_rows", "too_large", "too_many"]


@dataclass(frozen=True, slots=True)
class NoSheet:
    """A file that is no sheet, or too much of one; `count` is what there is too much of."""

    kind: NoSheetKind
    count: int = 0


Upload = Table | InvalidTable | NoSheet
"""What a file turned out to be."""


def take(data: bytes, schema: TaskSchema) -> Upload:
    """Reads a file and checks its every line."""
    if len(data) > MOST_BYTES:
        return NoSheet("too_large", len(data))
    text = _text(data)
    if text is None:
        return NoSheet("encoding")
    separator = _separator(text, schema)
    try:
        lines = list(number_lines(io.StringIO(text, newline=""), separator))
    except csv.Error:
        return NoSheet("csv")
    rows = len(lines) - 1
    if not 1 <= rows <= MOST_ROWS:
        return NoSheet("too_many" if rows > MOST_ROWS else "empty" if rows < 0 else "no_rows", rows)
    return read_table(
        lines, schema, CsvDialect(separator, separator != "," and not _has_points(lines, schema))
    )


def template(schema: TaskSchema, dialect: CsvDialect) -> bytes:
    """A sheet with the task's columns and its example, for a spreadsheet to open."""
    cells = tuple(
        value if isinstance(value, str) else _written(value, dialect) for value in schema.example.values()
    )
    return encoded(render_csv(Table(tuple(schema.example), (2,), (cells,), ({},), (), dialect), (), [()]))


def encoded(text: str) -> bytes:
    """A sheet's bytes, with the mark by which spreadsheets know UTF-8."""
    return text.encode("utf-8-sig")


def _text(data: bytes) -> str | None:
    """The file's text; None where it is no UTF-8, or only looks so: UTF-16 has a zero beside each letter."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _separator(text: str, schema: TaskSchema) -> str:
    """What separates the cells: by which the first line names most of the task's columns."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    return max(_SEPARATORS, key=lambda sign: len(schema.names.intersection(_header(first, sign))))


def _header(line: str, separator: str) -> tuple[str, ...]:
    try:
        return read_header(next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return ()


def _has_points(lines: Sequence[Line], schema: TaskSchema) -> bool:
    """Whether some number is written with a point."""
    header = read_header(lines[0][1])
    numeric = {feature.name for feature in schema.features if feature.kind != "choice"}
    places = [place for place, name in enumerate(header) if name in numeric]
    return any("." in cells[place] for _, cells in lines[1:] for place in places if place < len(cells))


def _written(value: float, dialect: CsvDialect) -> str:
    text = f"{value:.15g}"
    return text.replace(".", ",") if dialect.comma else text
