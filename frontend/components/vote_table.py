"""Every node's vote in words and as a table; the picture of the same is in `frontend.charts.votes`."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict, Vote
from concord.types.nodes import NodeView
from frontend.text import wording as words
from frontend.text.language import say, told


def rows(schema: TaskSchema, verdict: Verdict) -> list[dict[str, Any]]:
    """The table's rows, the weightiest vote first; what a node did not say is None."""
    ordered = sorted(verdict.votes, key=lambda vote: (-vote.weight, vote.node))
    is_pooled = verdict.pool is not None
    return [_row(schema, vote, is_weighed=is_pooled and vote.outcome == "voted") for vote in ordered]


def table(schema: TaskSchema, verdict: Verdict) -> None:
    """Shows who voted what, with which weight, how fast."""
    frame = pd.DataFrame(rows(schema, verdict))
    column = st.column_config.NumberColumn
    st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=words.describe(schema, verdict),
        column_config={
            say("Node"): st.column_config.TextColumn(pinned=True),
            say("Version"): st.column_config.TextColumn(help=say("Version of the model in the registry.")),
            say("Probability"): column(format="%.1f%%", help=say("How sure the node is of its own vote.")),
            say("Weight"): column(format="%.1f%%", help=say("The node's share in this answer.")),
            say("Latency (ms)"): column(format="%.1f", help=say("From asking the node to its answer.")),
            say("Outcome"): st.column_config.TextColumn(help=say("What the node did in this round.")),
        },
    )


def absent(verdict: Verdict) -> None:
    """Says of every node that did not vote what happened."""
    lines = words.absent(verdict.votes)
    if lines:
        st.markdown("\n".join(f"- {line}" for line in lines))


def states(nodes: Sequence[NodeView]) -> None:
    """Shows which nodes of a task are up, and why the others are not."""
    frame = pd.DataFrame(
        [
            {
                say("Node"): node.node,
                say("State"): f"{'✔' if node.status == 'up' else '✕'} {say(node.status)}",
                say("Standing"): say(node.standing),
                say("Version"): node.version,
                say("Reason"): node.reason or node.standing_reason,
            }
            for node in nodes
        ]
    )
    st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=say("The nodes and whether they are up."),
    )


def _row(schema: TaskSchema, vote: Vote, *, is_weighed: bool) -> dict[str, Any]:
    look = words.OUTCOMES[vote.outcome]
    return {
        say("Node"): vote.node,
        **_said(schema, vote),
        say("Weight"): vote.weight * 100 if is_weighed else None,
        say("Outcome"): f"{look.symbol} {say(look.word)}",
        say("Latency (ms)"): vote.latency_ms,
        say("Version"): vote.version,
    }


def _said(schema: TaskSchema, vote: Vote) -> dict[str, Any]:
    if schema.is_regression:
        return {say("Vote"): None if vote.value is None else words.value(schema, vote.value)}
    share = (vote.probabilities or {}).get(vote.label or "")
    label = None if vote.label is None else told(vote.label)
    return {say("Vote"): label, say("Probability"): None if share is None else share * 100}
