"""A task's schema: the features of its rows, and its labels or value.

Training, nodes, service and page share it as JSON: in the registry's tags, on a node's `/info`, in the API.
Parties with the same digest read each other's numbers alike. Only the schema turns rows of named columns into
a node's numbers. Nothing is guessed: no missing value is filled in, no text and no boolean becomes a number.
"""

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from string import Formatter
from typing import Any, Final, Literal
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from concord.errors import ConfigurationError, InvalidInput
from concord.tasks.class_names import ClassNames
from concord.tasks.names import check_name, check_texts

Kind = Literal["number", "integer", "choice"]
Tone = Literal["good", "neutral", "bad"]
Rows = npt.NDArray[np.float32]

FLOAT32_MAX = float(np.finfo(np.float32).max)
"""The largest number that a node's input can hold; a larger one would become an infinity."""

MOST_SHOWN_CHOICES: Final = 20
"""Choices that a message lists; of more it names the nearest."""

NEAR_CHOICES: Final = 3


@dataclass(frozen=True)
class Feature:
    """One column of a row.

    Attributes:
        name: The column's name in the data, in any script.
        kind: `number`, `integer` or `choice`.
        example: A value that a form can be filled with.
        unit: Unit of a number (`cm`, `USD`), empty where it has none.
        minimum: Smallest number admitted, inclusive.
        maximum: Largest number admitted, inclusive.
        choices: The admitted texts of a `choice`; their order is their code.
        description: One sentence for a person who fills a form.
    """

    name: str
    kind: Kind
    example: float | str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        _normalize(self, "name", "example", "choices")
        if (self.kind == "choice") != bool(self.choices):
            raise ConfigurationError(
                f"Feature {self.name!r}: a choice lists its choices, and nothing else does.", field=self.name
            )
        if len(set(self.choices)) < len(self.choices):
            raise ConfigurationError(f"Feature {self.name!r} names a choice twice.", field=self.name)

    def read(self, value: object) -> float:
        """Turns one JSON value into its number: a choice into its index.

        Raises:
            InvalidInput: The value is of another type, not finite, out of range or no known choice.
        """
        if self.kind == "choice":
            return self._code(value)
        if type(value) is not float and type(value) is not int:
            raise InvalidInput(f"{self.name} must be {self._noun}, not {_kind_of(value)}.", field=self.name)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not abs(number) <= FLOAT32_MAX:
            raise InvalidInput(f"{self.name} must be a finite number.", field=self.name)
        if self.kind == "integer" and not number.is_integer():
            raise InvalidInput(f"{self.name} must be a whole number, not {value}.", field=self.name)
        if (self.minimum is not None and number < self.minimum) or (
            self.maximum is not None and number > self.maximum
        ):
            raise InvalidInput(f"{self.name} must be {self.range_text}, not {value}.", field=self.name)
        return number

    @cached_property
    def range_text(self) -> str:
        """The admitted numbers in words, with their unit."""
        unit = f" {self.unit}" if self.unit else ""
        low, high = (None if x is None else f"{x:,.12g}" for x in (self.minimum, self.maximum))
        if low is not None and high is not None:
            return f"from {low} to {high}{unit}"
        if low is not None:
            return f"at least {low}{unit}"
        return f"at most {high}{unit}" if high is not None else f"any number{unit}"

    @cached_property
    def _codes(self) -> dict[str, float]:
        return {choice: float(code) for code, choice in enumerate(self.choices)}

    @cached_property
    def _in_order(self) -> list[str]:
        return sorted(self.choices, key=str.casefold)

    def _choices_near(self, value: object) -> str:
        """All choices where they are few, else how many there are and those next to the text in the alphabet.

        A file or a stranger may have a wrong value in every row, so this takes no longer with more choices.
        """
        if len(self.choices) <= MOST_SHOWN_CHOICES:
            return ", ".join(self.choices)
        text = value[:40].casefold() if isinstance(value, str) else ""
        place = bisect_left(self._in_order, text, key=str.casefold)
        begin = min(max(place - 1, 0), len(self.choices) - NEAR_CHOICES)
        near = [choice[:40] for choice in self._in_order[begin : begin + NEAR_CHOICES]]
        return f"{len(self.choices):,} choices, such as {', '.join(near)}"

    @property
    def _noun(self) -> str:
        return "a whole number" if self.kind == "integer" else "a number"

    def _code(self, value: object) -> float:
        code = self._codes.get(value) if isinstance(value, str) else None
        if code is None:
            shown = repr(value) if isinstance(value, str) and len(value) <= 40 else _kind_of(value)
            raise InvalidInput(
                f"{self.name} must be one of {self._choices_near(value)}, not {shown}.", field=self.name
            )
        return code


