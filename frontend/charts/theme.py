"""Colours, signs and number formats that all charts share.

No chart needs its colours: its parts differ in their signs, dashes or fill as well.
"""

import html
from collections.abc import Iterable
from typing import Final

PALETTE: Final = ("#1d4ed8", "#b45309", "#0f766e", "#7c3aed", "#be185d", "#4d7c0f", "#0e7490", "#a21caf")
"""White text on each has a contrast of 4.5 : 1 or more, and each 2.5 : 1 or more against both backgrounds."""

ON_DARK: Final = ("#7aa7ff", "#f5a742", "#3fc9b5")
"""Lines and bars without text on a dark page, with a contrast of 3 : 1 or more."""

INK: Final = "#31333f"
"""Text on a light page, where Streamlit's own grey is too pale to read."""

FRENCH: Final = {"decimal": ",", "thousands": "\u202f", "grouping": [3], "currency": ["", "\u00a0€"]}
"""How Vega writes numbers on a French axis."""


def line_colours(*, is_light: bool) -> list[str]:
    """Three colours for lines and for bars without text, for a light or a dark page."""
    return list(PALETTE[:3] if is_light else ON_DARK)


def legend(entries: Iterable[tuple[str, str, str]]) -> str:
    """A legend as HTML, which wraps on a narrow screen where Vega would cut.

    Args:
        entries: Colour, sign and name of each part.
    """
    return " ".join(
        f'<span style="white-space: nowrap; margin-right: 1rem">'
        f'<span aria-hidden="true" style="color: {colour}">{sign}</span> {html.escape(name)}</span>'
        for colour, sign, name in entries
    )
