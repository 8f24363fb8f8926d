"""The page about a task's nodes: how each stands, how its stake moved, and why.

Everybody may look. A node that does not count is released by who has the right to, after a dialog that
says what that does; the service decides, and writes down who did it and why.
"""

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from concord.client import Client
from concord.errors import ConcordError
from concord.types.nodes import NodeView
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import confirm, states
from frontend.components import task_picker as choice
from frontend.components.confirm import Step
from frontend.data import service
from frontend.text import wording as words
from frontend.text.language import say
from frontend.views.nodes import changes as changing
from frontend.views.nodes import data as asking
from frontend.views.nodes import stakes, standings

_PAGES: Final = "nodes/pages"
"""Where a session keeps how far it looks back, by task."""

Sight = tuple[tuple[str, str, str, str | None], ...]


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    confirm.done()
    tasks = choice.tasks(url)
    if not tasks:
        return
    task = choice.task(tasks)
    try:
        nodes = service.nodes(url, task.task)
    except ConcordError as error:
        states.away(url, error)
        return
    if not nodes:
        st.info(say("**This task has no nodes.** Nobody answers it."), icon=":material/inbox:")
        return
    _standing(url, task, nodes)
    _history(url, task, nodes)
    _watch(url, task.task, _sight(url, task.task))


def _standing(url: str, task: TaskSummary, nodes: Sequence[NodeView]) -> None:
    _table(nodes)
    if not any(node.labelled for node in nodes):
        st.markdown(
            words.small(
                say(
                    "No labels yet: hit rate and skill come with the first round of which the truth is known."
                )
            )
        )
    lines = [*standings.concerns(nodes), *standings.trials(nodes)]
    if lines:
        st.markdown("\n".join(f"- {line}" for line in lines))
    waiting = [node for node in nodes if node.standing != "active"]
    if not waiting:
        return
    client = access.acting(url)
    if client is None:
        access.sign_in_hint("release")
        return
    with st.container(horizontal=True):
        for node in waiting:
            confirm.offer(_release(client, task, node))


def _table(nodes: Sequence[NodeView]) -> None:
    column = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame([_row(node) for node in nodes]),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=_described(nodes),
        column_config={
            say("Node"): st.column_config.TextColumn(pinned=True),
            say("Stake"): column(format="%.2f", help=say("What it holds, and may lose by being wrong.")),
            say("Influence"): column(format="%.1f%%", help=say("Its share of the say in the next answer.")),
            say("Hit rate"): column(
                format="%.1f%%", help=say("Labelled rounds in which its version was right.")
            ),
            say("Skill"): column(
                format="%.3f", help=say("How good its probabilities or values were lately; 1 is best.")
            ),
            say("Latency (ms)"): column(format="%.1f", help=say("From asking the node to its answer.")),
            say("Version"): st.column_config.TextColumn(help=say("Version of the model in the registry.")),
        },
    )


def _row(node: NodeView) -> dict[str, object]:
    return {
        say("Node"): node.node,
        say("Standing"): standings.told(standings.standing(node)),
        say("State"): standings.told(standings.state(node)),
        say("Stake"): node.stake,
        say("Influence"): node.weight * 100,
        say("Hit rate"): None if node.hit_rate is None else node.hit_rate * 100,
        say("Skill"): node.skill,
        say("Latency (ms)"): node.latency_ms,
        say("Version"): node.version,
    }


def _described(nodes: Sequence[NodeView]) -> str:
    parts = [
        say(
            "{node}: {standing}, stake {stake}, influence {influence}",
            node=node.node,
            standing=say(standings.standing(node).word),
            stake=standings.amount(node.stake),
            influence=words.percent(node.weight),
        )
        for node in nodes
    ]
    return say("The nodes. {nodes}.", nodes="; ".join(parts))


def _release(client: Client, task: TaskSummary, node: NodeView) -> Step:
    name = words.plain(node.node)
    effects = [
        say("**{node}** counts again from the next block on, with the stake that it holds.", node=name),
        say("Its skill stays, its regret is counted from 0 again; going on as before jails it again."),
        say("The ledger keeps for good that it was released, and why."),
    ]
    if node.standing == "probation":
        effects[1] = say("Nothing more is watched before its vote counts.")

    def act(reason: str, key: str) -> str:
        asking.release(client, task.task, node.node, reason, key)
        return say("**{node}** counts again.", node=name)

    return Step(
        f"release/{task.task}/{node.node}",
        say("Release {node}", node=name),
        ":material/lock_open:",
        effects,
        act,
    )


def _history(url: str, task: TaskSummary, nodes: Sequence[NodeView]) -> None:
    st.subheader(say("Stake over time"))
    pages = st.session_state.setdefault(_PAGES, {}).get(task.task, 1)
    try:
        with st.spinner(say("Reading the ledger…")):
            changes = asking.changes(url, task.task, [node.node for node in nodes], pages)
            first = asking.reach(url, pages)
    except ConcordError as error:
        # The nodes above are known; only what moved them is not.
        st.warning(
            say("**The history cannot be read.** {message}", message=words.plain(error.message)),
            icon=":material/history_toggle_off:",
        )
        return
    if changes:
        st.altair_chart(
            stakes.picture(nodes, changes, is_light=st.context.theme.type == "light"),
            width="stretch",
            alt=stakes.describe(nodes, changes),
        )
    else:
        st.info(
            say("**Nothing has moved any stake in these blocks.** It moves once rounds get their labels."),
            icon=":material/history:",
        )
    st.markdown(words.small(say("Looked back as far as block {block}.", block=words.number(first))))
    with st.container(horizontal=True):
        st.button(say("Look again"), icon=":material/refresh:", on_click=asking.forget, key="nodes/again")
        st.button(
            say("Look further back"),
            icon=":material/history:",
            disabled=first <= 1,
            on_click=_further,
            args=(task.task, pages),
            help=say("The whole history is shown.") if first <= 1 else None,
        )
    if changes:
        changing.show(nodes, changes)


def _further(task: str, pages: int) -> None:
    st.session_state[_PAGES][task] = pages + 1


def _sight(url: str, task: str) -> Sight:
    """What a page is drawn anew for: who is there, who counts, what is served."""
    try:
        return tuple(
            (node.node, node.status, node.standing, node.version) for node in service.nodes(url, task)
        )
    except ConcordError:
        return ()


@st.fragment(run_every=states.WATCH_SECONDS)
def _watch(url: str, task: str, seen: Sight) -> None:
    if _sight(url, task) != seen:
        st.rerun()
