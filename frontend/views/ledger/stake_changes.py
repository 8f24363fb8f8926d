"""Stake over the blocks: a line of steps for each node, and a table of gains and losses by reason.

A gain has a sign and a word in the table. Sums are the service's.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from concord.types.ledger import StakeMoves, StakesPage
from frontend.charts.stake_over_time import describe_course, draw_stakes, line_points, thin_out
from frontend.components.table import show_table
from frontend.text import language, wording
from frontend.text.language import _


def draw_stake_by_block(page: StakesPage) -> alt.LayerChart:
    """Draws the stake of each node over the blocks of a page with at least one node."""
    x = alt.X(
        "height:Q",
        title=_("Block"),
        scale=alt.Scale(zero=False, nice=False),
        axis=alt.Axis(tickCount=4, tickMinStep=1),
    )
    tooltip = alt.Tooltip("height:Q", title=_("Block"), format=",d")
    return draw_stakes(list_points(page), [moves.node for moves in page.nodes], x, tooltip)


def list_points(page: StakesPage) -> list[dict[str, Any]]:
    """The points of the lines."""
    points = []
    for moves in page.nodes:
        start = [] if moves.start is None else [(page.first, moves.start)]
        steps = [*start, *thin_out(moves.points), (page.last, moves.end)]
        points += line_points(moves.node, "height", steps)
    return points


def describe_stakes(page: StakesPage) -> str:
    """The chart as text: each node's first and last stake."""
    parts = [
        describe_course(
            moves.node, wording.format_number(moves.start or 0.0), wording.format_number(moves.end)
        )
        for moves in page.nodes
    ]
    return _("Stake of the nodes over the blocks. {nodes}.", nodes="; ".join(parts))


def list_rows(page: StakesPage) -> list[dict[str, Any]]:
    """The table's rows, the largest gain first, with the reasons there were; the treasury's is last."""
    ordered = sorted(page.nodes, key=lambda moves: (-_gain_of(moves), moves.node))
    reasons = {
        _("By labels"): [moves.judged for moves in ordered],
        _("By levelling"): [moves.levelled for moves in ordered],
        _("By dissent"): [moves.slashed for moves in ordered],
        _("Paid in"): [moves.paid for moves in ordered],
    }
    # A narrow screen has no room for columns of noughts.
    reasons = {name: amounts for name, amounts in reasons.items() if any(amounts)}
    rows: list[dict[str, Any]] = [
        {
            _("Node"): moves.node,
            _("Result"): _format_result(_gain_of(moves)),
            _("Gained or lost"): _gain_of(moves),
            **{name: amounts[index] for name, amounts in reasons.items()},
            _("Stake now"): moves.end,
        }
        for index, moves in enumerate(ordered)
    ]
    if page.treasury:
        treasury = {_("Node"): _("(treasury)"), _("Result"): _format_result(page.treasury)}
        rows.append({**treasury, _("Gained or lost"): page.treasury, _("By dissent"): page.treasury})
    return rows


def show_gains(page: StakesPage) -> None:
    """Shows who gained and who lost, by reason."""
    number = st.column_config.NumberColumn
    signed = "%+.4f"
    columns = {
        _("Node"): st.column_config.TextColumn(pinned=True),
        _("Gained or lost"): number(format=signed, help=_("All reasons together, payments apart.")),
        _("By labels"): number(
            format=signed, help=_("Under wager: from those who were wrong to those who were right.")
        ),
        _("By levelling"): number(
            format=signed, help=_("Under wager: every stake goes a little towards its share again.")
        ),
        _("By dissent"): number(
            format=signed, help=_("Under seed: what dissenting from the consensus cost.")
        ),
        _("Paid in"): number(format=signed, help=_("Paid in, less taken out, by the operator.")),
        _("Stake now"): number(format="%.4f", help=_("After the last of these blocks.")),
    }
    show_table(list_rows(page), describe_stakes(page), columns)


def describe_gains(page: StakesPage) -> str:
    """Who gained most and who lost most; empty where nobody did."""
    ordered: Sequence[StakeMoves] = sorted(page.nodes, key=lambda moves: (-_gain_of(moves), moves.node))
    if not ordered or not any(_gain_of(moves) for moves in ordered):
        return ""
    parts = []
    if _gain_of(ordered[0]) > 0:
        parts.append(_("Most was gained by {nodes}: {amount}.", **_nodes_with(ordered, _gain_of(ordered[0]))))
    if _gain_of(ordered[-1]) < 0:
        parts.append(_("Most was lost by {nodes}: {amount}.", **_nodes_with(ordered, _gain_of(ordered[-1]))))
    return " ".join(parts)


def _nodes_with(nodes: Sequence[StakeMoves], amount: float) -> dict[str, str]:
    """All who gained or lost as much as that, and how much."""
    alike = ", ".join(f"**{wording.escape(moves.node)}**" for moves in nodes if _gain_of(moves) == amount)
    return {"nodes": alike, "amount": language.format_decimal(amount, "+#,##0.00;−#,##0.00")}


def _gain_of(moves: StakeMoves) -> float:
    return round(moves.judged + moves.levelled + moves.slashed, 6)


def _format_result(amount: float) -> str:
    if not amount:
        return _("= unchanged")
    return _("▲ gained") if amount > 0 else _("▼ lost")
