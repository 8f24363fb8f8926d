"""Figures over time as lines: a picture, its key in words, and the same for those who do not see it.

Lines differ by their dashes as well as by their colour. Time runs from left to right over all that was asked
for, so that a short history looks short; it is written in the time of the browser.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import altair as alt
import pandas as pd

from frontend.charts import theme, votes
from frontend.data.series import Point
from frontend.text import language
from frontend.text.language import _

HEIGHT: Final = 180
FEW_POINTS: Final = 20
"""So few are drawn as dots too: a line of one point is nothing to see."""

_DASHES: Final = ([1, 0], [6, 4], [2, 3])
_SIGNS: Final = ("━━", "╍╍", "┉┉")


@dataclass(frozen=True)
class ChartLine:
    """One line.

    Attributes:
        name: In the reader's language.
        points: Oldest first.
    """

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class ChartFrame:
    """What lines are drawn in.

    Attributes:
        since: Left end, in seconds since the epoch.
        until: Right end.
        format: Of numbers, in d3's way.
        factor: By which values are multiplied, as seconds to milliseconds.
        most: Top of the axis; None: as high as the values are.
        clock: Of times, in d3's way.
    """

    since: float
    until: float
    format: str = ",.4~r"
    factor: float = 1.0
    most: float | None = None
    clock: str = "%H:%M"


def draw_lines(lines: Sequence[ChartLine], frame: ChartFrame, *, is_light: bool) -> alt.Chart:
    """The lines.

    Args:
        lines: At most three.
        frame: What they are drawn in.
        is_light: Whether it is drawn on white.
    """
    names = [line.name for line in lines]
    rows = line_rows(lines, frame.factor)
    few = max((len(line.points) for line in lines), default=0) <= FEW_POINTS
    # Without a value an axis would say nothing of its unit, and no value is below zero.
    top = frame.most or max((row["value"] or 0.0 for row in rows), default=0.0) * 1.1 or 1.0
    scale = alt.Scale(domain=[0, top])
    frame_of = pd.DataFrame(rows, columns=["time", "value", "line"])
    chart: alt.Chart = (
        alt.Chart(frame_of)
        # Of the points a screen reader hears nothing but a group without a name; the table has them.
        .mark_line(strokeWidth=2, point={"size": 30, "aria": False} if few else False)
        .encode(
            x=alt.X(
                "time:T",
                title=None,
                scale=alt.Scale(domain=[_instant(frame.since), _instant(frame.until)]),
                axis=alt.Axis(format=frame.clock, tickCount=4, labelOverlap=True),
            ),
            y=alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(format=frame.format, tickCount=4)),
            color=alt.Color(
                "line:N", legend=None, scale=alt.Scale(domain=names, range=theme.of(is_light=is_light))
            ),
            strokeDash=alt.StrokeDash(
                "line:N", legend=None, scale=alt.Scale(domain=names, range=list(_DASHES))
            ),
            tooltip=[
                alt.Tooltip("time:T", title=_("Time"), format="%d.%m. %H:%M:%S"),
                alt.Tooltip("line:N", title=_("Curve")),
                alt.Tooltip("value:Q", title=_("Value"), format=frame.format),
            ],
        )
        .properties(height=HEIGHT)
    )
    if language.current() == "fr":
        chart = chart.configure(locale={"number": votes.FRENCH})
    if is_light:
        chart = chart.configure_axis(labelColor=votes.INK, titleColor=votes.INK)
    return chart


def lines_legend(lines: Sequence[ChartLine], *, is_light: bool) -> str:
    """What the lines stand for, as HTML that wraps on a narrow screen."""
    return " ".join(
        f'<span style="white-space: nowrap; margin-right: 1rem">'
        f'<span aria-hidden="true" style="color: {colour}">{sign}</span> {html.escape(line.name)}</span>'
        for line, colour, sign in zip(lines, theme.of(is_light=is_light), _SIGNS, strict=False)
    )


def line_rows(lines: Sequence[ChartLine], factor: float = 1.0) -> list[dict[str, Any]]:
    """One row a point; a point without a value interrupts its line."""
    return [
        {
            "time": point.time * 1000,
            "value": None if point.value is None else point.value * factor,
            "line": line.name,
        }
        for line in lines
        for point in line.points
    ]


def _instant(at: float) -> str:
    """An end of the axis as Vega takes it for a time; a number there is one to it, and no time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
