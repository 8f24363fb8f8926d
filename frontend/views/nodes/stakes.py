"""Stake over time as a picture: a line of steps for each node, from what changed its stake.

The same is a table beside it, and a text for those who see neither.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import altair as alt

from concord.types.nodes import NodeView
from frontend.charts import steps
from frontend.text.language import say
from frontend.views.nodes import standings
from frontend.views.nodes.data import Change

_CLOCKS: Final = (
    # Days that are shown at most, and how their times are written.
    (1 / 24, "%H:%M:%S"),
    (1.0, "%H:%M"),
    (4.0, "%m-%d %H:%M"),
    (math.inf, "%Y-%m-%d"),
)


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
        turns = [*start, *((entry.time, entry.stake) for entry in steps.thinned(own))]
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
        is_light: Whether it is drawn on white.
    """
    turns = points(nodes, changes)
    # Vega would draw UTC's times as the browser's.
    x = alt.X(
        "time:T",
        title=say("Time (UTC)"),
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(tickCount=4, format=_clock([turn["time"] for turn in turns])),
    )
    told = alt.Tooltip("when:N", title=say("Time (UTC)"))
    return steps.picture(turns, [node.node for node in nodes], x, told, is_light=is_light)


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


def _millis(iso: str) -> int:
    """A time as Vega has it: ms since the epoch."""
    return round(datetime.fromisoformat(iso).timestamp() * 1000)


def _clock(times: Sequence[int]) -> str:
    """How the axis writes times: as fine as they are apart, and by 24 hours."""
    days = (max(times) - min(times)) / 86_400_000
    return next(pattern for longest, pattern in _CLOCKS if days <= longest)
