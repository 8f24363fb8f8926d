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
from concord.tasks.numbers import NUMBER, parse_number
from concord.tasks.schema import FLOAT32_MAX, Feature
from concord.util.suggest import did_you_mean, nearest

Row = Mapping[str, float | str]

InvalidValueKind = Literal["empty", "comma", "text", "large", "whole", "range", "choice"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """A text that is no value of a feature, and why.

    Attributes:
        kind: `empty`; `comma`: a decimal comma; `text`: no number; `large`: beyond float32; `whole`: has a
            fraction; `range`: too small or too large; `choice`: none of the choices.
        feature: The feature.
        text: The text.
        refusal: The schema's error message, if the schema refused the value.
    """

    kind: InvalidValueKind
    feature: Feature
    text: str
    refusal: str = ""

    @property
    def meant(self) -> str:
        """A suggestion; empty where there is none."""
        if self.kind == "comma":
            return self.text.replace(",", ".")
        return nearest(self.text, self.feature.choices) if self.kind == "choice" else ""

    @property
    def message(self) -> str:
        """The error message."""
        name, takes = self.feature.name, describe(self.feature)
        if self.kind == "empty":
            return f"{name} is empty; it takes {takes}."
        if self.kind in {"comma", "text"}:
            remedy = f" Write {self.meant}." if self.kind == "comma" else ""
            return f"{name} takes {takes}, and {self.text[:40]!r} is no number.{remedy}"
        return self.refusal + (did_you_mean(self.text, self.feature.choices) if self.kind == "choice" else "")


def check_value(feature: Feature, text: str, *, comma: bool = False) -> float | str | InvalidValue:
    """Reads one value, or returns why the text is none.

    Args:
        feature: The feature.
        text: The text.
        comma: Whether a comma is the decimal separator.
    """
    text = normalize("NFC", text.strip())
    value = text if feature.kind == "choice" else _read_number(feature, text, comma=comma)
    if isinstance(value, InvalidValue):
        return value
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
        return " | ".join(feature.choices)
    kind = "whole number, " if feature.kind == "integer" else ""
    return kind + feature.range_text


def escape_formula(cell: str, *, comma: bool = False) -> str:
    """A cell that no spreadsheet executes as a formula; numbers are unchanged."""
    number = cell.replace(",", ".", 1) if comma else cell
    if cell.startswith(_FORMULA) and not NUMBER.fullmatch(number):
        return f"'{cell}"
    return cell


def _read_number(feature: Feature, text: str, *, comma: bool) -> float | InvalidValue:
    if not text:
        return InvalidValue("empty", feature, text)
    plain = text.replace(",", ".", 1) if comma else text
    if NUMBER.fullmatch(plain):
        return parse_number(plain)
    return InvalidValue("comma" if NUMBER.fullmatch(text.replace(",", ".", 1)) else "text", feature, text)


def _refusal_kind(feature: Feature, value: float | str) -> InvalidValueKind:
    if isinstance(value, str):
        return "choice" if value else "empty"
    if not abs(value) <= FLOAT32_MAX:
        return "large"
    return "whole" if feature.kind == "integer" and value != int(value) else "range"
