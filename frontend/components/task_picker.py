"""Draws the choice of a task, which the page's address names, so that it can be passed on."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.tasks.schema import TaskSchema
from concord.types.tasks import TaskSummary
from frontend.components import states
from frontend.components.message import show_small
from frontend.data import service
from frontend.text import wording
from frontend.text.language import _, task_gettext

_ADDRESS: Final = "task"
_KEPT: Final = "task/kept"


def list_tasks(url: str) -> list[TaskSummary]:
    """All tasks; where there is none, the page says why."""
    try:
        tasks = service.list_tasks(url)
    except ConcordError as error:
        states.show_away(url, error)
        return []
    if not tasks:
        states.show_no_tasks()
    return tasks


def pick(url: str) -> TaskSummary | None:
    """Draws the choice of a task; where there is no task, the page says why and the result is None."""
    tasks = list_tasks(url)
    return pick_task(tasks) if tasks else None


def read_schema(url: str, task: TaskSummary) -> TaskSchema | None:
    """A task's schema; where no node has answered yet, the page says so and the result is None."""
    try:
        return service.read_schema(url, task.task)
    except ConcordError as error:
        if error.code == "no_quorum":
            states.show_not_ready(url, task)
        else:
            states.show_away(url, error)
        return None


def pick_task(tasks: Sequence[TaskSummary]) -> TaskSummary:
    """Draws the choice, what the task is about and how it stands, and returns what was chosen.

    Args:
        tasks: At least one.
    """
    name = pick_name(tasks)
    chosen = next((task for task in tasks if task.task == name), tasks[0])
    facts = [
        _("{up} of {nodes} nodes up", up=chosen.nodes_up, nodes=chosen.nodes),
        _("policy {policy}", policy=chosen.policy),
    ]
    if chosen.asks:
        facts.append(_("asks the nodes of {task}", task=wording.escape(chosen.asks)))
    st.markdown(wording.escape(task_gettext(chosen.description)))
    show_small(" · ".join(facts))
    return chosen


def pick_name(
    tasks: Sequence[TaskSummary], key: str = _ADDRESS, kept: str = _KEPT, *, with_all: bool = False
) -> str | None:
    """Draws the choice alone, and has the page's address name it.

    Args:
        tasks: At least one.
        key: Of the box.
        kept: Where the session keeps the choice when it goes to another page, which empties the address.
        with_all: Whether there is an entry for all tasks together, which is None and is chosen at first.
    """
    by_name = {task.task: task for task in tasks}
    names = [None, *by_name] if with_all else [*by_name]
    current = st.query_params.get(_ADDRESS) or st.session_state.get(kept)
    chosen = st.selectbox(
        _("Task"),
        names,
        index=names.index(current) if current in by_name else 0,
        format_func=lambda name: (
            wording.format_task(by_name[name], tasks) if name in by_name else name or _("All tasks")
        ),
        key=key,
        on_change=_name_in_address,
        args=(key,),
    )
    st.session_state[kept] = chosen
    return chosen


def _name_in_address(key: str) -> None:
    chosen = st.session_state[key]
    if chosen is None:
        st.query_params.pop(_ADDRESS, None)
    else:
        st.query_params[_ADDRESS] = chosen
