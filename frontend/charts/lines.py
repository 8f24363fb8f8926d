"""Draws indicators over time as lines, with a legend.

Lines differ by their dashes as well as by their colour. The axis spans all of the time that was asked for, so
that a short history looks short; times are those of the browser.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import altair as alt
import pandas as pd

from frontend.charts.theme import legend, line_colours
from frontend.data.series import Point
from frontend.text.language import _

HEIGHT: Final = 180
FEW_POINTS: Final = 20
"""Up to so many points are drawn as dots too: a line of one point is invisible."""

_DASHES: Final = ([1, 0], [6, 4], [2, 3])
_SIGNS: Final = ("━━", "╍╍", "┉┉")


@dataclass(frozen=True)
class ChartLine:
    """A line of a chart.

    Attributes:
        name: In the reader's language.
        points: Oldest first.
    """

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class ChartFrame:
    """Axes and number formats of a chart.

    Attributes:
        since: Left end, in seconds since the epoch.
        until: Right end.
        format: Of numbers, as d3 has it.
        factor: Values are multiplied by it, such as from seconds to milliseconds.
        most: Top of the axis; None: as high as the values are.
        clock: Of times, as d3 has it.
    """

    since: float
    until: float
    format: str = ",.4~r"
    factor: float = 1.0
    most: float | None = None
    clock: str = "%H:%M"


def draw_lines(lines: Sequence[ChartLine], frame: ChartFrame, *, is_light: bool) -> alt.Chart:
    """Draws the lines.

    Args:
        lines: At most three.
        frame: Axes and formats.
        is_light: Whether the page has a light background.
    """
    names = [line.name for line in lines]
    rows = line_rows(lines, frame.factor)
    is_short = max((len(line.points) for line in lines), default=0) <= FEW_POINTS
    colours = alt.Scale(domain=names, range=line_colours(is_light=is_light))
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(rows, columns=["time", "value", "line"]))
        # A screen reader reads points as a group without a name; the table has them.
        .mark_line(strokeWidth=2, point={"size": 30, "aria": False} if is_short else False)
        .encode(
            x=_time_axis(frame),
            y=_value_axis(frame, rows),
            color=alt.Color("line:N", legend=None, scale=colours),
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
    return chart


def _time_axis(frame: ChartFrame) -> alt.X:
    return alt.X(
        "time:T",
        title=None,
        scale=alt.Scale(domain=[_to_iso(frame.since), _to_iso(frame.until)]),
        axis=alt.Axis(format=frame.clock, tickCount=4, labelOverlap=True),
    )


def _value_axis(frame: ChartFrame, rows: Sequence[dict[str, Any]]) -> alt.Y:
    """From 0 to a little above the highest value; without a value to 1, so that the axis shows its unit."""
    top = frame.most or max((row["value"] or 0.0 for row in rows), default=0.0) * 1.1 or 1.0
    axis = alt.Axis(format=frame.format, tickCount=4)
    return alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=axis)


def lines_legend(lines: Sequence[ChartLine], *, is_light: bool) -> str:
    """The legend of the lines, as HTML."""
    colours = line_colours(is_light=is_light)
    names = [line.name for line in lines]
    return legend(zip(colours, _SIGNS, names, strict=False))


def line_rows(lines: Sequence[ChartLine], factor: float = 1.0) -> list[dict[str, Any]]:
    """A row for each point; a point without a value interrupts its line."""
    return [
        {
            "time": point.time * 1000,
            "value": None if point.value is None else point.value * factor,
            "line": line.name,
        }
        for line in lines
        for point in line.points
    ]


def _to_iso(seconds: float) -> str:
    """A time for Vega's axis, where a number of milliseconds would not count as a time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
