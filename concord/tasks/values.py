"""Reads a value of a feature from a text that a person typed or a CSV cell holds.

Texts become numbers here and nowhere else; the service accepts JSON numbers only. Whether a value is admitted
is decided by the schema's `Feature.read`. Nothing is guessed: `1 000`, `inf` and, unless the file uses
decimal commas, `3,5` are no numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from unicodedata import normalize

from concord.errors import InvalidInput
from concord.tasks.cells import is_empty
from concord.tasks.csv_dialect import COMMA_SEPARATED, CsvDialect
from concord.tasks.numbers import NUMBER, NumberFault, NumberFaultKind, read_number
from concord.tasks.schema import FLOAT32_MAX, MOST_SHOWN_CHOICES, Feature
from concord.util.suggest import did_you_mean, nearest

Row = Mapping[str, float | str]

InvalidValueKind = NumberFaultKind | Literal["empty", "large", "whole", "range", "choice"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet executes; with the last four some do in Japanese and Chinese."""


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """A text that is no value of a feature, and why.

    Attributes:
        kind: `empty`; of a number a kind of `NumberFault`; `large`: beyond float32; `whole`: has a fraction;
            `range`: too small or too large; `choice`: none of the choices.
        feature: The feature.
        text: The text.
        number: Why it is no number, if that is so.
        refusal: The schema's error message, if the schema refused the value.
    """

    kind: InvalidValueKind
    feature: Feature
    text: str
    refusal: str = ""
    number: NumberFault | None = None

    @property
    def meant(self) -> str:
        """A suggestion; empty where there is none."""
        if self.number is not None:
            return self.number.meant
        return nearest(self.text, self.feature.choices) if self.kind == "choice" else ""

    @property
    def message(self) -> str:
        """The error message."""
        name, takes = self.feature.name, describe(self.feature)
        if self.kind == "empty":
            return f"{name} is empty; it takes {takes}."
        if self.number is not None:
            fault = "may be two" if self.kind == "ambiguous" else "is no number"
            return f"{name} takes {takes}, and {self.text[:40]!r} {fault}. {self.number.remedy}".rstrip()
        return self.refusal + (did_you_mean(self.text, self.feature.choices) if self.kind == "choice" else "")


def check_value(
    feature: Feature, text: str, dialect: CsvDialect = COMMA_SEPARATED
) -> float | str | InvalidValue:
    """Reads one value, or returns why the text is none.

    Args:
        feature: The feature.
        text: The text.
        dialect: How the text's file writes numbers.
    """
    text = normalize("NFC", text.strip())
    if is_empty(text, feature.choices):
        return InvalidValue("empty", feature, text)
    value = text if feature.kind == "choice" else read_number(text, dialect)
    if isinstance(value, NumberFault):
        return InvalidValue(value.kind, feature, text, number=value)
    try:
        feature.read(value)
    except InvalidInput as error:
        return InvalidValue(_refusal_kind(feature, value), feature, text, error.message)
    return value


def read_value(feature: Feature, text: str) -> float | str:
    """Reads one value.

    Raises:
        InvalidInput: The feature does not admit it.
    """
    value = check_value(feature, text)
    if isinstance(value, InvalidValue):
        raise InvalidInput(value.message, field=feature.name)
    return value


def describe(feature: Feature) -> str:
    """What a feature admits, in words."""
    if feature.kind == "choice":
        shown = feature.choices[:MOST_SHOWN_CHOICES]
        more = len(feature.choices) - len(shown)
        return " | ".join(shown) + (f" | … ({more:,} more)" if more else "")
    kind = "whole number, " if feature.kind == "integer" else ""
    return kind + feature.range_text


def escape_formula(cell: str, *, comma: bool = False) -> str:
    """A cell that no spreadsheet executes as a formula; numbers are unchanged."""
    number = cell.replace(",", ".", 1) if comma else cell
    if cell.startswith(_FORMULA) and not NUMBER.fullmatch(number):
        return f"'{cell}"
    return cell


def _refusal_kind(feature: Feature, value: float | str) -> InvalidValueKind:
    if isinstance(value, str):
        return "choice"
    if not abs(value) <= FLOAT32_MAX:
        return "large"
    return "whole" if feature.kind == "integer" and value != int(value) else "range"
