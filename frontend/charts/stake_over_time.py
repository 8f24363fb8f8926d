"""Stake as a line of steps for each node, since stake moves with blocks alone: over time, or over the blocks.

Lines differ in colour, in dashes and in the sign at their end, which the legend shows with their name: the
picture does not need its colours. Whoever shows it says the same as a table, and as a text.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import altair as alt
import pandas as pd

from frontend.charts import votes
from frontend.text import language
from frontend.text.language import _

HEIGHT: Final = 320
LEGEND_COLUMNS: Final = 2
"""More of them are cut at 375 px."""

MOST_POINTS: Final = 400
"""Steps of a line; a screen has not many more pixels for it."""

_DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [10, 4], [2, 4], [6, 2, 2, 2])
_SIGNS: Final = (
    *("circle", "square", "triangle-up", "diamond"),
    *("cross", "triangle-down", "triangle-right", "wedge"),
)

Point = TypeVar("Point")


def draw_stakes(
    points: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    x: alt.X,
    told: alt.Tooltip,
    *,
    is_light: bool,
) -> alt.LayerChart:
    """The picture.

    Args:
        points: Where the lines turn: `node`, `stake`, `is_end`, and what `x` and `told` are of.
        names: The nodes, in the legend's order.
        x: Where a step is.
        told: What is said of that where a person points at it.
        is_light: Whether it is drawn on white, where Streamlit's own grey is too pale to read.
    """
    # Dashes would cut the signs' outlines to pieces.
    legend = alt.Legend(
        orient="bottom", columns=LEGEND_COLUMNS, labelLimit=0, title=None, symbolSize=90, symbolStrokeWidth=0
    )
    base = alt.Chart(pd.DataFrame(points)).encode(
        x=x,
        y=alt.Y("stake:Q", title=_("Stake"), scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
        color=alt.Color("node:N", scale=_scale(names, votes.PALETTE), legend=legend),
        tooltip=[
            alt.Tooltip("node:N", title=_("Node")),
            told,
            alt.Tooltip("stake:Q", title=_("Stake"), format=",.4f"),
        ],
    )
    lines = base.mark_line(interpolate="step-after", strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("node:N", scale=_scale(names, _DASHES), legend=None)
    )
    ends = (
        base.transform_filter("datum.is_end")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(shape=alt.Shape("node:N", scale=_scale(names, _SIGNS), legend=legend))
    )
    chart = alt.LayerChart(layer=[lines, ends]).properties(height=HEIGHT)
    if language.current() == "fr":
        chart = chart.configure(locale={"number": votes.FRENCH})
    if is_light:
        chart = chart.configure_axis(labelColor=votes.INK, titleColor=votes.INK)
        chart = chart.configure_legend(labelColor=votes.INK)
    return chart


def thin_out(turns: Sequence[Point]) -> list[Point]:
    """Every so many of them, and always the last."""
    step = -(-len(turns) // MOST_POINTS) or 1
    return [*turns[:-1][::step], *turns[-1:]]


def _scale(names: Sequence[str], looks: Sequence[Any]) -> alt.Scale:
    return alt.Scale(domain=list(names), range=[looks[i % len(looks)] for i in range(len(names))])
