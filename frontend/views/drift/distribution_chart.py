"""Draws how values are distributed, then and now: of a column, of the labels, or of a node's answers.

Each bin of the profile has two bars, one below the other: *then* is hollow, *now* is filled. Ten bins with
their names fit on a telephone. A bin of a number holds a tenth of the training rows; the outer bins are
open.
"""

from itertools import pairwise
from typing import Any, Final, NamedTuple

import altair as alt
import pandas as pd

from concord.types.drift import Shares
from frontend.charts.theme import INK, legend, line_colours
from frontend.text import wording
from frontend.text.language import _, ngettext, task_gettext

MOST_CHOICES: Final = 12
"""Choices that are told apart in one picture; the rarer ones are drawn together."""

PAIR_PIXELS: Final = 34
AXIS_PIXELS: Final = 40


class Bin(NamedTuple):
    """A bin, a choice or a class: its name, its share of the rows then, and now."""

    name: str
    then: float
    now: float


def list_bins(shares: Shares) -> list[Bin]:
    """The bins in their order; choices that are rare are one, and so are those never learned from."""
    if not shares.choices:
        return [Bin(*bin_) for bin_ in zip(_ranges(shares.edges), shares.before, shares.now, strict=True)]
    choices = [
        Bin(task_gettext(name), *two)
        for name, *two in zip(shares.choices, shares.before, shares.now, strict=False)
    ]
    frequent = sorted(choices, key=lambda bin_: -max(bin_.then, bin_.now))[:MOST_CHOICES]
    bins = [bin_ for bin_ in choices if bin_ in frequent]
    rare = [bin_ for bin_ in choices if bin_ not in frequent]
    if rare:
        sums = sum(bin_.then for bin_ in rare), sum(bin_.now for bin_ in rare)
        bins.append(Bin(ngettext("{count} rarer one", "{count} rarer ones", len(rare)), *sums))
    if len(shares.now) > len(shares.choices) and shares.now[-1] > 0:
        bins.append(Bin(_("never learned from"), shares.before[-1], shares.now[-1]))
    return bins


def _ranges(edges: list[float]) -> list[str]:
    if not edges:
        return [_("any number")]
    ends = [wording.format_number(float(f"{edge:.6g}")) for edge in edges]
    if len(set(ends)) < len(ends):
        # Two rows of one name would be drawn as one.
        ends = [f"{edge:.9g}" for edge in edges]
    between = [_("{low} to {high}", low=low, high=high) for low, high in pairwise(ends)]
    return [_("under {high}", high=ends[0]), *between, _("{low} and over", low=ends[-1])]


def draw_distribution(shares: Shares, *, is_light: bool) -> alt.LayerChart:
    """Draws two bars for each bin: then and now.

    Args:
        shares: What is drawn.
        is_light: Whether the page has a light background.
    """
    bins = list_bins(shares)
    times = [_("then"), _("now")]
    base = _encode_bins(bins, times, most=max((*shares.before, *shares.now)))
    colours = line_colours(is_light=is_light)[:2]
    fills = ["transparent", colours[1]]
    bars = base.mark_bar(strokeWidth=1.5).encode(
        stroke=alt.Stroke("when:N", legend=None, scale=alt.Scale(domain=times, range=colours)),
        fill=alt.Fill("when:N", legend=None, scale=alt.Scale(domain=times, range=fills)),
    )
    text = base.mark_text(align="left", dx=4, fontSize=11, color=INK if is_light else "#fafafa")
    height = PAIR_PIXELS * len(bins) + AXIS_PIXELS
    return alt.LayerChart(layer=[bars, text.encode(text="written:N")]).properties(height=height)


def _encode_bins(bins: list[Bin], times: list[str], most: float) -> alt.Chart:
    rows = [
        {"bin": bin_.name, "when": when, "share": share, "written": wording.format_share(share)}
        for bin_ in bins
        for when, share in zip(times, bin_[1:], strict=True)
    ]
    chart: alt.Chart = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y(
            "bin:N",
            sort=[bin_.name for bin_ in bins],
            title=None,
            axis=alt.Axis(labelLimit=130, ticks=False, domain=False),
        ),
        yOffset=alt.YOffset("when:N", sort=times),
        x=alt.X(
            "share:Q",
            title=None,
            # Room for the number at the end of the longest bar.
            scale=alt.Scale(domain=[0, most * 1.2 or 1]),
            axis=alt.Axis(format="%", tickCount=4),
        ),
        tooltip=[
            alt.Tooltip("bin:N", title=_("Values")),
            alt.Tooltip("when:N", title=_("When")),
            alt.Tooltip("written:N", title=_("Share of the rows")),
        ],
    )
    return chart


def distribution_legend(then: str, now: str, *, is_light: bool) -> str:
    """The legend of the bars, as HTML."""
    then_colour, now_colour, *_others = line_colours(is_light=is_light)
    return legend([(then_colour, "□", then), (now_colour, "■", now)])


def describe_distribution(name: str, shares: Shares) -> str:
    """The picture as text."""
    parts = [
        _(
            "{bin}: {then}, now {now}",
            bin=bin_.name,
            then=wording.format_share(bin_.then),
            now=wording.format_share(bin_.now),
        )
        for bin_ in list_bins(shares)
    ]
    return _("Shares of the rows of {name}, then and now. {parts}.", name=name, parts="; ".join(parts))


def list_rows(shares: Shares) -> list[dict[str, Any]]:
    """The picture as a table, in per cent."""
    return [
        {_("Values"): bin_.name, _("Then"): bin_.then * 100, _("Now"): bin_.now * 100}
        for bin_ in list_bins(shares)
    ]
