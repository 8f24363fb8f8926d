"""Draws votes: bars of class probabilities, or values on an axis.

A node's weight is the thickness of its bar or the size of its dot, relative to the heaviest. The consensus is
drawn with the votes. Every share is written on its bar, and node names come first and are never cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict, Vote
from frontend.charts.theme import PALETTE, legend
from frontend.text import wording
from frontend.text.language import N_, _, task_gettext

CONSENSUS: Final = N_("Consensus")
ROW_PIXELS: Final = 46
AXIS_PIXELS: Final = 60
WRITTEN_SHARE: Final = 0.13
"""A narrower part of a bar has no room for its own percentage at 375 px."""

_LINES: Final = "split(datum.label, '\\n')"
"""Vega breaks an axis label into lines only where it is given a list."""


def draw_votes(schema: TaskSchema, verdict: Verdict) -> alt.LayerChart:
    """Draws a verdict with at least one vote that counts."""
    return _draw_values(schema, verdict) if schema.is_regression else _draw_probabilities(schema, verdict)


def votes_legend(schema: TaskSchema, verdict: Verdict) -> str:
    """The legend of the votes, as HTML."""
    if verdict.value is not None:
        return legend([(PALETTE[0], "●", _("a node's value")), (PALETTE[1], "┆", _("consensus"))])
    names = [task_gettext(label.name) for label in schema.labels]
    return legend((colour, "■", name) for colour, name in zip(_colours(len(names)), names, strict=True))


def list_bar_parts(schema: TaskSchema, verdict: Verdict) -> list[dict[str, Any]]:
    """One part of a bar for each voter and class: who, which class, from where to where."""
    bars = [
        (_name_with_weight(vote), _thickness(vote, verdict), vote.probabilities)
        for vote in _by_weight(verdict)
    ]
    if verdict.probabilities:
        bars.insert(0, ("\n".join((_(CONSENSUS), _("all votes"))), 1.0, verdict.probabilities))
    return [part for bar in bars for part in _bar_parts(schema, *bar)]


def list_dots(schema: TaskSchema, verdict: Verdict) -> list[dict[str, Any]]:
    """One dot for each voter."""
    return [
        {
            "who": _name_with_weight(vote),
            "thickness": _thickness(vote, verdict),
            "value": vote.value,
            "text": wording.format_value(schema, vote.value or 0.0),
        }
        for vote in _by_weight(verdict)
    ]


def _by_weight(verdict: Verdict) -> list[Vote]:
    return sorted(wording.select_cast(verdict.votes), key=lambda vote: (-vote.weight, vote.node))


def _name_with_weight(vote: Vote) -> str:
    return "\n".join((vote.node, _("weight {weight}", weight=wording.format_share(vote.weight))))


def _thickness(vote: Vote, verdict: Verdict) -> float:
    return vote.weight / (max(other.weight for other in verdict.votes) or 1.0)


def _bar_parts(
    schema: TaskSchema, who: str, thickness: float, probabilities: Mapping[str, float] | None
) -> Iterator[dict[str, Any]]:
    start = 0.0
    for label in schema.labels:
        share = (probabilities or {}).get(label.name, 0.0)
        part = {"label": task_gettext(label.name), "share": share, "start": start, "end": start + share}
        part["written"] = wording.format_share(share)
        yield {"who": who, "thickness": thickness, **part}
        start += share


def _draw_probabilities(schema: TaskSchema, verdict: Verdict) -> alt.LayerChart:
    frame = pd.DataFrame(list_bar_parts(schema, verdict))
    names = [task_gettext(label.name) for label in schema.labels]
    base = alt.Chart(frame).encode(y=_node_axis(list(frame["who"].unique())))
    bars = base.mark_bar(stroke="white", strokeWidth=1).encode(
        x=alt.X(
            "start:Q", title=None, axis=alt.Axis(format="%", tickCount=4), scale=alt.Scale(domain=[0, 1])
        ),
        x2="end:Q",
        # The thinnest still holds its white text.
        size=alt.Size("thickness:Q", scale=alt.Scale(domain=[0, 1], range=[13, 32]), legend=None),
        color=alt.Color(
            "label:N",
            scale=alt.Scale(domain=names, range=_colours(len(names))),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("who:N", title=_("Node")),
            alt.Tooltip("label:N", title=_("Class")),
            alt.Tooltip("share:Q", title=_("Probability"), format=".1%"),
        ],
    )
    written = (
        base.transform_filter(alt.datum.share >= WRITTEN_SHARE)
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_text(color="white", fontSize=12, fontWeight="bold")
        .encode(x="middle:Q", text="written:N")
    )
    return _stack([bars, written], frame["who"].nunique())


def _draw_values(schema: TaskSchema, verdict: Verdict) -> alt.LayerChart:
    frame = pd.DataFrame(list_dots(schema, verdict))
    assert schema.value is not None
    x = alt.X(
        "value:Q",
        title=wording.format_unit(schema.value.unit) or None,
        # Room on both sides, so that no number beside a dot leaves the picture.
        scale=alt.Scale(domain=_pad_range([*frame["value"], verdict.value or 0.0]), nice=False),
        axis=alt.Axis(tickCount=4, format="~s"),
    )
    base = alt.Chart(frame).encode(y=_node_axis(list(frame["who"])))
    line = (
        alt.Chart(pd.DataFrame([{"value": verdict.value}]))
        .mark_rule(strokeDash=[5, 4], strokeWidth=2, color=PALETTE[1])
        .encode(x=x)
    )
    dots = base.mark_circle(color=PALETTE[0], opacity=1, stroke="white", strokeWidth=1.5).encode(
        x=x,
        size=alt.Size("thickness:Q", scale=alt.Scale(domain=[0, 1], range=[50, 450]), legend=None),
        tooltip=[alt.Tooltip("who:N", title=_("Node")), alt.Tooltip("text:N", title=_("Value"))],
    )
    return _stack([line, dots], len(frame))


def _node_axis(order: list[str]) -> alt.Y:
    return alt.Y(
        "who:N",
        sort=order,
        title=None,
        axis=alt.Axis(
            labelExpr=_LINES, labelLimit=0, labelFontSize=13, labelLineHeight=15, ticks=False, domain=False
        ),
    )


def _stack(layers: list[alt.Chart], count: int) -> alt.LayerChart:
    return alt.LayerChart(layer=layers).properties(height=ROW_PIXELS * count + AXIS_PIXELS)


def _colours(count: int) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(count)]


def _pad_range(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.25 or max(abs(high) * 0.1, 1.0)
    return [low - room, high + room]
