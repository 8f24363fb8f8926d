"""Shows the votes as a table and in words; `frontend.charts.votes` draws them."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict, Vote
from concord.types.nodes import NodeView
from frontend.components.message import show_list
from frontend.components.table import show_table
from frontend.text import wording
from frontend.text.language import _, task_gettext


def list_vote_rows(schema: TaskSchema, verdict: Verdict) -> list[dict[str, Any]]:
    """The table's rows, the heaviest vote first; missing values are None."""
    ordered = sorted(verdict.votes, key=lambda vote: (-vote.weight, vote.node))
    is_pooled = verdict.pool is not None
    return [_row(schema, vote, is_weighed=is_pooled and vote.outcome == "voted") for vote in ordered]


def show_votes(schema: TaskSchema, verdict: Verdict) -> None:
    """Shows each node's vote, weight and latency."""
    column = st.column_config.NumberColumn
    show_table(
        list_vote_rows(schema, verdict),
        wording.describe_votes(schema, verdict),
        {
            _("Node"): st.column_config.TextColumn(pinned=True),
            _("Version"): st.column_config.TextColumn(help=_("Version of the model in the registry.")),
            _("Probability"): column(format="%.1f%%", help=_("How sure the node is of its own vote.")),
            _("Weight"): column(format="%.1f%%", help=_("The node's share in this answer.")),
            _("Latency (ms)"): column(format="%.1f", help=_("From asking the node to its answer.")),
            _("Outcome"): st.column_config.TextColumn(help=_("What the node did in this round.")),
        },
    )


def show_absent(verdict: Verdict) -> None:
    """Lists the voters that did not vote, and what happened."""
    show_list(wording.describe_absent(verdict.votes))


def show_node_states(nodes: Sequence[NodeView]) -> None:
    """Shows which nodes of a task are up, and why the others are not."""
    rows = [
        {
            _("Node"): node.node,
            _("State"): f"{'✔' if node.status == 'up' else '✕'} {_(node.status)}",
            _("Standing"): _(node.standing),
            _("Version"): node.version,
            _("Reason"): node.reason or node.standing_reason,
        }
        for node in nodes
    ]
    show_table(rows, _("The nodes and whether they are up."))


def _row(schema: TaskSchema, vote: Vote, *, is_weighed: bool) -> dict[str, Any]:
    badge = wording.OUTCOMES[vote.outcome]
    return {
        _("Node"): vote.node,
        **_vote_cells(schema, vote),
        _("Weight"): vote.weight * 100 if is_weighed else None,
        _("Outcome"): badge.text,
        _("Latency (ms)"): vote.latency_ms,
        _("Version"): vote.version,
    }


def _vote_cells(schema: TaskSchema, vote: Vote) -> dict[str, Any]:
    if schema.is_regression:
        return {_("Vote"): None if vote.value is None else wording.format_value(schema, vote.value)}
    share = (vote.probabilities or {}).get(vote.label or "")
    label = None if vote.label is None else task_gettext(vote.label)
    return {_("Vote"): label, _("Probability"): None if share is None else share * 100}
