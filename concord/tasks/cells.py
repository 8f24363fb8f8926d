"""Cells that say nothing. What a schema declares, such as a choice `NA`, wins over what looks empty."""

from collections.abc import Container
from typing import Final

NOTHING: Final = frozenset(
    {"", "NA", "<NA>", "#NA", "#N/A", "#N/A N/A", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan"}
    | {"null", "NULL", "None", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
)
"""Texts of an empty cell, as spreadsheets, pandas and databases write them."""


def is_empty(text: str, declared: Container[str] = ()) -> bool:
    """Whether a cell without blanks around it says nothing, and is no text that the schema declares."""
    return text in NOTHING and (not text or text not in declared)
