"""A person's CSV as it comes from their spreadsheet, read into lines and checked by a task's schema.

Spreadsheets write what their country is used to; `concord.tasks.csv_dialect` says how that is recognised.
Nothing here is sent anywhere.
"""

import io
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from concord.tasks.csv_dialect import CsvDialect
from concord.tasks.csv_rows import InvalidTable, Table, expected_columns, read_table, render_csv
from concord.tasks.schema import TaskSchema
from concord.tasks.table_reader import GZIP, TableReader, UnreadableTable

MOST_BYTES: Final = 10 << 20
"""Of a file: 10,000 rows of some hundred columns, and little beside what a browser's page takes anyway."""

MOST_ROWS: Final = 10_000
"""In a file: some minutes of asking. `concord predict --file` asks more."""

EXTENSIONS: Final = ("csv", "txt", "tsv")

UploadFault = Literal["empty", "encoding", "sheet", "csv", "no_rows", "too_large", "too_many", "wide"]


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that cannot be read, or is too large; `count` is its bytes."""

    kind: UploadFault
    count: int = 0


Upload = Table | InvalidTable | UnreadableFile
"""A file that was read: rows, rows with errors, or nothing readable."""


def read_upload(data: bytes, schema: TaskSchema) -> Upload:
    """Reads a file and checks its every line."""
    if len(data) > MOST_BYTES:
        return UnreadableFile("too_large", len(data))
    if data.startswith(GZIP):
        return UnreadableFile("encoding")
    try:
        with TableReader(io.BytesIO(data), "", expected_columns(schema)) as reader:
            lines = list(islice(reader, MOST_ROWS + 1))
            if not 1 <= len(lines) <= MOST_ROWS:
                return UnreadableFile("too_many" if lines else "no_rows")
            return read_table(reader, lines, schema)
    except UnreadableTable as error:
        return UnreadableFile("csv" if error.kind == "away" else error.kind)


def write_template(schema: TaskSchema, dialect: CsvDialect) -> bytes:
    """A sheet with the task's columns and its example, for a spreadsheet to open."""
    cells = tuple(
        value if isinstance(value, str) else _written(value, dialect) for value in schema.example.values()
    )
    return encode_csv(render_csv(Table(tuple(schema.example), (2,), (cells,), ({},), (), dialect), (), [()]))


def encode_csv(text: str) -> bytes:
    """A sheet's bytes, with the mark by which spreadsheets know UTF-8."""
    return text.encode("utf-8-sig")


def _written(value: float, dialect: CsvDialect) -> str:
    text = f"{value:.15g}"
    return text.replace(".", ",") if dialect.comma else text
