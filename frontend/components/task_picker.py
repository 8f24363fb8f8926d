"""Which task a page is about: a box to choose from, and the page's address, so that it can be passed on."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.tasks.schema import TaskSchema
from concord.types.tasks import TaskSummary
from frontend.components import states
from frontend.data import service
from frontend.text import wording as words
from frontend.text.language import say, told

_ADDRESS: Final = "task"
_KEPT: Final = "task/kept"
"""Where a session keeps its choice when it goes to another page, which empties the address."""


def tasks(url: str) -> list[TaskSummary]:
    """All tasks; none where there is nothing to choose from, which the page says then."""
    try:
        found = service.tasks(url)
    except ConcordError as error:
        states.away(url, error)
        return []
    if not found:
        states.no_tasks()
    return found


def schema(url: str, task: TaskSummary) -> TaskSchema | None:
    """What a task asks; None where no node has answered yet, or nothing answers, which the page says."""
    try:
        return service.schema(url, task.task)
    except ConcordError as error:
        if error.code == "no_quorum":
            states.not_ready(url, task)
        else:
            states.away(url, error)
        return None


def task(tasks: Sequence[TaskSummary]) -> TaskSummary:
    """Draws the box, what the task is about and how it stands, and returns what was chosen.

    Args:
        tasks: At least one.
    """
    by_name = {task.task: task for task in tasks}
    names = list(by_name)
    stated = st.query_params.get(_ADDRESS) or st.session_state.get(_KEPT, "")
    name = st.selectbox(
        say("Task"),
        names,
        index=names.index(stated) if stated in by_name else 0,
        format_func=lambda name: words.task_name(by_name[name], tasks) if name in by_name else name,
        key=_ADDRESS,
        on_change=_name_in_address,
    )
    chosen = by_name[name or names[0]]
    st.session_state[_KEPT] = chosen.task
    facts = [
        say("{up} of {nodes} nodes up", up=chosen.nodes_up, nodes=chosen.nodes),
        say("policy {policy}", policy=chosen.policy),
    ]
    if chosen.asks:
        facts.append(say("asks the nodes of {task}", task=words.plain(chosen.asks)))
    st.markdown(words.plain(told(chosen.description)))
    st.markdown(words.small(" · ".join(facts)))
    return chosen


def _name_in_address() -> None:
    st.query_params[_ADDRESS] = st.session_state[_ADDRESS]
