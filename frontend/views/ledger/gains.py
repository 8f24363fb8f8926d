"""Who gained and who lost: stake over the blocks as lines of steps, and a table of sums by reason.

A gain has a sign and a word in the table. Sums are the service's.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from concord.types.ledger import StakeMoves, StakesPage
from frontend.charts import steps
from frontend.text import language
from frontend.text import wording as words
from frontend.text.language import say


def picture(page: StakesPage, *, is_light: bool) -> alt.LayerChart:
    """The picture.

    Args:
        page: With at least one node.
        is_light: Whether it is drawn on white.
    """
    x = alt.X(
        "height:Q",
        title=say("Block"),
        scale=alt.Scale(zero=False, nice=False),
        axis=alt.Axis(tickCount=4, tickMinStep=1),
    )
    told = alt.Tooltip("height:Q", title=say("Block"), format=",d")
    return steps.picture(points(page), [one.node for one in page.nodes], x, told, is_light=is_light)


def points(page: StakesPage) -> list[dict[str, Any]]:
    """Where the lines turn: which node, at which block, how much stake."""
    found = []
    for one in page.nodes:
        turns = [] if one.start is None else [(page.first, one.start)]
        turns += steps.thinned(one.points)
        turns.append((page.last, one.end))
        found += [
            {"node": one.node, "height": height, "stake": stake, "is_end": place == len(turns) - 1}
            for place, (height, stake) in enumerate(turns)
        ]
    return found


def describe(page: StakesPage) -> str:
    """The picture as text: from where to where each stake went."""
    parts = [
        say(
            "{node} from {before} to {after}",
            node=one.node,
            before=words.number(one.start or 0.0),
            after=words.number(one.end),
        )
        for one in page.nodes
    ]
    return say("Stake of the nodes over the blocks. {nodes}.", nodes="; ".join(parts))


def rows(page: StakesPage) -> list[dict[str, Any]]:
    """The table's rows, the largest gain first, with the reasons there were; the treasury's is last."""
    ordered = sorted(page.nodes, key=lambda one: (-_gained(one), one.node))
    reasons = {
        say("By labels"): [one.judged for one in ordered],
        say("By levelling"): [one.levelled for one in ordered],
        say("By dissent"): [one.slashed for one in ordered],
        say("Paid in"): [one.paid for one in ordered],
    }
    # A narrow screen has no room for columns of noughts.
    reasons = {name: amounts for name, amounts in reasons.items() if any(amounts)}
    found: list[dict[str, Any]] = [
        {
            say("Node"): one.node,
            say("Result"): _result(_gained(one)),
            say("Gained or lost"): _gained(one),
            **{name: amounts[place] for name, amounts in reasons.items()},
            say("Stake now"): one.end,
        }
        for place, one in enumerate(ordered)
    ]
    if page.treasury:
        treasury = {say("Node"): say("(treasury)"), say("Result"): _result(page.treasury)}
        found.append({**treasury, say("Gained or lost"): page.treasury, say("By dissent"): page.treasury})
    return found


def table(page: StakesPage) -> None:
    """Shows the sums."""
    number = st.column_config.NumberColumn
    signed = "%+.4f"
    st.dataframe(
        pd.DataFrame(rows(page)),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=describe(page),
        column_config={
            say("Node"): st.column_config.TextColumn(pinned=True),
            say("Gained or lost"): number(format=signed, help=say("All reasons together, payments apart.")),
            say("By labels"): number(
                format=signed, help=say("Under wager: from those who were wrong to those who were right.")
            ),
            say("By levelling"): number(
                format=signed, help=say("Under wager: every stake goes a little towards its share again.")
            ),
            say("By dissent"): number(
                format=signed, help=say("Under seed: what dissenting from the consensus cost.")
            ),
            say("Paid in"): number(format=signed, help=say("Paid in, less taken out, by the operator.")),
            say("Stake now"): number(format="%.4f", help=say("After the last of these blocks.")),
        },
    )


def sentence(page: StakesPage) -> str:
    """Who gained most and who lost most; empty where nobody did."""
    ordered: Sequence[StakeMoves] = sorted(page.nodes, key=lambda one: (-_gained(one), one.node))
    if not ordered or not any(_gained(one) for one in ordered):
        return ""
    parts = []
    if _gained(ordered[0]) > 0:
        parts.append(say("Most was gained by {nodes}: {amount}.", **_named(ordered, _gained(ordered[0]))))
    if _gained(ordered[-1]) < 0:
        parts.append(say("Most was lost by {nodes}: {amount}.", **_named(ordered, _gained(ordered[-1]))))
    return " ".join(parts)


def _named(nodes: Sequence[StakeMoves], amount: float) -> dict[str, str]:
    """All who gained or lost as much as that, and how much."""
    alike = ", ".join(f"**{words.plain(one.node)}**" for one in nodes if _gained(one) == amount)
    return {"nodes": alike, "amount": language.decimal(amount, "+#,##0.00;−#,##0.00")}


def _gained(one: StakeMoves) -> float:
    return round(one.judged + one.levelled + one.slashed, 6)


def _result(amount: float) -> str:
    if not amount:
        return say("= unchanged")
    return say("▲ gained") if amount > 0 else say("▼ lost")