@dataclass(frozen=True)
class Label:
    """One class that a task can answer with.

    Attributes:
        name: The class's name on the wire.
        sentence: What a person reads when this is the answer.
        tone: How a page colours it; the page adds a symbol, since colour alone does not reach everyone.
    """

    name: str
    sentence: str
    tone: Tone = "neutral"

    def __post_init__(self) -> None:
        _normalize(self, "name")


@dataclass(frozen=True)
class Value:
    """The number that a regression task answers with.

    Attributes:
        name: The target's column.
        unit: Its unit.
        resolution: The step it is counted in, as a decimal text (`0.01`); votes are integers of it.
        scale: Typical size of an error in `unit`; σ starts here.
        sentence: What a person reads; `{value}` and `{unit}` are filled in.
    """

    name: str
    unit: str
    resolution: str
    scale: float
    sentence: str

    def __post_init__(self) -> None:
        _normalize(self, "name")
        fields = {part[1:] for part in Formatter().parse(self.sentence) if part[1] is not None}
        if not fields <= {("value", "", None), ("unit", "", None)}:
            raise ConfigurationError("A value's sentence may hold {value} and {unit} only.", field="sentence")
        try:
            step = Decimal(self.resolution)
        except InvalidOperation:
            step = Decimal(0)
        if not step.is_finite() or step <= 0:
            raise ConfigurationError(
                "A value's resolution is a decimal above 0, such as '0.01'.", field="resolution"
            )

    @cached_property
    def step(self) -> Decimal:
        """The resolution as an exact number."""
        return Decimal(self.resolution)

    def to_float(self, units: int) -> float:
        """Turns a count of resolution steps into the number that people read."""
        return float(units * self.step)


