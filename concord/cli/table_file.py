"""Rows from a CSV file, and the answers beside them into another.

Every line is read and checked before anything is sent, and the answers appear under their name
only when all of them are there. The answers' file is opened in spreadsheets: a text cell that one
would take for a formula is written with an apostrophe before it.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unicodedata import normalize

from concord.cli.out_file import appearing, check_out
from concord.cli.screen import near
from concord.cli.values import NUMBER, Row, read_value
from concord.errors import Conflict, InvalidInput
from concord.schema import TaskSchema
from concord.wire import Verdict

ADDED: Final = ("answer", "agreement", "status", "id")
"""Columns that the answers' file has beside the input's."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class TableFile:
    """A file whose every line can be asked.

    Attributes:
        header: Its columns.
        cells: Its lines' cells as they stand there.
        rows: What is asked for each line.
        unsent: Columns that the task does not have; they are kept and not sent.
    """

    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]
    unsent: tuple[str, ...]


def load(path: Path, schema: TaskSchema) -> TableFile:
    """Reads and checks a file: UTF-8, commas, a header that names the task's columns.

    Raises:
        InvalidInput: Names the file, the line as an editor counts it, the column and the remedy.
    """
    found = lines(path)
    if not found:
        raise InvalidInput(f"{path} is empty. It needs a header and one line a row.", field="--file")
    header = tuple(normalize("NFC", name.strip()) for name in found[0][1])
    _check_header(path, header, schema)
    places = {name: header.index(name) for name in (feature.name for feature in schema.features)}
    rows: list[Row] = []
    faults: list[InvalidInput] = []
    for number, cells in found[1:]:
        try:
            rows.append(_row(cells, header, places, schema))
        except InvalidInput as error:
            faults.append(InvalidInput(f"{path}, line {number}: {error.message}", field=error.field))
    if faults:
        others = f" {len(faults) - 1} more lines are wrong." if faults[1:] else ""
        raise InvalidInput(f"{faults[0].message}{others} Nothing was sent.", field=faults[0].field)
    if not rows:
        raise InvalidInput(f"{path} has a header and no rows.", field="--file")
    unsent = tuple(name for name in header if name not in schema.names)
    return TableFile(header, tuple(tuple(cells) for _, cells in found[1:]), tuple(rows), unsent)


def render(table: TableFile, verdicts: Iterable[Verdict]) -> str:
    """The answers' file: the input's columns, then `ADDED`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    taken = set(table.header)
    writer.writerow(
        [safe(name) for name in table.header] + [f"concord_{n}" if n in taken else n for n in ADDED]
    )
    for cells, verdict in zip(table.cells, verdicts, strict=True):
        writer.writerow([safe(cell) for cell in (*cells, *_answer(verdict))])
    return text.getvalue()


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay as they are."""
    if cell.startswith(_FORMULA) and not NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def check_target(source: Path, target: Path, *, force: bool) -> None:
    """Refuses a target that would overwrite something, before any work is done."""
    if target.exists() and source.exists() and target.samefile(source):
        raise Conflict(f"{target} is the file that is read; name another one for the answers.", field="--out")
    check_out(target, force=force)


def write(target: Path, text: str) -> None:
    """Writes the whole file or nothing: to a temporary one beside it, which then takes its name."""
    with appearing(target) as file:
        file.write(text.encode())


def lines(path: Path, field: str = "--file") -> list[tuple[int, list[str]]]:
    """A CSV file's lines that are not empty: each one's number, as an editor counts it, and its cells.

    Raises:
        InvalidInput: It cannot be read as CSV in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            found, before = [], 0
            for cells in reader:
                if cells:
                    found.append((before + 1, cells))
                before = reader.line_num
            return found
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field=field) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8. Save it as CSV UTF-8.", field=field) from error
    except csv.Error as error:
        raise InvalidInput(
            f"{path} is no CSV file: {error}. Save it as CSV with commas.", field=field
        ) from error


def _check_header(path: Path, header: Sequence[str], schema: TaskSchema) -> None:
    repeated = next((name for name in header if header.count(name) > 1), None)
    if repeated is not None:
        raise InvalidInput(f"{path}, line 1: column {repeated!r} is there twice.", field=repeated)
    extra = [name for name in header if name not in schema.names]
    for feature in schema.features:
        if feature.name not in header:
            hint = (
                near(feature.name, extra).replace("Did you mean", "Is it") or f" It has {', '.join(header)}."
            )
            raise InvalidInput(
                f"{path}, line 1: column {feature.name!r} is missing.{hint}", field=feature.name
            )


def _row(cells: Sequence[str], header: Sequence[str], places: dict[str, int], schema: TaskSchema) -> Row:
    if len(cells) != len(header):
        raise InvalidInput(
            f"{len(cells)} cells where the header names {len(header)} columns.", field="--file"
        )
    return {feature.name: read_value(feature, cells[places[feature.name]]) for feature in schema.features}


def _answer(verdict: Verdict) -> tuple[str, ...]:
    answer = (
        verdict.label if verdict.label is not None else "" if verdict.value is None else repr(verdict.value)
    )
    agreement = "" if verdict.agreement is None else f"{verdict.agreement:.6f}"
    return answer, agreement, verdict.status, verdict.id
