"""The page where a person asks: a task, its form, the answer with every node's vote.

On a wide screen the answer stands beside the form, on a narrow one just below its button. The last
answer of each task stays until the next one, whatever else is pressed.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from concord.errors import ConcordError
from concord.schema import TaskSchema
from concord.wire import TaskSummary
from frontend import answers, choice, forms, service, states, truth
from frontend.language import say, say_count
from frontend.service import Answer, Refusal

Missing = dict[str, str]
"""Column → why it was not asked about."""

Said = Answer | Refusal | Missing | None
"""What there is to show for a form: None before it has been sent."""


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    st.title(say("Predict"))
    _draw(url)
    states.watch(url, states.sight(url))


def _draw(url: str) -> None:
    try:
        tasks = service.tasks(url)
    except ConcordError as error:
        states.away(url, error)
        return
    if not tasks:
        states.no_tasks()
        return
    # The order here is the order on a narrow screen, where the second stands below the first.
    left, right = st.columns([2, 3], gap="large")
    with left:
        task = choice.task(tasks)
    try:
        schema = service.schema(url, task.task)
    except ConcordError as error:
        with right:
            _without_schema(url, task, error)
        return
    _ask(url, task, schema, left, right)


def _without_schema(url: str, task: TaskSummary, error: ConcordError) -> None:
    """What a task asks is known only once one of its nodes has answered."""
    if error.code == "no_quorum":
        states.not_ready(url, task)
    else:
        states.away(url, error)


def _ask(
    url: str, task: TaskSummary, schema: TaskSchema, left: DeltaGenerator, right: DeltaGenerator
) -> None:
    button = say_count("Ask the node", "Ask the {count} nodes", task.nodes)
    place = f"said/{task.task}/{schema.digest}"
    with left:
        entry = forms.draw(schema, button)
    with right:
        if not task.ready:
            states.not_ready(url, task)
        if entry.is_submitted:
            st.session_state[place] = _said(url, task, entry)
        said = _still(st.session_state.get(place), entry)
        _show(url, schema, said, button)
    entry.mark(_problems(said))


def _said(url: str, task: TaskSummary, entry: forms.Entry) -> Said:
    missing = entry.missing()
    if missing:
        return missing
    with st.spinner(say("Asking the nodes…")):
        return service.ask(url, task.task, entry.row())


def _still(said: Said, entry: forms.Entry) -> Said:
    """What was said last, without complaints about inputs that have been filled in since."""
    if isinstance(said, dict):
        return {name: why for name, why in said.items() if name in entry.missing()} or None
    return said


def _show(url: str, schema: TaskSchema, said: Said, button: str) -> None:
    if said is None:
        states.nothing_asked(button)
    elif isinstance(said, Answer):
        answers.show(schema, said)
        truth.draw(url, schema, said.verdict)
    elif isinstance(said, Refusal):
        states.refused(url, said, schema)
    else:
        states.incomplete(said, schema)


def _problems(said: Said) -> Missing:
    """What to show beside inputs: what is still missing, or what the service would not take."""
    if isinstance(said, Refusal):
        return {said.column: said.message} if said.column else {}
    return said if isinstance(said, dict) else {}
