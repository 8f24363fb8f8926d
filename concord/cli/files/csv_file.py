"""Tables that commands read, with errors that name the option."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from concord.errors import DataError, InvalidInput
from concord.tasks.csv_dialect import ExpectedColumns
from concord.tasks.table_reader import TableReader


@contextmanager
def open_table(path: Path, field: str, expected: ExpectedColumns) -> Iterator[TableReader]:
    """Opens a table; reading it belongs inside the block.

    Args:
        path: The file.
        field: The option or argument that names the file.
        expected: Columns that it should have.

    Raises:
        InvalidInput: It cannot be read.
    """
    try:
        with TableReader.open(path, expected) as reader:
            yield reader
    except DataError as error:
        raise InvalidInput(error.message, field=error.field or field) from error


def find_column(path: Path, table: TableReader, name: str, field: str, hint: str) -> int:
    """Finds the position of a column that the header must name once.

    Args:
        path: The file, for the message.
        table: The table.
        name: The column.
        field: The option or column that the error names.
        hint: What follows the fault in the message, such as a remedy.

    Raises:
        InvalidInput: It is missing, or there twice.
    """
    if table.header.count(name) != 1:
        fault = "is there twice" if name in table.header else "is missing"
        where = f"{path}, line {table.header_line}"
        raise InvalidInput(f"{where}: column {name!r} {fault}.{hint}", field=field)
    return table.header.index(name)
