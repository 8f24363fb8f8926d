"""Votes as pictures: bars of class probabilities, or values on an axis.

A node's weight is the thickness of its bar, or the size of its dot, relative to the heaviest; the
number stands beside its name.
The consensus is drawn with the votes, so that one sees who agrees with it. Colours are dark enough
for white text on them and differ in lightness, and every share is written on its bar: the picture
does not need its colours. Node names come first and are never cut.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict, Vote
from frontend.text import language, wording
from frontend.text.language import N_, _, task_gettext

PALETTE: Final = ("#1d4ed8", "#b45309", "#0f766e", "#7c3aed", "#be185d", "#4d7c0f", "#0e7490", "#a21caf")
"""White text on each has a contrast of 4.5 : 1 or more, and each 2.5 : 1 or more against both backgrounds."""

CONSENSUS: Final = N_("Consensus")
INK: Final = "#31333f"
ROW_PIXELS: Final = 46
AXIS_PIXELS: Final = 60
WRITTEN_SHARE: Final = 0.13
"""A narrower part of a bar has no room for its own percentage at 375 px."""

FRENCH: Final = {"decimal": ",", "thousands": "\u202f", "grouping": [3], "currency": ["", "\u00a0€"]}
"""How Vega writes numbers on a French axis."""

_LINES: Final = "split(datum.label, '\\n')"
"""Vega breaks an axis label into lines only where it is given a list."""


def draw_votes(schema: TaskSchema, verdict: Verdict, *, is_light: bool) -> alt.LayerChart:
    """The picture of a verdict's votes.

    Args:
        schema: The task's.
        verdict: With at least one vote that counts.
        is_light: Whether it is drawn on white, where Streamlit's own grey is too pale to read.
    """
    chart = _values(schema, verdict) if schema.is_regression else _probabilities(schema, verdict)
    if language.current() == "fr":
        chart = chart.configure(locale={"number": FRENCH})
    return chart.configure_axis(labelColor=INK, titleColor=INK) if is_light else chart


def votes_legend(schema: TaskSchema, verdict: Verdict) -> str:
    """What the colours stand for, as HTML, which wraps on a narrow screen where Vega would cut."""
    if verdict.value is not None:
        keys = [(PALETTE[0], "●", _("a node's value")), (PALETTE[1], "┆", _("consensus"))]
    else:
        names = [task_gettext(label.name) for label in schema.labels]
        keys = [(colour, "■", name) for colour, name in zip(_colours(len(names)), names, strict=True)]
    return " ".join(
        f'<span style="white-space: nowrap; margin-right: 1rem">'
        f'<span aria-hidden="true" style="color: {colour}">{sign}</span> {html.escape(name)}</span>'
        for colour, sign, name in keys
    )


def list_bar_parts(schema: TaskSchema, verdict: Verdict) -> list[dict[str, Any]]:
    """One part of a bar for each voter and class: who, which class, from where to where."""
    bars = [(_who(vote), _thickness(vote, verdict), vote.probabilities) for vote in _by_weight(verdict)]
    if verdict.probabilities:
        bars.insert(0, ("\n".join((_(CONSENSUS), _("all votes"))), 1.0, verdict.probabilities))
    return [part for bar in bars for part in _parts(schema, *bar)]


def list_dots(schema: TaskSchema, verdict: Verdict) -> list[dict[str, Any]]:
    """One dot for each voter."""
    return [
        {
            "who": _who(vote),
            "thickness": _thickness(vote, verdict),
            "value": vote.value,
            "text": wording.format_value(schema, vote.value or 0.0),
        }
        for vote in _by_weight(verdict)
    ]


def _by_weight(verdict: Verdict) -> list[Vote]:
    return sorted(wording.select_cast(verdict.votes), key=lambda vote: (-vote.weight, vote.node))


def _who(vote: Vote) -> str:
    return "\n".join((vote.node, _("weight {weight}", weight=wording.format_share(vote.weight))))


def _thickness(vote: Vote, verdict: Verdict) -> float:
    return vote.weight / (max(one.weight for one in verdict.votes) or 1.0)


def _parts(
    schema: TaskSchema, who: str, thickness: float, probabilities: Mapping[str, float] | None
) -> Iterator[dict[str, Any]]:
    start = 0.0
    for label in schema.labels:
        share = (probabilities or {}).get(label.name, 0.0)
        part = {"label": task_gettext(label.name), "share": share, "start": start, "end": start + share}
        part["written"] = wording.format_share(share)
        yield {"who": who, "thickness": thickness, **part}
        start += share


def _probabilities(schema: TaskSchema, verdict: Verdict) -> alt.LayerChart:
    frame = pd.DataFrame(list_bar_parts(schema, verdict))
    names = [task_gettext(label.name) for label in schema.labels]
    base = alt.Chart(frame).encode(y=_rows(list(frame["who"].unique())))
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
    return _framed([bars, written], frame["who"].nunique())


def _values(schema: TaskSchema, verdict: Verdict) -> alt.LayerChart:
    frame = pd.DataFrame(list_dots(schema, verdict))
    assert schema.value is not None
    x = alt.X(
        "value:Q",
        title=wording.format_unit(schema.value.unit) or None,
        # Room on both sides, so that no number beside a dot leaves the picture.
        scale=alt.Scale(domain=_room([*frame["value"], verdict.value or 0.0]), nice=False),
        axis=alt.Axis(tickCount=4, format="~s"),
    )
    base = alt.Chart(frame).encode(y=_rows(list(frame["who"])))
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
    return _framed([line, dots], len(frame))


def _rows(order: list[str]) -> alt.Y:
    return alt.Y(
        "who:N",
        sort=order,
        title=None,
        axis=alt.Axis(
            labelExpr=_LINES, labelLimit=0, labelFontSize=13, labelLineHeight=15, ticks=False, domain=False
        ),
    )


def _framed(layers: list[alt.Chart], count: int) -> alt.LayerChart:
    return alt.LayerChart(layer=layers).properties(height=ROW_PIXELS * count + AXIS_PIXELS)


def _colours(count: int) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(count)]


def _room(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    room = (high - low) * 0.25 or max(abs(high) * 0.1, 1.0)
    return [low - room, high + room]
