"""The page Nodes: how each node stands, how its stake moved, and why.

Everybody may look. Releasing a node that does not count takes a token and a confirmation; the service
decides.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import streamlit as st

from concord.client import Client
from concord.errors import ConcordError
from concord.types.nodes import NodeView
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import confirm, states, task_picker
from frontend.components.chart import show_chart
from frontend.components.confirm import ConfirmedAction
from frontend.components.message import offer_refresh, show_fault, show_list, show_small
from frontend.components.table import show_table
from frontend.data import service
from frontend.text import wording
from frontend.text.language import N_, _
from frontend.views.nodes import data, standings
from frontend.views.nodes.account_changes import show_changes
from frontend.views.nodes.stake_history import describe_stakes, draw_stake_history

_PAGES: Final = "nodes/pages"
"""Where a session keeps how far it looks back, by task."""


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    confirm.show_done()
    task = task_picker.pick(url)
    if task is None:
        return
    try:
        nodes = service.list_nodes(url, task.task)
    except ConcordError as error:
        states.show_away(url, error)
        return
    if not nodes:
        st.info(_("**This task has no nodes.** Nobody answers it."), icon=":material/inbox:")
        return
    _show_nodes(url, task, nodes)
    _show_history(url, task, nodes)
    read = partial(_read_node_states, url, task.task)
    states.rerun_on_change(read, read())


def _show_nodes(url: str, task: TaskSummary, nodes: Sequence[NodeView]) -> None:
    _show_table(nodes)
    if not any(node.labelled for node in nodes):
        show_small(
            _("No labels yet: hit rate and skill come with the first round of which the truth is known.")
        )
    show_list([*standings.list_concerns(nodes), *standings.list_trials(nodes)])
    uncounted = [node for node in nodes if node.standing != "active"]
    if not uncounted:
        return
    client = access.find_client(url)
    if client is None:
        access.show_sign_in_hint("release")
        return
    with st.container(horizontal=True):
        for node in uncounted:
            confirm.offer_action(_make_release(client, task, node))


def _show_table(nodes: Sequence[NodeView]) -> None:
    column = st.column_config.NumberColumn
    show_table(
        [_row(node) for node in nodes],
        _describe_nodes(nodes),
        {
            _("Node"): st.column_config.TextColumn(pinned=True),
            _("Stake"): column(format="%.2f", help=_("What it holds, and may lose by being wrong.")),
            _("Influence"): column(format="%.1f%%", help=_("Its share of the say in the next answer.")),
            _("Hit rate"): column(format="%.1f%%", help=_("Labelled rounds in which its version was right.")),
            _("Skill"): column(
                format="%.3f", help=_("How good its probabilities or values were lately; 1 is best.")
            ),
            _("Latency (ms)"): column(format="%.1f", help=_("From asking the node to its answer.")),
            _("Version"): st.column_config.TextColumn(help=_("Version of the model in the registry.")),
        },
    )


def _row(node: NodeView) -> dict[str, object]:
    return {
        _("Node"): node.node,
        _("Standing"): standings.standing_badge(node).text,
        _("State"): standings.state_badge(node).text,
        _("Stake"): node.stake,
        _("Influence"): node.weight * 100,
        _("Hit rate"): None if node.hit_rate is None else node.hit_rate * 100,
        _("Skill"): node.skill,
        _("Latency (ms)"): node.latency_ms,
        _("Version"): node.version,
    }


def _describe_nodes(nodes: Sequence[NodeView]) -> str:
    parts = [
        _(
            "{node}: {standing}, stake {stake}, influence {influence}",
            node=node.node,
            standing=_(standings.standing_badge(node).word),
            stake=standings.format_stake(node.stake),
            influence=wording.format_share(node.weight),
        )
        for node in nodes
    ]
    return _("The nodes. {nodes}.", nodes="; ".join(parts))


def _make_release(client: Client, task: TaskSummary, node: NodeView) -> ConfirmedAction:
    name = wording.escape(node.node)
    effects = [
        _("**{node}** counts again from the next block on, with the stake that it holds.", node=name),
        _("Its skill stays, its regret is counted from 0 again; going on as before jails it again."),
        _("The ledger keeps for good that it was released, and why."),
    ]
    if node.standing == "probation":
        effects[1] = _("Nothing more is watched before its vote counts.")

    def act(reason: str, key: str) -> str:
        client.release(task.task, node.node, reason, key=key)
        data.clear_cache()
        return _("**{node}** counts again.", node=name)

    return ConfirmedAction(
        f"release/{task.task}/{node.node}",
        _("Release {node}", node=name),
        ":material/lock_open:",
        effects,
        act,
    )


def _show_history(url: str, task: TaskSummary, nodes: Sequence[NodeView]) -> None:
    st.subheader(_("Stake over time"))
    pages = st.session_state.setdefault(_PAGES, {}).get(task.task, 1)
    try:
        with st.spinner(_("Reading the ledger…")):
            changes = data.list_changes(url, task.task, [node.node for node in nodes], pages)
            first = data.first_block(url, pages)
    except ConcordError as error:
        # Only the history is missing: the nodes above are shown.
        text = N_("**The history cannot be read.** {message}")
        show_fault(st.warning, text, error.message, ":material/history_toggle_off:")
        return
    if changes:
        show_chart(draw_stake_history(nodes, changes), describe_stakes(nodes, changes))
    else:
        st.info(
            _("**Nothing has moved any stake in these blocks.** It moves once rounds get their labels."),
            icon=":material/history:",
        )
    _offer_older_blocks(task.task, pages, first)
    if changes:
        show_changes(nodes, changes)


def _offer_older_blocks(task: str, pages: int, first: int) -> None:
    show_small(_("Looked back as far as block {block}.", block=wording.format_number(first)))
    with st.container(horizontal=True):
        offer_refresh(data.clear_cache, "nodes/again")
        st.button(
            _("Look further back"),
            icon=":material/history:",
            disabled=first <= 1,
            on_click=_look_further_back,
            args=(task, pages),
            help=_("The whole history is shown.") if first <= 1 else None,
        )


def _look_further_back(task: str, pages: int) -> None:
    st.session_state[_PAGES][task] = pages + 1


def _read_node_states(url: str, task: str) -> Sequence[tuple[str | None, ...]]:
    """What the page is drawn from: each node's name, status, standing and version."""
    try:
        return tuple(
            (node.node, node.status, node.standing, node.version) for node in service.list_nodes(url, task)
        )
    except ConcordError:
        return ()
