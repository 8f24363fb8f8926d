"""A label as its sender says it, and as the journal keeps it: an integer, by the schema of its task.

    {"id": …, "label": "virginica"}      a class by its name
    {"id": …, "label": 2}                or by its number
    {"id": …, "value": 12500.0}          the value of a regression, in its unit

The module refuses to guess: no text becomes a number, and a name must be a class's to the letter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from concord.errors import InvalidInput
from concord.tasks.schema import TaskSchema, Value

MOST_STEPS: Final = 2**53
"""A value in steps that a number of JSON can still tell from its neighbour."""


@dataclass(frozen=True, slots=True)
class SubmittedLabel:
    """A label as its sender gave it: the round, and what is said of it under which name."""

    id: str
    given: object
    name: str
    place: str

    @property
    def field(self) -> str:
        """Where the label stands, for an error."""
        return f"{self.place}.{self.name}"


def parse(item: object, place: str) -> SubmittedLabel:
    """Reads one element of a call's labels.

    Args:
        item: Any JSON value.
        place: Where it stands, for the error: `labels[3]`.

    Raises:
        InvalidInput: It is no label.
    """
    if not isinstance(item, Mapping):
        raise _invalid('A label is an object: {"id": …, "label": …} or {"id": …, "value": …}.', place)
    unknown = next((str(name)[:60] for name in item if name not in {"id", "label", "value"}), None)
    if unknown is not None:
        raise _invalid(
            f"Unknown field {unknown!r}; a label has 'id', and 'label' or 'value'.", f"{place}.{unknown}"
        )
    if not isinstance(item.get("id"), str):
        raise _invalid("'id' must be the text that came with the answer.", f"{place}.id")
    names = [name for name in ("label", "value") if name in item]
    if len(names) != 1:
        raise _invalid("Say one of 'label' (of a classification) and 'value' (of a regression).", place)
    return SubmittedLabel(item["id"], item[names[0]], names[0], place)


def read_label(schema: TaskSchema, said: SubmittedLabel) -> int:
    """What was true, as the journal keeps it: a class's number, or a value in steps of the resolution.

    Args:
        schema: The schema of the round's task.
        said: What its sender said.

    Raises:
        InvalidInput: No class of the task, or no value that can be counted.
    """
    given, field = said.given, said.field
    if schema.value is not None:
        return _steps(schema.value, given, field)
    if said.name == "value":
        raise _invalid(f"{schema.task} is a classification: say 'label', {_classes(schema)}.", field)
    if isinstance(given, str):
        for index, label in enumerate(schema.labels):
            if label.name == given:
                return index
    # To JSON 2.0 is the same number as 2; a boolean is none.
    elif (
        isinstance(given, int | float) and not isinstance(given, bool) and given in range(len(schema.labels))
    ):
        return int(given)
    raise _invalid(f"{schema.task} has no such class; a label is {_classes(schema)}.", field)


def said_label(schema: TaskSchema, label: int) -> str | float | None:
    """What the journal keeps, as it is said: a class's name, or a value in its unit.

    Args:
        schema: The schema of the round's task by now, which may be another than when it was answered.
        label: As `read_label` gave it.

    Returns:
        None: The schema has no such class any more.
    """
    if schema.value is not None:
        return schema.value.to_float(label)
    return schema.labels[label].name if 0 <= label < len(schema.labels) else None


def _steps(value: Value, given: object, field: str) -> int:
    if type(given) is not float and type(given) is not int:
        raise _invalid(f"{value.name} must be a number in {value.unit or 'its unit'}.", field)
    # A float's shortest decimal is what its sender wrote.
    finite = type(given) is int or math.isfinite(given)
    steps = Decimal(repr(given)) / value.step if finite else Decimal("Infinity")
    if abs(steps) > MOST_STEPS:
        raise _invalid(
            f"{value.name} must be a finite number of at most 2^53 steps of {value.resolution}.", field
        )
    return int(steps.to_integral_value(ROUND_HALF_EVEN))


def _classes(schema: TaskSchema) -> str:
    names = ", ".join(label.name for label in schema.labels[:20])
    return f"one of {names} or a class number from 0 to {len(schema.labels) - 1}"


def _invalid(message: str, field: str) -> InvalidInput:
    return InvalidInput(message, field=field, code="invalid_label")
