"""How rows are spread, then and now: of a column, of what was true, of a node's answers.

A pair of bars for each bin of the profile, one below the other, so that ten of them have room for their names
on a telephone. *Then* is the upper one and hollow, *now* the lower one and filled: the picture does not need
its colours. Bins of a number hold a tenth of the rows each that were learned from; the outer ones are open.
"""

import html
from itertools import pairwise
from typing import Any, Final, NamedTuple

import altair as alt
import pandas as pd

from concord.types.drift import Shares
from frontend.charts import theme, votes
from frontend.text import language, wording
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
        return [Bin(*one) for one in zip(_ranges(shares.edges), shares.before, shares.now, strict=True)]
    known = [
        Bin(task_gettext(name), *two)
        for name, *two in zip(shares.choices, shares.before, shares.now, strict=False)
    ]
    kept = sorted(known, key=lambda one: -max(one.then, one.now))[:MOST_CHOICES]
    found = [one for one in known if one in kept]
    rare = [one for one in known if one not in kept]
    if rare:
        sums = sum(one.then for one in rare), sum(one.now for one in rare)
        found.append(Bin(ngettext("{count} rarer one", "{count} rarer ones", len(rare)), *sums))
    if len(shares.now) > len(shares.choices) and shares.now[-1] > 0:
        found.append(Bin(_("never learned from"), shares.before[-1], shares.now[-1]))
    return found


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
    """Both bars of each bin.

    Args:
        shares: What is drawn.
        is_light: Whether it is drawn on white.
    """
    found = list_bins(shares)
    times = [_("then"), _("now")]
    rows = [
        {"bin": one.name, "when": when, "share": share, "written": wording.format_share(share)}
        for one in found
        for when, share in zip(times, one[1:], strict=True)
    ]
    most = max((*shares.before, *shares.now))
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y(
            "bin:N",
            sort=[one.name for one in found],
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
    colours = theme.of(is_light=is_light)[:2]
    bars = base.mark_bar(strokeWidth=1.5).encode(
        stroke=alt.Stroke("when:N", legend=None, scale=alt.Scale(domain=times, range=colours)),
        fill=alt.Fill(
            "when:N", legend=None, scale=alt.Scale(domain=times, range=["transparent", colours[1]])
        ),
    )
    ink = votes.INK if is_light else "#fafafa"
    written = base.mark_text(align="left", dx=4, fontSize=11, color=ink).encode(text="written:N")
    chart = alt.LayerChart(layer=[bars, written]).properties(height=PAIR_PIXELS * len(found) + AXIS_PIXELS)
    if language.current() == "fr":
        chart = chart.configure(locale={"number": votes.FRENCH})
    return chart.configure_axis(labelColor=ink, titleColor=ink) if is_light else chart


def distribution_legend(then: str, now: str, *, is_light: bool) -> str:
    """What the bars stand for, as HTML."""
    colours = theme.of(is_light=is_light)
    signs = ((colours[0], "□", then), (colours[1], "■", now))
    return " ".join(
        f'<span style="margin-right: 1rem"><span aria-hidden="true" style="color: {colour}">{sign}</span> '
        f"{html.escape(text)}</span>"
        for colour, sign, text in signs
    )


def describe_distribution(name: str, shares: Shares) -> str:
    """The picture as text."""
    parts = [
        _(
            "{bin}: {then}, now {now}",
            bin=one.name,
            then=wording.format_share(one.then),
            now=wording.format_share(one.now),
        )
        for one in list_bins(shares)
    ]
    return _("Shares of the rows of {name}, then and now. {parts}.", name=name, parts="; ".join(parts))


def list_rows(shares: Shares) -> list[dict[str, Any]]:
    """The picture as a table, in per cent."""
    return [
        {_("Values"): one.name, _("Then"): one.then * 100, _("Now"): one.now * 100}
        for one in list_bins(shares)
    ]