@dataclass(frozen=True)
class TaskSchema:
    """A task's features and what it answers: labels for a classification, a value for a regression.

    Attributes:
        task: Name in lower case with digits and underscores, `concord.tasks.names.NAME`.
        title: Name for people.
        description: One or two sentences for people.
        features: The columns of a row, in the order in which nodes get them.
        labels: The classes in the order of their index; empty for a regression.
        value: The number that a regression answers with; None for a classification.
    """

    task: str
    title: str
    description: str
    features: tuple[Feature, ...]
    labels: tuple[Label, ...] = ()
    value: Value | None = None

    def __post_init__(self) -> None:
        check_name("task", self.task)
        if bool(self.labels) == (self.value is not None):
            raise ConfigurationError(f"Task {self.task!r} states either labels or a value.", field="labels")
        if len(self.labels) == 1:
            raise ConfigurationError(f"Task {self.task!r} needs two labels or more.", field="labels")
        if not self.features:
            raise ConfigurationError(f"Task {self.task!r} needs a feature.", field="features")
        check_texts(f"{self.task}: feature", [feature.name for feature in self.features], "features")
        check_texts(f"{self.task}: label", [label.name for label in self.labels], "labels")

    @property
    def is_regression(self) -> bool:
        """Whether the answer is a value rather than a label."""
        return self.value is not None

    @property
    def width(self) -> int:
        """Numbers a node answers per row: one per class, or one value."""
        return len(self.labels) or 1

    @cached_property
    def names(self) -> frozenset[str]:
        """The features' names, for membership."""
        return frozenset(feature.name for feature in self.features)

    @cached_property
    def class_names(self) -> ClassNames:
        """The classes, to find one by its name or by a number."""
        return ClassNames([label.name for label in self.labels])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex; nodes and service compare schemas by it."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def example(self) -> dict[str, float | str]:
        """A valid row, made of the features' examples."""
        return {feature.name: feature.example for feature in self.features}

    def read_row(self, row: object, index: int | None = None) -> list[float]:
        """Turns a row of named columns into its numbers, in the order of the features.

        Args:
            row: The JSON object of one row.
            index: The row's index in a call, for the error's field (`rows[3].income`).

        Raises:
            InvalidInput: Not an object, or a column is missing, unknown or not admitted.
        """
        if not isinstance(row, Mapping):
            raise InvalidInput("A row is an object of named columns.", field=_path(index, None))
        if row.keys() != self.names:
            raise self._wrong_columns(row, index)
        try:
            return [feature.read(row[feature.name]) for feature in self.features]
        except InvalidInput as error:
            raise InvalidInput(error.message, field=_path(index, error.field)) from None

    def read_rows(self, rows: Sequence[object]) -> Rows:
        """Turns rows of named columns into a float32 array of shape (rows, features)."""
        return self.to_rows([self.read_row(row, index) for index, row in enumerate(rows)])

    def to_rows(self, numbers: Sequence[Sequence[float]]) -> Rows:
        """What `read_row` made of each row, as a float32 array of shape (rows, features)."""
        return np.array(numbers, dtype=np.float32).reshape(len(numbers), len(self.features))

    def to_json(self) -> dict[str, Any]:
        """The schema as plain JSON values; `from_json` reads it back."""
        # Through JSON, so that tuples become lists, as they are in a document that was read.
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "TaskSchema":
        """Reads what `to_json` wrote.

        Raises:
            ConfigurationError: The document is no task schema.
        """
        try:
            fields = dict(document)
            fields["features"] = tuple(
                Feature(**{**feature, "choices": tuple(feature.get("choices", ()))})
                for feature in fields["features"]
            )
            fields["labels"] = tuple(Label(**label) for label in fields.get("labels", ()))
            fields["value"] = Value(**fields["value"]) if fields.get("value") else None
            return cls(**fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(f"This is no task schema: {error}.", field="schema") from error

    def _wrong_columns(self, row: Mapping[str, object], index: int | None) -> InvalidInput:
        missing = next((feature.name for feature in self.features if feature.name not in row), None)
        unknown = next((str(name)[:60] for name in row if name not in self.names), None)
        if unknown is not None and missing is not None:
            message = f"Unknown column {unknown!r}, and {missing!r} is missing. Is one meant for the other?"
        elif unknown is not None:
            names = ", ".join(feature.name for feature in self.features)
            message = f"Unknown column {unknown!r}; {self.task} takes {names}."
        else:
            message = f"Column {missing!r} is missing."
        return InvalidInput(message, field=_path(index, missing if unknown is None else unknown))


def _normalize(part: Feature | Label | Value, *fields: str) -> None:
    """Brings texts that callers and files must say into the Unicode normal form NFC."""
    for field in fields:
        value = getattr(part, field)
        if isinstance(value, str):
            object.__setattr__(part, field, normalize("NFC", value))
        elif isinstance(value, tuple):
            object.__setattr__(part, field, tuple(normalize("NFC", text) for text in value))


def _path(index: int | None, name: str | None) -> str | None:
    if index is None:
        return name
    return f"rows[{index}]" if name is None else f"rows[{index}].{name}"


def _kind_of(value: object) -> str:
    names = {bool: "a boolean", str: "text", type(None): "null", list: "a list", dict: "an object"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
