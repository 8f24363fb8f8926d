"""Stake of each node as a line of steps, over time or over the blocks: stake moves with blocks alone.

Lines differ in colour, in dashes and in the sign at their end, which the legend shows with their name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import altair as alt
import pandas as pd

from frontend.charts.theme import PALETTE
from frontend.text.language import _

HEIGHT: Final = 320
LEGEND_COLUMNS: Final = 2
"""More of them are cut at 375 px."""

MOST_POINTS: Final = 400
"""Points of a line: a screen has not many more pixels for it."""

_DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [10, 4], [2, 4], [6, 2, 2, 2])
_SIGNS: Final = (
    *("circle", "square", "triangle-up", "diamond"),
    *("cross", "triangle-down", "triangle-right", "wedge"),
)

Point = TypeVar("Point")


def draw_stakes(
    points: Sequence[Mapping[str, Any]], nodes: Sequence[str], x: alt.X, tooltip: alt.Tooltip
) -> alt.LayerChart:
    """Draws a line of steps for each node.

    Args:
        points: As `line_points` makes them, with what `x` and `tooltip` encode.
        nodes: In the legend's order.
        x: Position of a step.
        tooltip: Says in words where a step is.
    """
    # Dashes would cut the signs' outlines to pieces.
    legend = alt.Legend(
        orient="bottom", columns=LEGEND_COLUMNS, labelLimit=0, title=None, symbolSize=90, symbolStrokeWidth=0
    )
    base = alt.Chart(pd.DataFrame(points)).encode(
        x=x,
        y=alt.Y("stake:Q", title=_("Stake"), scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
        color=alt.Color("node:N", scale=_scale(nodes, PALETTE), legend=legend),
        tooltip=[
            alt.Tooltip("node:N", title=_("Node")),
            tooltip,
            alt.Tooltip("stake:Q", title=_("Stake"), format=",.4f"),
        ],
    )
    lines = base.mark_line(interpolate="step-after", strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("node:N", scale=_scale(nodes, _DASHES), legend=None)
    )
    ends = (
        base.transform_filter("datum.is_end")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(shape=alt.Shape("node:N", scale=_scale(nodes, _SIGNS), legend=legend))
    )
    return alt.LayerChart(layer=[lines, ends]).properties(height=HEIGHT)


def describe_course(node: str, before: str, after: str) -> str:
    """A node's line as text: its first and its last stake."""
    return _("{node} from {before} to {after}", node=node, before=before, after=after)


def line_points(node: str, field: str, steps: Sequence[tuple[Any, float]]) -> list[dict[str, Any]]:
    """The points of a node's line.

    Args:
        node: Its name.
        field: What a position is called in a point: a time, or a block's height.
        steps: Position and stake of each step, the oldest first.
    """
    last = len(steps) - 1
    return [
        {"node": node, field: position, "stake": stake, "is_end": index == last}
        for index, (position, stake) in enumerate(steps)
    ]


def thin_out(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS` or so of the points, at even distances, and always the last."""
    step = -(-len(points) // MOST_POINTS) or 1
    return [*points[:-1][::step], *points[-1:]]


def _scale(nodes: Sequence[str], values: Sequence[Any]) -> alt.Scale:
    return alt.Scale(domain=list(nodes), range=[values[i % len(values)] for i in range(len(nodes))])
