"""The page where a person asks: a task, its form, the answer with every node's vote.

On a wide screen the answer stands beside the form, on a narrow one just below its button. The last
answer of each task stays until the next one, whatever else is pressed.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from concord.tasks.schema import TaskSchema
from concord.types.tasks import TaskSummary
from frontend.components import answer as answers
from frontend.components import feedback as truth
from frontend.components import form as forms
from frontend.components import states
from frontend.components import task_picker as choice
from frontend.data import service
from frontend.data.service import Answer, Refusal
from frontend.text.language import say, say_count

Missing = dict[str, str]
"""Column → why it was not asked about."""

Said = Answer | Refusal | Missing | None
"""What there is to show for a form: None before it has been sent."""


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    tasks = choice.tasks(url)
    if not tasks:
        return
    # The order here is the order on a narrow screen, where the second stands below the first.
    left, right = st.columns([2, 3], gap="large")
    with left:
        task = choice.task(tasks)
    with right:
        schema = choice.schema(url, task)
    if schema is None:
        return
    _ask(url, task, schema, left, right)


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
