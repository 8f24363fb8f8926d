"""Shows two versions compared on the same labelled rounds: which is better, and how sure that is."""

from typing import Any, Final

import altair as alt
import pandas as pd
import streamlit as st

from concord.types.models import Comparison
from frontend.charts.theme import PALETTE
from frontend.components.chart import show_chart
from frontend.components.table import show_table
from frontend.text import language, times, wording
from frontend.text.language import N_, _, ngettext
from frontend.text.wording import Badge
from frontend.views.models import versions

VERDICTS: Final = {
    "better": Badge("▲", ":material/trending_up:", "green", N_("Version {challenger} is better.")),
    "worse": Badge("▼", ":material/trending_down:", "red", N_("Version {challenger} is worse.")),
    "undecided": Badge("≈", ":material/balance:", "blue", N_("Which one is better is not decided yet.")),
    "too_few": Badge(
        "…", ":material/hourglass_empty:", "gray", N_("There are too few labelled rounds to say.")
    ),
}

SCORES: Final = {
    "hit": N_("Share of right answers"),
    "brier": N_("Quadratic score"),
    "closeness": N_("Closeness of the values"),
}

HEIGHT: Final = 120


def show_comparison(comparison: Comparison) -> None:
    """Draws a comparison: the verdict, the interval as a picture, the scores as a table."""
    badge = VERDICTS[comparison.verdict]
    sentence = _(badge.word, challenger=wording.escape(comparison.challenger.version))
    st.markdown(f"### {badge.markdown(sentence)}")
    rounds = ngettext(
        "One labelled round was answered by both.",
        "{count} labelled rounds were answered by both.",
        comparison.rounds,
    )
    since = (
        _("Looked at from {time} on.", time=f"{times.format_utc_minute(comparison.since)} UTC")
        if comparison.since
        else ""
    )
    st.markdown(f"{rounds} {since}".strip())
    if comparison.difference is not None and comparison.low is not None and comparison.high is not None:
        show_chart(draw_interval(comparison), describe_difference(comparison))
        st.markdown(describe_difference(comparison))
    show_table(list_scores(comparison), _("The mean scores of both versions; 1 is best."))


def list_scores(comparison: Comparison) -> list[dict[str, Any]]:
    """Both versions with their mean score."""
    beside = versions.describe_challenger(comparison.phase)
    return [
        {
            _("Version"): contender.version,
            _("Role"): role,
            _(SCORES[comparison.score]): None
            if contender.score is None
            else language.format_decimal(contender.score, "0.000"),
        }
        for contender, role in ((comparison.champion, _("answers")), (comparison.challenger, beside))
    ]


def describe_difference(comparison: Comparison) -> str:
    """The difference and its interval in words; of a comparison that has them."""
    return _(
        "Version {challenger} scores {difference} against version {champion}; the true difference is "
        "between {low} and {high}, however often one looks.",
        challenger=wording.escape(comparison.challenger.version),
        champion=wording.escape(comparison.champion.version),
        difference=_format_signed(comparison.difference),
        low=_format_signed(comparison.low),
        high=_format_signed(comparison.high),
    )


def _format_signed(amount: float | None) -> str:
    return language.format_decimal(amount or 0.0, "+0.000;-0.000")


def draw_interval(comparison: Comparison) -> alt.LayerChart:
    """The interval of the difference, and 0, at which both are equally good."""
    frame = pd.DataFrame(
        [{"low": comparison.low, "high": comparison.high, "difference": comparison.difference, "zero": 0.0}]
    )
    x = alt.X(
        "low:Q",
        title=_(
            "Difference of the scores; right of 0 version {version} is better",
            version=comparison.challenger.version,
        ),
        axis=alt.Axis(tickCount=5, format="+.2~f"),
        scale=alt.Scale(domain=_room(comparison), nice=False),
    )
    base = alt.Chart(frame)
    interval = base.mark_rule(strokeWidth=8, color=PALETTE[0], opacity=0.6).encode(x=x, x2="high:Q")
    point = base.mark_point(filled=True, size=140, color=PALETTE[0], opacity=1).encode(x="difference:Q")
    zero = base.mark_rule(strokeDash=[5, 4], strokeWidth=2, color=PALETTE[1]).encode(x="zero:Q")
    return alt.LayerChart(layer=[interval, point, zero]).properties(height=HEIGHT)


def _room(comparison: Comparison) -> list[float]:
    """The axis: the interval and 0, with room on both sides so that no number leaves the picture."""
    ends = [comparison.low or 0.0, comparison.high or 0.0, 0.0]
    room = (max(ends) - min(ends)) * 0.15 or 0.1
    return [min(ends) - room, max(ends) + room]
