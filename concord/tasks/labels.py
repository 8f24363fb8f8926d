"""Reads labels of calls, and converts them to and from the journal's integers, by the task's schema.

    {"id": …, "label": "virginica"}      a class by its name
    {"id": …, "label": 2}                or by its number
    {"id": …, "value": 12500.0}          the value of a regression, in its unit
    {"id": …, "text": "2"}               any of these, as a person typed it or a cell holds it

A label is read by the task of its own round. A name comes before a number: where a class's name is a number,
a number means that name and never a place. Nothing is guessed: only `text` becomes a number, and a name must
equal a class's name, in whatever Unicode form.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal, get_args

from concord.errors import InvalidInput
from concord.tasks.class_names import ClassNames
from concord.tasks.numbers import NUMBER, parse_number
from concord.tasks.schema import TaskSchema, Value

LabelField = Literal["label", "value", "text"]
"""Fields of which a label has one."""

LONGEST_TEXT: Final = 1000
"""Characters of a text; no class's name and no number is longer."""

MOST_STEPS: Final = 2**53
"""The largest value in steps that a JSON number represents exactly."""


@dataclass(frozen=True, slots=True)
class SubmittedLabel:
    """A label as it was sent.

    Attributes:
        id: The round's id.
        content: The JSON value of the label.
        name: The field that holds it.
        place: Where the label stands in the call, such as `labels[3]`.
    """

    id: str
    content: object
    name: LabelField
    place: str

    @property
    def field(self) -> str:
        """The field that an error names."""
        return f"{self.place}.{self.name}"


def parse_label(item: object, place: str) -> SubmittedLabel:
    """Reads one element of a call's labels.

    Args:
        item: Any JSON value.
        place: Where it stands, for the error: `labels[3]`.

    Raises:
        InvalidInput: The element is no label.
    """
    if not isinstance(item, Mapping):
        raise _invalid('A label is an object: {"id": …, "label": …} or {"id": …, "value": …}.', place)
    fields: tuple[LabelField, ...] = get_args(LabelField)
    unknown = next((str(name)[:60] for name in item if name not in {"id", *fields}), None)
    if unknown is not None:
        raise _invalid(
            f"Unknown field {unknown!r}; a label has 'id', and one of {', '.join(fields)}.",
            f"{place}.{unknown}",
        )
    if not isinstance(item.get("id"), str):
        raise _invalid("'id' must be the text that came with the answer.", f"{place}.id")
    names = [name for name in fields if name in item]
    if len(names) != 1:
        raise _invalid(
            "Say one of 'label' (of a classification), 'value' (of a regression) and 'text' (as typed).",
            place,
        )
    if names == ["text"] and not (isinstance(item["text"], str) and len(item["text"]) <= LONGEST_TEXT):
        raise _invalid(f"'text' must be a text of at most {LONGEST_TEXT} characters.", f"{place}.text")
    return SubmittedLabel(item["id"], item[names[0]], names[0], place)


def encode_label(schema: TaskSchema, label: SubmittedLabel) -> int:
    """A label as the journal stores it: a class's number, or a value in steps of the resolution.

    Args:
        schema: The schema of the round's task.
        label: The label as it was sent.

    Raises:
        InvalidInput: The task has no such class, or the value is not finite or too large.
    """
    if schema.value is not None:
        return _count_steps(schema.value, _read_value(label), label.field)
    if label.name == "value":
        raise _invalid(f"{schema.task} is a classification: say 'label', {_classes(schema)}.", label.field)
    place = _find_class(schema.class_names, label)
    if place is None:
        raise _invalid(f"{schema.task} has no such class; a label is {_classes(schema)}.", label.field)
    return place


def decode_label(schema: TaskSchema, label: int) -> str | float | None:
    """A stored label as people read it: a class's name, or a value in its unit.

    Args:
        schema: The task's present schema, which may differ from the one when the round was answered.
        label: The result of `encode_label`.

    Returns:
        None: The schema has no such class any more.
    """
    if schema.value is not None:
        return schema.value.to_float(label)
    return schema.labels[label].name if 0 <= label < len(schema.labels) else None


def _find_class(names: ClassNames, label: SubmittedLabel) -> int | None:
    content = label.content
    if isinstance(content, str):
        return names.find_text(content) if label.name == "text" else names.find_name(content)
    if isinstance(content, bool) or not isinstance(content, int | float):
        return None
    return names.find_number(content)


def _read_value(label: SubmittedLabel) -> object:
    """The value as JSON would say it; only a text becomes a number."""
    text = label.content.strip() if label.name == "text" and isinstance(label.content, str) else ""
    return parse_number(text) if NUMBER.fullmatch(text) else label.content


def _count_steps(value: Value, content: object, field: str) -> int:
    if type(content) is not float and type(content) is not int:
        raise _invalid(f"{value.name} must be a number in {value.unit or 'its unit'}.", field)
    # `repr` is a float's shortest decimal, which is what the sender wrote.
    is_finite = type(content) is int or math.isfinite(content)
    steps = Decimal(repr(content)) / value.step if is_finite else Decimal("Infinity")
    if abs(steps) > MOST_STEPS:
        raise _invalid(
            f"{value.name} must be a finite number of at most 2^53 steps of {value.resolution}.", field
        )
    return int(steps.to_integral_value(ROUND_HALF_EVEN))


def _classes(schema: TaskSchema) -> str:
    names = ", ".join(label.name for label in schema.labels[:20])
    if schema.class_names.are_numbers:
        return f"one of {names}"
    return f"one of {names} or a class number from 0 to {len(schema.labels) - 1}"


def _invalid(message: str, field: str) -> InvalidInput:
    return InvalidInput(message, field=field, code="invalid_label")
