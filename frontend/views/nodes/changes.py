"""What changed the stake and the standing of nodes, and why: the newest as a list, all of it as a table."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import pandas as pd
import streamlit as st

from concord.types.nodes import NodeView
from frontend.text import wording as words
from frontend.text.language import say, say_count
from frontend.views.nodes import standings
from frontend.views.nodes.data import Change

NEWEST: Final = 8
"""Changes that are told as a list; the table has all of them."""


def show(nodes: Sequence[NodeView], changes: Sequence[Change]) -> None:
    """Draws them, the newest first.

    Args:
        nodes: The nodes of a task.
        changes: What changed, the oldest first; at least one.
    """
    st.subheader(say("What changed, and why"))
    everybody = ""
    chosen = st.selectbox(
        say("Changes of"),
        [everybody, *(node.node for node in nodes)],
        format_func=lambda name: name or say("all nodes"),
        key="nodes/changes-of",
    )
    is_plain = st.toggle(
        say("Without the settlements that labels bring"),
        key="nodes/no-settlements",
        help=say("Leaves what is out of the ordinary: openings, top-ups, jailings, releases, versions."),
    )
    wanted = [
        change
        for change in reversed(changes)
        if chosen in (everybody, None, change.node)
        and not (is_plain and change.entry.event == standings.ORDINARY)
    ]
    if not wanted:
        st.info(say("Nothing of that kind happened in these blocks."), icon=":material/filter_alt:")
        return
    st.markdown("\n".join(f"- {_told(change)}" for change in wanted[:NEWEST]))
    with st.expander(
        say_count("The change as a table", "All {count} changes as a table", len(wanted)), expanded=False
    ):
        _table(wanted)


def _told(change: Change) -> str:
    entry = change.entry
    moved = (
        f" {standings.amount(entry.change, signed=True)} → {standings.amount(entry.stake)}"
        if entry.change
        else ""
    )
    return (
        f"{standings.moment(entry.time)} UTC · **{words.plain(change.node)}** "
        f"{standings.shown(standings.happened(entry))}{moved}: {words.plain(standings.why(entry))}"
    )


def _table(changes: Sequence[Change]) -> None:
    rows = [
        {
            say("Time (UTC)"): standings.moment(change.entry.time),
            say("Node"): change.node,
            say("What"): standings.told(standings.happened(change.entry)),
            say("Change"): change.entry.change,
            say("Stake"): change.entry.stake,
            say("Why"): standings.why(change.entry),
            say("Block"): change.entry.height,
        }
        for change in changes
    ]
    number = partial(st.column_config.NumberColumn, format="%.4f")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        alt=say("What changed the nodes' stake and standing, the newest first."),
        column_config={
            say("Change"): number(help=say("Stake that it gained or lost.")),
            say("Stake"): number(help=say("What it held afterwards.")),
            say("Why"): st.column_config.TextColumn(width="large"),
        },
    )
