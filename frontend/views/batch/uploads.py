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

UnreadableKind = Literal["empty", "encoding", "csv", "no_rows", "too_large", "too_many"]


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that cannot be read, or is too large; `count` is its bytes or rows."""

    kind: UnreadableKind
    count: int = 0


Upload = Table | InvalidTable | UnreadableFile
"""A file that was read: rows, rows with errors, or nothing readable."""


def read_upload(data: bytes, schema: TaskSchema) -> Upload:
    """Reads a file and checks its every line."""
    if len(data) > MOST_BYTES:
        return UnreadableFile("too_large", len(data))
    text = _text(data)
    if text is None:
        return UnreadableFile("encoding")
    separator = _separator(text, schema)
    try:
        lines = list(number_lines(io.StringIO(text, newline=""), separator))
    except csv.Error:
        return UnreadableFile("csv")
    rows = len(lines) - 1
    if not 1 <= rows <= MOST_ROWS:
        return UnreadableFile("too_many" if rows > MOST_ROWS else "empty" if rows < 0 else "no_rows", rows)
    return read_table(
        lines, schema, CsvDialect(separator, separator != "," and not _has_points(lines, schema))
    )


def write_template(schema: TaskSchema, dialect: CsvDialect) -> bytes:
    """A sheet with the task's columns and its example, for a spreadsheet to open."""
    cells = tuple(
        value if isinstance(value, str) else _written(value, dialect) for value in schema.example.values()
    )
    return encode_csv(render_csv(Table(tuple(schema.example), (2,), (cells,), ({},), (), dialect), (), [()]))


def encode_csv(text: str) -> bytes:
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
    """The separator with which the first line names most of the task's columns."""
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
    indices = [index for index, name in enumerate(header) if name in numeric]
    return any("." in cells[index] for _, cells in lines[1:] for index in indices if index < len(cells))


def _written(value: float, dialect: CsvDialect) -> str:
    text = f"{value:.15g}"
    return text.replace(".", ",") if dialect.comma else text
