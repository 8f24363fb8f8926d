"""Two versions of a model on the same labelled rounds: which is better, and how sure that is."""

from typing import Any, Final

import altair as alt
import pandas as pd
import streamlit as st

from concord.types.models import Comparison
from frontend.charts import votes
from frontend.text import language, wording
from frontend.text.language import N_, _, ngettext
from frontend.text.wording import Badge

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
_SIGNED: Final = "+0.000;-0.000"


def show_comparison(found: Comparison, *, is_light: bool) -> None:
    """Draws a comparison: the verdict, the interval as a picture, the scores as a table."""
    look = VERDICTS[found.verdict]
    sentence = _(look.word, challenger=wording.escape(found.challenger.version))
    st.markdown(f"### :{look.colour}[{look.icon} {sentence}]")
    rounds = ngettext(
        "One labelled round was answered by both.",
        "{count} labelled rounds were answered by both.",
        found.rounds,
    )
    since = (
        _("Looked at from {time} on.", time=f"{found.since[:16].replace('T', ' ')} UTC")
        if found.since
        else ""
    )
    st.markdown(f"{rounds} {since}".strip())
    if found.difference is not None and found.low is not None and found.high is not None:
        st.altair_chart(
            draw_interval(found, is_light=is_light), width="stretch", alt=describe_difference(found)
        )
        st.markdown(describe_difference(found))
    st.dataframe(
        pd.DataFrame(list_scores(found)),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=_("The mean scores of both versions; 1 is best."),
    )


def list_scores(found: Comparison) -> list[dict[str, Any]]:
    """Both versions with their mean score."""
    beside = _("its predecessor, asked beside it") if found.phase == "watch" else _("tried beside it")
    return [
        {
            _("Version"): one.version,
            _("Role"): doing,
            _(SCORES[found.score]): None
            if one.score is None
            else language.format_decimal(one.score, "0.000"),
        }
        for one, doing in ((found.champion, _("answers")), (found.challenger, beside))
    ]


def describe_difference(found: Comparison) -> str:
    """The difference and its interval in words; of a comparison that has them."""
    return _(
        "Version {challenger} scores {difference} against version {champion}; the true difference is "
        "between {low} and {high}, however often one looks.",
        challenger=wording.escape(found.challenger.version),
        champion=wording.escape(found.champion.version),
        **{
            name: language.format_decimal(value or 0.0, _SIGNED)
            for name, value in (
                ("difference", found.difference),
                ("low", found.low),
                ("high", found.high),
            )
        },
    )


def draw_interval(found: Comparison, *, is_light: bool) -> alt.LayerChart:
    """The interval of the difference, and 0, at which both are equally good."""
    frame = pd.DataFrame(
        [{"low": found.low, "high": found.high, "difference": found.difference, "zero": 0.0}]
    )
    x = alt.X(
        "low:Q",
        title=_(
            "Difference of the scores; right of 0 version {version} is better",
            version=found.challenger.version,
        ),
        axis=alt.Axis(tickCount=5, format="+.2~f"),
        scale=alt.Scale(domain=_room(found), nice=False),
    )
    base = alt.Chart(frame)
    interval = base.mark_rule(strokeWidth=8, color=votes.PALETTE[0], opacity=0.6).encode(x=x, x2="high:Q")
    point = base.mark_point(filled=True, size=140, color=votes.PALETTE[0], opacity=1).encode(x="difference:Q")
    zero = base.mark_rule(strokeDash=[5, 4], strokeWidth=2, color=votes.PALETTE[1]).encode(x="zero:Q")
    chart = alt.LayerChart(layer=[interval, point, zero]).properties(height=HEIGHT)
    if language.current() == "fr":
        chart = chart.configure(locale={"number": votes.FRENCH})
    return chart.configure_axis(labelColor=votes.INK, titleColor=votes.INK) if is_light else chart


def _room(found: Comparison) -> list[float]:
    """The axis: the interval and 0, with room on both sides so that no number leaves the picture."""
    ends = [found.low or 0.0, found.high or 0.0, 0.0]
    room = (max(ends) - min(ends)) * 0.15 or 0.1
    return [min(ends) - room, max(ends) + room]
