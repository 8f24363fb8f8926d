"""Which task a page is about: a box to choose from, and the page's address, so that it can be passed on."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.tasks.schema import TaskSchema
from concord.types.answers import TaskSummary
from frontend.components import states
from frontend.components.message import show_small
from frontend.data import service
from frontend.text import wording
from frontend.text.language import _, task_gettext

_ADDRESS: Final = "task"
_KEPT: Final = "task/kept"
"""Where a session keeps its choice when it goes to another page, which empties the address."""


def list_tasks(url: str) -> list[TaskSummary]:
    """All tasks; none where there is nothing to choose from, which the page says then."""
    try:
        tasks = service.list_tasks(url)
    except ConcordError as error:
        states.show_away(url, error)
        return []
    if not tasks:
        states.show_no_tasks()
    return tasks


def pick(url: str) -> TaskSummary | None:
    """Draws the choice of a task; None where there is no task, which the page says then."""
    tasks = list_tasks(url)
    return pick_task(tasks) if tasks else None


def read_schema(url: str, task: TaskSummary) -> TaskSchema | None:
    """What a task asks; None where no node has answered yet, or nothing answers, which the page says."""
    try:
        return service.read_schema(url, task.task)
    except ConcordError as error:
        if error.code == "no_quorum":
            states.show_not_ready(url, task)
        else:
            states.show_away(url, error)
        return None


def pick_task(tasks: Sequence[TaskSummary]) -> TaskSummary:
    """Draws the box, what the task is about and how it stands, and returns what was chosen.

    Args:
        tasks: At least one.
    """
    by_name = {task.task: task for task in tasks}
    names = list(by_name)
    name_in_address = st.query_params.get(_ADDRESS) or st.session_state.get(_KEPT, "")
    name = st.selectbox(
        _("Task"),
        names,
        index=names.index(name_in_address) if name_in_address in by_name else 0,
        format_func=lambda name: wording.format_task(by_name[name], tasks) if name in by_name else name,
        key=_ADDRESS,
        on_change=_name_in_address,
    )
    chosen = by_name[name or names[0]]
    st.session_state[_KEPT] = chosen.task
    facts = [
        _("{up} of {nodes} nodes up", up=chosen.nodes_up, nodes=chosen.nodes),
        _("policy {policy}", policy=chosen.policy),
    ]
    if chosen.asks:
        facts.append(_("asks the nodes of {task}", task=wording.escape(chosen.asks)))
    st.markdown(wording.escape(task_gettext(chosen.description)))
    show_small(" · ".join(facts))
    return chosen


def _name_in_address() -> None:
    st.query_params[_ADDRESS] = st.session_state[_ADDRESS]
