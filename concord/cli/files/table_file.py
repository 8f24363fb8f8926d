"""Rows from a CSV file, and the answers beside them into another.

Every line is read and checked before anything is sent, and the answers appear under their name
only when all of them are there. The answers' file is opened in spreadsheets: a text cell that one
would take for a formula is written with an apostrophe before it.
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from concord.cli.files.out_file import appearing, check_out
from concord.errors import Conflict, InvalidInput
from concord.tasks.csv_rows import InvalidTable, Line, Table, number_lines, read_table
from concord.tasks.csv_rows import render_csv as render_sheet
from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict

ADDED: Final = ("answer", "agreement", "status", "id")
"""Columns that the answers' file has beside the input's."""


def load(path: Path, schema: TaskSchema) -> Table:
    """Reads and checks a file: UTF-8, commas, a header that names the task's columns.

    Raises:
        InvalidInput: Names the file, the line as an editor counts it, the column and the remedy.
    """
    found = lines(path)
    if not found:
        raise InvalidInput(f"{path} is empty. It needs a header and one line a row.", field="--file")
    table = read_table(found, schema)
    if isinstance(table, InvalidTable):
        raise _refused(path, found[0][0], table)
    if not table.rows:
        raise InvalidInput(f"{path} has a header and no rows.", field="--file")
    return table


def render(table: Table, verdicts: Iterable[Verdict]) -> str:
    """The answers' file: the input's columns, then `ADDED`."""
    return render_sheet(table, ADDED, map(_answer, verdicts))


def check_target(source: Path, target: Path, *, force: bool) -> None:
    """Refuses a target that would overwrite something, before any work is done."""
    if target.exists() and source.exists() and target.samefile(source):
        raise Conflict(f"{target} is the file that is read; name another one for the answers.", field="--out")
    check_out(target, force=force)


def write(target: Path, text: str) -> None:
    """Writes the whole file or nothing: to a temporary one beside it, which then takes its name."""
    with appearing(target) as file:
        file.write(text.encode())


def lines(path: Path, field: str = "--file") -> list[Line]:
    """A CSV file's lines that are not empty: each one's number, as an editor counts it, and its cells.

    Raises:
        InvalidInput: It cannot be read as CSV in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(number_lines(file))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field=field) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8. Save it as CSV UTF-8.", field=field) from error
    except csv.Error as error:
        raise InvalidInput(
            f"{path} is no CSV file: {error}. Save it as CSV with commas.", field=field
        ) from error


def _refused(path: Path, header: int, faulty: InvalidTable) -> InvalidInput:
    """The first fault; of the lines below the header also how many more are wrong."""
    first = faulty.problems[0]
    others = f" {faulty.lines - 1} more lines are wrong." if faulty.lines > 1 else ""
    sent = "" if first.line == header else f"{others} Nothing was sent."
    return InvalidInput(f"{path}, line {first.line}: {first.message}{sent}", field=first.column or "--file")


def _answer(verdict: Verdict) -> tuple[str, ...]:
    answer = (
        verdict.label if verdict.label is not None else "" if verdict.value is None else repr(verdict.value)
    )
    agreement = "" if verdict.agreement is None else f"{verdict.agreement:.6f}"
    return answer, agreement, verdict.status, verdict.id
