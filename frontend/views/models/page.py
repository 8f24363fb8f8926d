"""The page Models: versions of a task's models, what they measured, and decisions about them.

Everybody may look. What is served comes from the consensus service, metrics and plots from MLflow; either
may be away. Decisions take a token and a confirmation.
"""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.types.models import Comparison, ModelView
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import confirm, states, task_picker
from frontend.data import service
from frontend.text import wording
from frontend.text.language import N_, _
from frontend.views.models import data, decisions, versions
from frontend.views.models.comparison_result import show_comparison
from frontend.views.models.training_metrics import show_training

ROLLING_SECONDS: Final = 2
"""How often an open page checks whether a node has finished changing its version."""

_COMPARISONS: Final = "models/compared"
"""Where a session keeps its comparisons, by model and by the versions that were compared."""

_PROBLEMS: Final = (
    ("problem", N_("**{node}: not everything could be looked at.** {message}"), ":material/cloud_off:"),
    ("dropped", N_("**{node}: the version beside it answers no more.** {message}"), ":material/person_off:"),
)
"""Field of a model that says what is wrong, the sentence around it, and its icon."""


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
        views = [view for view in data.list_models(url) if view.task == task.task]
    except ConcordError as error:
        states.show_away(url, error)
        return
    if not views:
        _show_no_models(task)
        return
    versions.show_models(views)
    for view in views:
        _show_problems(view)
    view = _pick_model(views)
    _show_model(url, view)
    if any(model.rolling for model in views):
        _rerun_on_change(url, task.task, views)


def _show_no_models(task: TaskSummary) -> None:
    if task.asks:
        text = _(
            "**This task has no models of its own.** It asks the nodes of {task}.",
            task=wording.escape(task.asks),
        )
    else:
        text = _("**This task has no models yet.** They appear here once they are trained and served.")
    st.info(text, icon=":material/inbox:")


def _show_problems(view: ModelView) -> None:
    name = wording.escape(view.node)
    for field, text, icon in _PROBLEMS:
        message = getattr(view, field)
        if message:
            st.warning(_(text, node=name, message=wording.escape(message)), icon=icon)
    if view.rolling:
        st.info(
            _("**{node} is changing over.** This page shows by itself when it is done.", node=name),
            icon=":material/sync:",
        )


def _pick_model(views: Sequence[ModelView]) -> ModelView:
    by_name = {view.name: view for view in views}
    name = st.selectbox(
        _("Model"),
        list(by_name),
        format_func=lambda name: by_name[name].node if name in by_name else name,
        key=f"models/model/{views[0].task}",
    )
    return by_name.get(name or "", views[0])


def _show_model(url: str, view: ModelView) -> None:
    listed = view.registry.versions if view.registry else []
    st.subheader(_("Versions of {model}", model=wording.escape(view.name)))
    if view.registry is None and not view.problem:
        st.info(
            _(
                "**The consensus service knows no registry.** Only what the nodes serve is shown. An "
                "operator names MLflow's address in `MLFLOW_TRACKING_URI`."
            ),
            icon=":material/cloud_off:",
        )
    elif view.registry is not None and not listed:
        st.info(_("**The registry has no version of this model.**"), icon=":material/inbox:")
    if listed:
        versions.show_versions(view, listed)
        show_training(view, listed)
    _show_comparison(url, view)
    st.subheader(_("Decide"))
    client = access.find_client(url)
    if client is None:
        access.show_sign_in_hint("decide")
    else:
        decisions.offer_decisions(client, view)


def _show_comparison(url: str, view: ModelView) -> None:
    st.subheader(_("On labelled rounds"))
    if view.challenger is None:
        st.info(
            _(
                "**One version serves, so there is nothing to compare.** Two versions are compared on "
                "labelled rounds while one of them is tried beside the other: try one below."
            ),
            icon=":material/balance:",
        )
        return
    st.markdown(_("Both versions answered the same rounds, of which it is known by now what was true."))
    key = (view.name, view.champion, view.challenger)
    comparisons: dict[tuple[str | None, ...], Comparison] = st.session_state.setdefault(_COMPARISONS, {})
    if st.button(_("Compare on labelled rounds"), icon=":material/balance:", key="models/compare"):
        try:
            with st.spinner(_("Going through the labelled rounds; many take half a minute…")):
                comparisons[key] = access.find_reader(url).client.compare(view.name)
        except ConcordError as error:
            comparisons.pop(key, None)
            text = _("**Nothing was compared.** {message}", message=wording.escape(error.message))
            st.error(text, icon=":material/balance:")
            if error.code in service.CLOSED:
                access.show_reading_hint("compare")
    if key in comparisons:
        show_comparison(comparisons[key])


@st.fragment(run_every=ROLLING_SECONDS)
def _rerun_on_change(url: str, task: str, drawn: Sequence[ModelView]) -> None:
    """Draws the page anew once a node that changes its version has advanced."""
    try:
        now = [view for view in data.list_models(url) if view.task == task]
    except ConcordError:
        return
    if now != list(drawn):
        st.rerun()
