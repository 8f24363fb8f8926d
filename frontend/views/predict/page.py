"""The page Predict: a task, its form, and the answer with every node's vote.

The answer stands beside the form, on a narrow screen below it. The last answer of each task stays until the
next one.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from concord.tasks.schema import TaskSchema
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import answer, feedback, form, states, task_picker
from frontend.data import service
from frontend.data.service import AnsweredRow, Refusal
from frontend.text.language import _, ngettext

MissingInputs = dict[str, str]
"""Column → the message beside its empty input."""

FormOutcome = AnsweredRow | Refusal | MissingInputs | None
"""What a form led to; None before it was sent."""


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    tasks = task_picker.list_tasks(url)
    if not tasks:
        return
    # The order here is the order on a narrow screen, where the second stands below the first.
    left, right = st.columns([2, 3], gap="large")
    with left:
        task = task_picker.pick_task(tasks)
    with right:
        schema = task_picker.read_schema(url, task)
    if schema is None:
        return
    _ask(url, task, schema, left, right)


def _ask(
    url: str, task: TaskSummary, schema: TaskSchema, left: DeltaGenerator, right: DeltaGenerator
) -> None:
    button = ngettext("Ask the node", "Ask the {count} nodes", task.nodes)
    key = f"said/{task.task}/{schema.digest}"
    with left:
        entry = form.draw_form(schema, button)
    with right:
        if not task.ready:
            states.show_not_ready(url, task)
        if entry.is_submitted:
            st.session_state[key] = _predict(url, task, entry)
        outcome = _drop_filled(st.session_state.get(key), entry)
        _show(url, schema, outcome, button)
    entry.mark(_problems(outcome))


def _predict(url: str, task: TaskSummary, entry: form.FormEntry) -> FormOutcome:
    missing = entry.missing()
    if missing:
        return missing
    with st.spinner(_("Asking the nodes…")):
        return service.predict(access.find_reader(url).client, task.task, entry.row())


def _drop_filled(outcome: FormOutcome, entry: form.FormEntry) -> FormOutcome:
    """The last outcome, without messages about inputs that have been filled in since."""
    if isinstance(outcome, dict):
        return {name: why for name, why in outcome.items() if name in entry.missing()} or None
    return outcome


def _show(url: str, schema: TaskSchema, outcome: FormOutcome, button: str) -> None:
    if outcome is None:
        states.show_nothing_asked(button)
    elif isinstance(outcome, AnsweredRow):
        answer.show_answer(schema, outcome)
        feedback.draw_feedback(url, schema, outcome.verdict)
    elif isinstance(outcome, Refusal):
        states.show_refused(url, outcome, schema)
    else:
        states.show_incomplete(outcome, schema)


def _problems(outcome: FormOutcome) -> MissingInputs:
    """Messages beside the inputs: what is missing, or what the service refused."""
    if isinstance(outcome, Refusal):
        return {outcome.column: outcome.message} if outcome.column else {}
    return outcome if isinstance(outcome, dict) else {}
