"""Stake over time as a picture: a line of steps for each node, since stake moves with blocks alone.

Lines differ in colour and dashes, and each ends in a sign of its own, which the legend shows: the picture
does not need its colours. The same is a table beside it, and a text for those who see neither.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import altair as alt
import pandas as pd

from concord.wire import NodeView
from frontend import language, pictures
from frontend.asking.nodes import Change
from frontend.language import say
from frontend.nodes import standings

HEIGHT: Final = 320
LEGEND_COLUMNS: Final = 2
"""More of them are cut at 375 px."""

MOST_POINTS: Final = 400
"""Steps of a line; a screen has no more pixels for it than a few times that."""

_CLOCKS: Final = (
    # Days that are shown at most, and how their times are written.
    (1 / 24, "%H:%M:%S"),
    (1.0, "%H:%M"),
    (4.0, "%m-%d %H:%M"),
    (math.inf, "%Y-%m-%d"),
)

_DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [10, 4], [2, 4], [6, 2, 2, 2, 2, 2])
_SIGNS: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "stroke", "wedge")


def points(nodes: Sequence[NodeView], changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Where the lines turn: which node, when, how much stake; the last of each is what it holds now.

    Args:
        nodes: The nodes of a task.
        changes: What moved their stake, oldest first.
    """
    if not changes:
        return []
    first, last = changes[0].entry.time, max(change.entry.time for change in changes)
    found = []
    for node in nodes:
        own = [change.entry for change in changes if change.node == node.node]
        if own and own[0].event == "open":
            start = []
        else:
            before = own[0].stake - own[0].change if own else node.stake
            start = [(first, before)]
        turns = [*start, *((entry.time, entry.stake) for entry in _thinned(own))]
        turns.append((last, own[-1].stake if own else node.stake))
        found += [
            {
                "node": node.node,
                "time": _millis(time),
                "when": standings.moment(time),
                "stake": stake,
                "is_end": place == len(turns) - 1,
            }
            for place, (time, stake) in enumerate(turns)
        ]
    return found


def picture(nodes: Sequence[NodeView], changes: Sequence[Change], *, is_light: bool) -> alt.LayerChart:
    """The picture.

    Args:
        nodes: The nodes of a task.
        changes: At least one.
        is_light: Whether it is drawn on white, where Streamlit's own grey is too pale to read.
    """
    frame = pd.DataFrame(points(nodes, changes))
    names = [node.node for node in nodes]
    legend = alt.Legend(
        orient="bottom", columns=LEGEND_COLUMNS, labelLimit=0, title=None, symbolSize=90, symbolStrokeWidth=0
    )
    look = _Look(names)
    base = alt.Chart(frame).encode(
        # Vega would draw UTC's times as the browser's.
        x=alt.X(
            "time:T",
            title=say("Time (UTC)"),
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(tickCount=4, format=_clock(frame["time"])),
        ),
        y=alt.Y("stake:Q", title=say("Stake"), scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
        color=alt.Color("node:N", scale=look.colours, legend=legend),
        tooltip=[
            alt.Tooltip("node:N", title=say("Node")),
            alt.Tooltip("when:N", title=say("Time (UTC)")),
            alt.Tooltip("stake:Q", title=say("Stake"), format=",.4f"),
        ],
    )
    lines = base.mark_line(interpolate="step-after", strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("node:N", scale=look.dashes, legend=None)
    )
    ends = (
        base.transform_filter("datum.is_end")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(shape=alt.Shape("node:N", scale=look.signs, legend=legend))
    )
    chart = alt.LayerChart(layer=[lines, ends]).properties(height=HEIGHT)
    if language.current() == "fr":
        chart = chart.configure(locale={"number": pictures.FRENCH})
    return (
        chart.configure_axis(labelColor=pictures.INK, titleColor=pictures.INK).configure_legend(
            labelColor=pictures.INK
        )
        if is_light
        else chart
    )


def describe(nodes: Sequence[NodeView], changes: Sequence[Change]) -> str:
    """The picture as text: from where to where each stake went."""
    by_node: Mapping[str, list[dict[str, Any]]] = {node.node: [] for node in nodes}
    for point in points(nodes, changes):
        by_node[point["node"]].append(point)
    parts = [
        say(
            "{node} from {before} to {after}",
            node=node,
            before=standings.amount(turns[0]["stake"]),
            after=standings.amount(turns[-1]["stake"]),
        )
        for node, turns in by_node.items()
        if turns
    ]
    return say("Stake over time. {nodes}.", nodes="; ".join(parts))


class _Look:
    """Colours, dashes and signs of the nodes, in their order."""

    def __init__(self, names: list[str]) -> None:
        places = range(len(names))
        palette = pictures.PALETTE
        self.colours = alt.Scale(domain=names, range=[palette[i % len(palette)] for i in places])
        self.dashes = alt.Scale(domain=names, range=[list(_DASHES[i % len(_DASHES)]) for i in places])
        self.signs = alt.Scale(domain=names, range=[_SIGNS[i % len(_SIGNS)] for i in places])


def _millis(iso: str) -> int:
    """A time as Vega has it: ms since the epoch."""
    return round(datetime.fromisoformat(iso).timestamp() * 1000)


def _clock(times: "pd.Series[int]") -> str:
    """How the axis writes times: as fine as they are apart, and by 24 hours."""
    days = (times.max() - times.min()) / 86_400_000
    return next(pattern for longest, pattern in _CLOCKS if days <= longest)


def _thinned(entries: Sequence[Any]) -> Sequence[Any]:
    """Every so many of them, and always the last."""
    step = -(-len(entries) // MOST_POINTS) or 1
    return [*entries[:-1][::step], *entries[-1:]]
