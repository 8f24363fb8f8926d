"""What a person types or a spreadsheet's cell holds, as the value that a feature admits.

Texts become numbers here and nowhere else: the service takes numbers only. The schema's `Feature.read`
decides what is admitted, as it does for every request. What is wrong is a `Flaw` with a word for it, so
that a command line and a page say it each in its own way. Nothing is guessed: `1 000`, `inf` and, unless
the sheet writes its decimals so, `3,5` are no numbers.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal
from unicodedata import normalize

from concord.errors import InvalidInput
from concord.tasks.schema import FLOAT32_MAX, Feature
from concord.util.suggest import did_you_mean, nearest

Row = dict[str, float | str]

NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A number as JSON has it; `1 000`, `3,5` and `inf` are none."""

WHOLE: Final = re.compile(r"[-+]?\d{1,18}", re.ASCII)

FlawKind = Literal["empty", "comma", "text", "large", "whole", "range", "choice"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a text is no value of a feature.

    Attributes:
        kind: `empty`; `comma`: decimals after a comma; `text`: no number; `large`: no node's number;
            `whole`: has a fraction; `range`: too small or too large; `choice`: none of the choices.
        feature: What it is no value of.
        text: What stands there.
        refusal: The schema's own sentence, where it is the schema that refuses.
    """

    kind: FlawKind
    feature: Feature
    text: str
    refusal: str = ""

    @property
    def meant(self) -> str:
        """What was probably meant; empty where nobody knows."""
        if self.kind == "comma":
            return self.text.replace(",", ".")
        return nearest(self.text, self.feature.choices) if self.kind == "choice" else ""

    @property
    def message(self) -> str:
        """A sentence for whoever typed it."""
        name, takes = self.feature.name, describe(self.feature)
        if self.kind == "empty":
            return f"{name} is empty; it takes {takes}."
        if self.kind in {"comma", "text"}:
            remedy = f" Write {self.meant}." if self.kind == "comma" else ""
            return f"{name} takes {takes}, and {self.text[:40]!r} is no number.{remedy}"
        return self.refusal + (did_you_mean(self.text, self.feature.choices) if self.kind == "choice" else "")


def check_value(feature: Feature, text: str, *, comma: bool = False) -> float | str | Flaw:
    """One typed value, or why it is none.

    Args:
        feature: What it is a value of.
        text: What was typed.
        comma: Whether decimals are written after a comma here.
    """
    text = normalize("NFC", text.strip())
    value = text if feature.kind == "choice" else _number(feature, text, comma=comma)
    if isinstance(value, Flaw):
        return value
    try:
        feature.read(value)
    except InvalidInput as error:
        return Flaw(_kind(feature, value), feature, text, error.message)
    return value


def read_value(feature: Feature, text: str) -> float | str:
    """One typed value.

    Raises:
        InvalidInput: It is not what the feature admits.
    """
    found = check_value(feature, text)
    if isinstance(found, Flaw):
        raise InvalidInput(found.message, field=feature.name)
    return found


def describe(feature: Feature) -> str:
    """What a feature admits, in words."""
    if feature.kind == "choice":
        return " | ".join(feature.choices)
    kind = "whole number, " if feature.kind == "integer" else ""
    return kind + feature.range_text


def safe(cell: str, *, comma: bool = False) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay as they are."""
    number = cell.replace(",", ".", 1) if comma else cell
    if cell.startswith(_FORMULA) and not NUMBER.fullmatch(number):
        return f"'{cell}"
    return cell


def _number(feature: Feature, text: str, *, comma: bool) -> float | Flaw:
    if not text:
        return Flaw("empty", feature, text)
    written = text.replace(",", ".", 1) if comma else text
    if WHOLE.fullmatch(written):
        return int(written)
    if NUMBER.fullmatch(written):
        return float(written)
    return Flaw("comma" if NUMBER.fullmatch(text.replace(",", ".", 1)) else "text", feature, text)


def _kind(feature: Feature, value: float | str) -> FlawKind:
    if isinstance(value, str):
        return "choice" if value else "empty"
    if not abs(value) <= FLOAT32_MAX:
        return "large"
    return "whole" if feature.kind == "integer" and value != int(value) else "range"
