"""CSV files that commands read: UTF-8, separated by commas, with a header."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from concord.errors import InvalidInput
from concord.tasks.csv_rows import Line, number_lines


@contextmanager
def open_csv(path: Path, field: str) -> Iterator[TextIO]:
    """Opens a CSV file; reading it as CSV belongs inside the block.

    Args:
        path: The file.
        field: The option or argument that names the file.

    Raises:
        InvalidInput: It cannot be read as CSV in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field=field) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8. Save it as CSV UTF-8.", field=field) from error
    except csv.Error as error:
        raise InvalidInput(
            f"{path} is no CSV file: {error}. Save it as CSV with commas.", field=field
        ) from error


def read_lines(path: Path, field: str) -> list[Line]:
    """Reads all lines that are not empty: each one's number, as an editor counts it, and its cells.

    Raises:
        InvalidInput: The file cannot be read as CSV in UTF-8.
    """
    with open_csv(path, field) as file:
        return list(number_lines(file))


def check_width(cells: Sequence[str], width: int, field: str, where: str = "") -> None:
    """Refuses a line that has more or fewer cells than the header.

    Raises:
        InvalidInput: Says how many there are.
    """
    if len(cells) != width:
        raise InvalidInput(f"{where}{len(cells)} cells where the header names {width} columns.", field=field)


def find_column(path: Path, header: Sequence[str], name: str, field: str, hint: str) -> int:
    """Finds the position of a column that the header must name once.

    Args:
        path: The file, for the message.
        header: Names of the columns.
        name: The column.
        field: The option or column that the error names.
        hint: What follows the fault in the message, such as a remedy.

    Raises:
        InvalidInput: It is missing, or there twice.
    """
    if header.count(name) != 1:
        fault = "is there twice" if name in header else "is missing"
        raise InvalidInput(f"{path}, line 1: column {name!r} {fault}.{hint}", field=field)
    return header.index(name)
