"""What changed the stake and standing of nodes, and why: the newest as a list, all as a table."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import streamlit as st

from concord.types.nodes import NodeView
from frontend.components.message import show_list
from frontend.components.table import show_table
from frontend.text import times, wording
from frontend.text.language import _, ngettext
from frontend.views.nodes import standings
from frontend.views.nodes.data import AccountChange

NEWEST: Final = 8
"""Changes in the list; the table has all of them."""


def show_changes(nodes: Sequence[NodeView], changes: Sequence[AccountChange]) -> None:
    """Draws them, the newest first.

    Args:
        nodes: The nodes of a task.
        changes: What changed, the oldest first; at least one.
    """
    st.subheader(_("What changed, and why"))
    all_nodes = ""
    chosen = st.selectbox(
        _("Changes of"),
        [all_nodes, *(node.node for node in nodes)],
        format_func=lambda name: name or _("all nodes"),
        key="nodes/changes-of",
    )
    is_extraordinary = st.toggle(
        _("Without the settlements that labels bring"),
        key="nodes/no-settlements",
        help=_("Leaves what is out of the ordinary: openings, top-ups, jailings, releases, versions."),
    )
    selected = [
        change
        for change in reversed(changes)
        if chosen in (all_nodes, None, change.node)
        and not (is_extraordinary and change.entry.event == standings.ORDINARY)
    ]
    if not selected:
        st.info(_("Nothing of that kind happened in these blocks."), icon=":material/filter_alt:")
        return
    show_list(_describe_change(change) for change in selected[:NEWEST])
    with st.expander(
        ngettext("The change as a table", "All {count} changes as a table", len(selected)), expanded=False
    ):
        _table(selected)


def _describe_change(change: AccountChange) -> str:
    entry = change.entry
    moved = (
        f" {standings.format_stake(entry.change, signed=True)} → {standings.format_stake(entry.stake)}"
        if entry.change
        else ""
    )
    return (
        f"{times.format_utc(entry.time)} UTC · **{wording.escape(change.node)}** "
        f"{standings.event_badge(entry).markdown()}{moved}: {wording.escape(standings.event_reason(entry))}"
    )


def _table(changes: Sequence[AccountChange]) -> None:
    rows = [
        {
            _("Time (UTC)"): times.format_utc(change.entry.time),
            _("Node"): change.node,
            _("What"): standings.event_badge(change.entry).text,
            _("Change"): change.entry.change,
            _("Stake"): change.entry.stake,
            _("Why"): standings.event_reason(change.entry),
            _("Block"): change.entry.height,
        }
        for change in changes
    ]
    number = partial(st.column_config.NumberColumn, format="%.4f")
    show_table(
        rows,
        _("What changed the nodes' stake and standing, the newest first."),
        {
            _("Change"): number(help=_("Stake that it gained or lost.")),
            _("Stake"): number(help=_("What it held afterwards.")),
            _("Why"): st.column_config.TextColumn(width="large"),
        },
    )
