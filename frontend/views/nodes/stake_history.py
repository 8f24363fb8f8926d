"""Stake of a task's nodes over time: a line of steps for each node, and the same as text."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import altair as alt

from concord.types.nodes import NodeView
from frontend.charts.stake_over_time import describe_course, draw_stakes, line_points, thin_out
from frontend.text import times
from frontend.text.language import _
from frontend.views.nodes import standings
from frontend.views.nodes.data import AccountChange

_CLOCKS: Final = (
    # Up to so many days, and how their times are written.
    (1 / 24, "%H:%M:%S"),
    (1.0, "%H:%M"),
    (4.0, "%m-%d %H:%M"),
    (math.inf, "%Y-%m-%d"),
)


def list_points(nodes: Sequence[NodeView], changes: Sequence[AccountChange]) -> list[dict[str, Any]]:
    """The points of the lines; the last of each node is what it holds now.

    Args:
        nodes: The nodes of a task.
        changes: What moved their stake, oldest first.
    """
    if not changes:
        return []
    first, last = changes[0].entry.time, max(change.entry.time for change in changes)
    points = []
    for node in nodes:
        own = [change.entry for change in changes if change.node == node.node]
        if own and own[0].event == "open":
            start = []
        else:
            before = own[0].stake - own[0].change if own else node.stake
            start = [(first, before)]
        steps = [*start, *((entry.time, entry.stake) for entry in thin_out(own))]
        steps.append((last, own[-1].stake if own else node.stake))
        points += [
            {**point, "time": _millis(point["when"]), "when": times.format_utc(point["when"])}
            for point in line_points(node.node, "when", steps)
        ]
    return points


def draw_stake_history(nodes: Sequence[NodeView], changes: Sequence[AccountChange]) -> alt.LayerChart:
    """Draws the stake of a task's nodes over time.

    Args:
        nodes: The nodes of a task.
        changes: What moved their stake, oldest first; at least one.
    """
    points = list_points(nodes, changes)
    # Vega would draw UTC's times as the browser's.
    x = alt.X(
        "time:T",
        title=_("Time (UTC)"),
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(tickCount=4, format=_clock([point["time"] for point in points])),
    )
    tooltip = alt.Tooltip("when:N", title=_("Time (UTC)"))
    return draw_stakes(points, [node.node for node in nodes], x, tooltip)


def describe_stakes(nodes: Sequence[NodeView], changes: Sequence[AccountChange]) -> str:
    """The chart as text: each node's first and last stake."""
    by_node: Mapping[str, list[dict[str, Any]]] = {node.node: [] for node in nodes}
    for point in list_points(nodes, changes):
        by_node[point["node"]].append(point)
    parts = [
        describe_course(node, *(standings.format_stake(points[end]["stake"]) for end in (0, -1)))
        for node, points in by_node.items()
        if points
    ]
    return _("Stake over time. {nodes}.", nodes="; ".join(parts))


def _millis(iso: str) -> int:
    """A time as Vega has it: ms since the epoch."""
    return round(datetime.fromisoformat(iso).timestamp() * 1000)


def _clock(times: Sequence[int]) -> str:
    """How the axis writes times: as fine as they are apart, and by 24 hours."""
    days = (max(times) - min(times)) / 86_400_000
    return next(pattern for longest, pattern in _CLOCKS if days <= longest)
