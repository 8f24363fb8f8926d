"""The page about a task's models: their versions, what each measured, which one answers, and who decides.

Everybody may look. What is served comes from the consensus service, metrics and pictures from MLflow
where its address is given; each may be away without the other. Decisions take a right and a dialog.
"""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.types.models import Comparison, ModelView
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import confirm, states
from frontend.components import task_picker as choice
from frontend.text import wording as words
from frontend.text.language import say
from frontend.views.models import comparison as contest
from frontend.views.models import data as asking
from frontend.views.models import decisions, measured, versions

ROLLING_SECONDS: Final = 2
"""How often an open page looks whether a node has changed over."""

_COMPARED: Final = "models/compared"
"""Where a session keeps its comparisons, by model and by the versions that were compared."""


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
        views = [view for view in asking.listing(url) if view.task == task.task]
    except ConcordError as error:
        states.away(url, error)
        return
    if not views:
        _none(task)
        return
    versions.overview(views)
    for view in views:
        _problems(view)
    view = _chosen(views)
    _model(url, view)
    if any(one.rolling for one in views):
        _watch(url, task.task, views)


def _none(task: TaskSummary) -> None:
    if task.asks:
        text = say(
            "**This task has no models of its own.** It asks the nodes of {task}.",
            task=words.plain(task.asks),
        )
    else:
        text = say("**This task has no models yet.** They appear here once they are trained and served.")
    st.info(text, icon=":material/inbox:")


def _problems(view: ModelView) -> None:
    name = words.plain(view.node)
    if view.problem:
        st.warning(
            say(
                "**{node}: not everything could be looked at.** {message}",
                node=name,
                message=words.plain(view.problem),
            ),
            icon=":material/cloud_off:",
        )
    if view.dropped:
        st.warning(
            say(
                "**{node}: the version beside it answers no more.** {message}",
                node=name,
                message=words.plain(view.dropped),
            ),
            icon=":material/person_off:",
        )
    if view.rolling:
        st.info(
            say("**{node} is changing over.** This page shows by itself when it is done.", node=name),
            icon=":material/sync:",
        )


def _chosen(views: Sequence[ModelView]) -> ModelView:
    by_name = {view.name: view for view in views}
    name = st.selectbox(
        say("Model"),
        list(by_name),
        format_func=lambda name: by_name[name].node if name in by_name else name,
        key=f"models/model/{views[0].task}",
    )
    return by_name.get(name or "", views[0])


def _model(url: str, view: ModelView) -> None:
    listed = view.registry.versions if view.registry else []
    st.subheader(say("Versions of {model}", model=words.plain(view.name)))
    if view.registry is None and not view.problem:
        st.info(
            say(
                "**The consensus service knows no registry.** Only what the nodes serve is shown. An "
                "operator names MLflow's address in `MLFLOW_TRACKING_URI`."
            ),
            icon=":material/cloud_off:",
        )
    elif view.registry is not None and not listed:
        st.info(say("**The registry has no version of this model.**"), icon=":material/inbox:")
    if listed:
        versions.table(view, listed)
        measured.show(view, listed)
    _contest(url, view)
    st.subheader(say("Decide"))
    client = access.acting(url)
    if client is None:
        access.sign_in_hint("decide")
    else:
        decisions.offer(client, view)


def _contest(url: str, view: ModelView) -> None:
    st.subheader(say("On labelled rounds"))
    if view.challenger is None:
        st.info(
            say(
                "**One version serves, so there is nothing to compare.** Two versions are compared on "
                "labelled rounds while one of them is tried beside the other: try one below."
            ),
            icon=":material/balance:",
        )
        return
    st.markdown(say("Both versions answered the same rounds, of which it is known by now what was true."))
    place = (view.name, view.champion, view.challenger)
    kept: dict[tuple[str | None, ...], Comparison] = st.session_state.setdefault(_COMPARED, {})
    if st.button(say("Compare on labelled rounds"), icon=":material/balance:", key="models/compare"):
        try:
            with st.spinner(say("Going through the labelled rounds; many take half a minute…")):
                kept[place] = asking.compare(access.reading(url).client, view.name)
        except ConcordError as error:
            kept.pop(place, None)
            text = say("**Nothing was compared.** {message}", message=words.plain(error.message))
            st.error(text, icon=":material/balance:")
            if error.code in {"unauthorized", "forbidden"}:
                access.sign_in_hint("compare")
    if place in kept:
        contest.show(kept[place], is_light=st.context.theme.type == "light")


@st.fragment(run_every=ROLLING_SECONDS)
def _watch(url: str, task: str, seen: Sequence[ModelView]) -> None:
    """Draws the page anew once a node that changes over has come further."""
    try:
        now = [view for view in asking.listing(url) if view.task == task]
    except ConcordError:
        return
    if now != list(seen):
        st.rerun()
