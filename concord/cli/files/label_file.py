"""Labels from a CSV file: every line is read and checked before anything is sent.

Only the service knows the task of a round. So a cell must be a class of some task or a number, and is sent
as its text; the service reads it by the task of its round.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unicodedata import normalize

from concord.cli.files.csv_file import find_column, open_table
from concord.errors import InvalidInput
from concord.tasks.cells import is_empty
from concord.tasks.csv_dialect import COMMA_SEPARATED, CsvDialect, ExpectedColumns
from concord.tasks.numbers import NUMBER, NumberFault, read_number
from concord.tasks.table_reader import TableReader
from concord.util.suggest import did_you_mean

ID: Final = re.compile(r"[0-9a-f]{32}")
"""A round's id."""

FIELD: Final = "FILE"


@dataclass(frozen=True, slots=True)
class FileLabel:
    """One line: its number as an editor counts it, the round's id, and its label as it stands there."""

    line: int
    id: str
    label: str

    @property
    def document(self) -> dict[str, str]:
        """What is sent: what looks like a number may be a class's name, its place, or a value."""
        return {"id": self.id, "text" if NUMBER.fullmatch(self.label) else "label": self.label}


def load(
    path: Path, id_column: str, label_column: str, classes: Collection[str] | None
) -> tuple[FileLabel, ...]:
    """Reads and checks a file whose header names both columns.

    Args:
        path: The file.
        id_column: Name of the column with the rounds' ids.
        label_column: Name of the column with the labels.
        classes: The names of all tasks' classes; None where not all are known.

    Raises:
        InvalidInput: Names the file, the line, and the remedy.
    """
    id_name, label_name = normalize("NFC", id_column), normalize("NFC", label_column)
    expected = ExpectedColumns(frozenset({id_name, label_name}), frozenset({label_name}))
    with open_table(path, FIELD, expected) as table:
        columns = (
            _find_column(path, table, id_name, "--id-column"),
            _find_column(path, table, label_name, "--label-column"),
        )
        labels, errors = _read_labels(path, table, columns, classes)
    if errors:
        others = f" {len(errors) - 1} more lines are wrong." if errors[1:] else ""
        raise InvalidInput(f"{errors[0].message}{others} Nothing was sent.", field=errors[0].field)
    if not labels:
        raise InvalidInput(f"{path} has a header and no labels.", field=FIELD)
    return tuple(labels)


def read_label(text: str, classes: Collection[str] | None, dialect: CsvDialect = COMMA_SEPARATED) -> str:
    """Checks a label: a class's name, or a number, which is returned with a decimal point.

    Args:
        text: As it was typed or stands in a cell.
        classes: The names of all tasks' classes; None where not all are known, so that any text may be one.
        dialect: How the text's file writes numbers.

    Raises:
        InvalidInput: It is empty, or neither.
    """
    text = normalize("NFC", text.strip())
    if not text or (classes is not None and is_empty(text, classes)):
        raise InvalidInput("the label is empty; leave out what is not known yet.", field="label")
    if classes is not None and text in classes:
        return text
    number = read_number(text, dialect)
    if not isinstance(number, NumberFault):
        return text.replace(",", ".") if dialect.comma else text
    if number.kind == "ambiguous":
        raise InvalidInput(f"{text[:40]!r} may be two numbers. {number.remedy}", field="label")
    if classes is None:
        return text
    if number.meant:
        raise InvalidInput(f"{text[:40]!r} is no number. {number.remedy}", field="label")
    names = sorted(classes)
    hint = did_you_mean(text, names) or (f" There are {', '.join(names[:20])}." if names else "")
    raise InvalidInput(f"no task has a class {text[:40]!r}, and it is no number.{hint}", field="label")


def read_id(text: str, field: str = "id") -> str:
    """Reads a typed round's id.

    Raises:
        InvalidInput: It is none.
    """
    id_ = text.strip()
    if ID.fullmatch(id_) is None:
        raise InvalidInput(f"{id_[:40]!r} is no round's id: 32 digits of 0-9 and a-f.", field=field)
    return id_


def _find_column(path: Path, table: TableReader, name: str, option: str) -> int:
    meant = did_you_mean(name, table.header) if name not in table.header else ""
    hint = f"{meant} {option} names another one; there are {', '.join(table.header)}."
    return find_column(path, table, name, option, hint)


def _read_labels(
    path: Path, table: TableReader, columns: tuple[int, int], classes: Collection[str] | None
) -> tuple[list[FileLabel], list[InvalidInput]]:
    """The labels of the lines that are right, and an error for each that is wrong."""
    labels: list[FileLabel] = []
    errors: list[InvalidInput] = []
    first_labels: dict[str, FileLabel] = {}
    for line in table:
        try:
            if line.fault is not None:
                raise InvalidInput(line.fault, field=FIELD)
            id_, text = (line.cells[column] for column in columns)
            label = FileLabel(line.number, read_id(id_), read_label(text, classes, table.dialect))
            _check_agrees(label, first_labels.setdefault(label.id, label))
            labels.append(label)
        except InvalidInput as error:
            errors.append(InvalidInput(f"{path}, line {line.number}: {error.message}", field=error.field))
    return labels, errors


def _comparable(text: str) -> str | float:
    return float(text) if NUMBER.fullmatch(text) else text


def _check_agrees(label: FileLabel, first: FileLabel) -> None:
    # One line may name a class and another its number; only the service knows whether they agree.
    one, other = _comparable(label.label), _comparable(first.label)
    if type(one) is type(other) and one != other:
        raise InvalidInput(
            f"line {first.line} labels the same round otherwise; a round has one label.", field="label"
        )
