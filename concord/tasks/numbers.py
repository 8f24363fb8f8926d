"""Numbers as texts: what is one, which one, and what was probably meant by what is none.

A number has a decimal point, or the decimal comma of a file that has it, and an optional exponent. Signs
between thousands are not guessed away: `1,234` is 1234 for some and 1.234 for others.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from concord.tasks.csv_dialect import COMMA_SEPARATED, THOUSANDS, CsvDialect

NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
"""A decimal number with an optional exponent."""

_WHOLE: Final = re.compile(r"[-+]?\d{1,18}", re.ASCII)

NumberFaultKind = Literal["comma", "thousands", "ambiguous", "text"]


@dataclass(frozen=True, slots=True)
class NumberFault:
    """Why a text is no number.

    Attributes:
        kind: `comma`: a decimal comma where decimals follow a point; `thousands`: signs between thousands;
            `ambiguous`: with signs between thousands another number than with decimals; `text`: no number.
        meant: What to write instead; empty where nothing is known.
    """

    kind: NumberFaultKind
    meant: str = ""

    @property
    def remedy(self) -> str:
        """A sentence that follows the fault; empty where nothing is known."""
        if self.kind == "ambiguous":
            return f"Write one of these: {self.meant}."
        point = "Decimals are written with a point. " if self.kind == "comma" else ""
        return f"{point}Write {self.meant}." if self.meant else ""


def parse_number(text: str) -> int | float:
    """The number of a text that `NUMBER` matches; a whole one keeps all of its digits."""
    return int(text) if _WHOLE.fullmatch(text) else float(text)


def read_number(text: str, dialect: CsvDialect = COMMA_SEPARATED) -> int | float | NumberFault:
    """The number of a text without blanks around it, or why it is none."""
    plain = text.replace(",", ".", 1) if dialect.comma else text
    grouped = THOUSANDS.fullmatch(text)
    sign = grouped["sign"] if grouped else ""
    decimal = "," if dialect.comma else "."
    if dialect.is_ambiguous and sign in (".", ",") and grouped is not None and text.count(sign) == 1:
        return NumberFault("ambiguous", f"{text.replace(sign, '')} / {text}0")
    if NUMBER.fullmatch(plain) and sign in ("", decimal):
        return parse_number(plain)
    if grouped is not None:
        return NumberFault("thousands", text.replace(sign, ""))
    if not dialect.comma and NUMBER.fullmatch(text.replace(",", ".", 1)):
        return NumberFault("comma", text.replace(",", ".", 1))
    return NumberFault("text")
