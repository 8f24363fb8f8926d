"""Labels from a CSV file: every line is read and checked before anything is sent.

What a round's task is, only the service knows. So a cell is a class if some task has one of that
name, else a number; whether it fits its round is the service's to say.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unicodedata import normalize

from concord.cli.files.table_file import lines
from concord.errors import InvalidInput
from concord.tasks.values import NUMBER, WHOLE
from concord.util.suggest import did_you_mean

ID: Final = re.compile(r"[0-9a-f]{32}")
"""A round's id."""

FIELD: Final = "FILE"


@dataclass(frozen=True, slots=True)
class FileLabel:
    """One line: its number as an editor counts it, the round, and what was true of it."""

    line: int
    id: str
    label: str | float

    @property
    def document(self) -> dict[str, str | float]:
        """As the service takes it."""
        return {"id": self.id, "label": self.label}


def load(path: Path, id_column: str, label_column: str, classes: Collection[str]) -> tuple[FileLabel, ...]:
    """Reads and checks a file: UTF-8, commas, a header that names both columns.

    Args:
        path: The file.
        id_column: Name of the column with the rounds' ids.
        label_column: Name of the column with the labels.
        classes: The names of all tasks' classes; empty where not all are known.

    Raises:
        InvalidInput: Names the file, the line, and the remedy.
    """
    found = lines(path, FIELD)
    if not found:
        raise InvalidInput(f"{path} is empty. It needs a header and one line a label.", field=FIELD)
    header = [normalize("NFC", name.strip()) for name in found[0][1]]
    places = [
        _place(path, header, name, option)
        for name, option in ((id_column, "--id-column"), (label_column, "--label-column"))
    ]
    labels: list[FileLabel] = []
    faults: list[InvalidInput] = []
    seen: dict[str, FileLabel] = {}
    for number, cells in found[1:]:
        try:
            label = _line(number, cells, header, places, classes)
            _check_agrees(label, seen.setdefault(label.id, label))
            labels.append(label)
        except InvalidInput as error:
            faults.append(InvalidInput(f"{path}, line {number}: {error.message}", field=error.field))
    if faults:
        others = f" {len(faults) - 1} more lines are wrong." if faults[1:] else ""
        raise InvalidInput(f"{faults[0].message}{others} Nothing was sent.", field=faults[0].field)
    if not labels:
        raise InvalidInput(f"{path} has a header and no labels.", field=FIELD)
    return tuple(labels)


def read_label(text: str, classes: Collection[str]) -> str | float:
    """A typed label: a class's name, or a number.

    Raises:
        InvalidInput: It is empty, or neither.
    """
    text = normalize("NFC", text.strip())
    if not text:
        raise InvalidInput("the label is empty; leave out what is not known yet.", field="label")
    if text in classes:
        return text
    if WHOLE.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text):
        return float(text)
    if classes:
        hint = did_you_mean(text, sorted(classes)) or f" There are {', '.join(sorted(classes)[:20])}."
        raise InvalidInput(f"no task has a class {text[:40]!r}, and it is no number.{hint}", field="label")
    return text


def check_id(text: str) -> str:
    """A round's id as it was typed.

    Raises:
        InvalidInput: It is none.
    """
    found = text.strip()
    if ID.fullmatch(found) is None:
        raise InvalidInput(f"{found[:40]!r} is no round's id: 32 digits of 0-9 and a-f.", field="id")
    return found


def _place(path: Path, header: Sequence[str], name: str, option: str) -> int:
    name = normalize("NFC", name)
    if header.count(name) != 1:
        fault = "is there twice" if name in header else "is missing"
        hint = did_you_mean(name, header) if name not in header else ""
        raise InvalidInput(
            f"{path}, line 1: column {name!r} {fault}.{hint} {option} names another one; "
            f"there are {', '.join(header)}.",
            field=option,
        )
    return header.index(name)


def _line(
    number: int, cells: Sequence[str], header: Sequence[str], places: Sequence[int], classes: Collection[str]
) -> FileLabel:
    if len(cells) != len(header):
        raise InvalidInput(f"{len(cells)} cells where the header names {len(header)} columns.", field=FIELD)
    id_cell, label_cell = (cells[place] for place in places)
    return FileLabel(number, check_id(id_cell), read_label(label_cell, classes))


def _check_agrees(label: FileLabel, first: FileLabel) -> None:
    # A class may stand here by its name and there by its number; whether they agree, the service knows.
    if isinstance(label.label, str) == isinstance(first.label, str) and label.label != first.label:
        raise InvalidInput(
            f"line {first.line} labels the same round otherwise; a round has one label.", field="label"
        )
