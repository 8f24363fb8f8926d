"""What a page shows when there is no answer: nothing asked, the service away, not ready, or a refusal.

Every state says what happened, what becomes of the person's inputs, and what to do next.
"""

import time
from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from concord.errors import ConcordError
from concord.tasks.schema import TaskSchema
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import vote_table
from frontend.components.message import offer_refresh, show_copyable, show_fault
from frontend.data import service
from frontend.data.service import Refusal
from frontend.text import wording
from frontend.text.language import N_, _, ngettext, task_gettext

WATCH_SECONDS = 5
"""How often an open page looks for new tasks and for a service that is back."""

TaskStates = tuple[tuple[str, str, bool], ...]
"""Name, title and readiness of each task; empty while the service is away."""


def read_task_states(url: str) -> TaskStates:
    """The tasks as they are now."""
    try:
        return tuple((task.task, task.title, task.ready) for task in service.list_tasks(url))
    except ConcordError:
        return ()


@st.fragment(run_every=WATCH_SECONDS)
def rerun_on_change(read: Callable[[], object], drawn: object) -> None:
    """Draws the page anew once it would show something else, such as a new task.

    Args:
        read: What there is to show now.
        drawn: What the page was drawn from.
    """
    if read() != drawn:
        st.rerun()


@st.fragment(run_every=WATCH_SECONDS)
def _retry(url: str, since: float) -> None:
    # Where tasks are answered all the time, and only something else was not, `watch` notices nothing.
    if time.monotonic() - since > WATCH_SECONDS / 2 and read_task_states(url):
        st.rerun()


def show_away(url: str, error: ConcordError) -> None:
    """Shows that the service does not answer, or that what answers is no consensus service."""
    _show_away(url, error)
    _retry(url, time.monotonic())


def _show_away(url: str, error: ConcordError) -> None:
    st.error(
        _("**The consensus service is away.** Nothing can be asked until it is back."),
        icon=":material/cloud_off:",
    )
    st.markdown(_("Start it in a terminal, in the project's folder:"))
    st.code("uv run concord up", language="bash")
    st.markdown(
        _(
            "This page looked at `{url}`; the setting `CONCORD_URL` names another address. It looks again by "
            "itself every {seconds} seconds.",
            url=url,
            seconds=WATCH_SECONDS,
        )
    )
    st.button(_("Try again"), icon=":material/refresh:", on_click=service.clear_cache, key="again/away")
    with st.expander(_("What went wrong")):
        st.markdown(wording.escape(error.message))


def show_no_tasks() -> None:
    """Shows that the service has no task yet."""
    st.info(
        _("**There is no task yet.** A task appears here by itself once it is trained."),
        icon=":material/inbox:",
    )
    st.code("uv run concord up", language="bash")
    offer_refresh(service.clear_cache, "again/no-tasks")


def show_nothing_asked(button: str) -> None:
    """Shows what to do before anything was asked."""
    st.info(
        _(
            "**Nothing has been asked yet.** Fill in the form, or take the example, then press “{button}”.",
            button=button,
        ),
        icon=":material/info:",
    )


def show_not_ready(url: str, task: TaskSummary) -> None:
    """Shows that too few nodes are up for a quorum, and which."""
    st.warning(
        _(
            "**{task} is not ready.** {up} of its {nodes} nodes are up, and that is too few for an answer. "
            "They may still be starting; this page looks again every {seconds} seconds.",
            task=wording.escape(task_gettext(task.title)),
            up=task.nodes_up,
            nodes=task.nodes,
            seconds=WATCH_SECONDS,
        ),
        icon=":material/hourglass_top:",
    )
    with suppress(ConcordError):
        vote_table.show_node_states(service.list_nodes(url, task.task))
    offer_refresh(service.clear_cache, "again/not-ready")


def show_incomplete(problems: dict[str, str], schema: TaskSchema) -> None:
    """Shows which inputs are empty."""
    names = ", ".join(
        wording.format_feature(feature) for feature in schema.features if feature.name in problems
    )
    text = ngettext(
        "**One entry is missing:** {names}. Nothing was asked yet.",
        "**{count} entries are missing:** {names}. Nothing was asked yet.",
        len(problems),
        names=names,
    )
    st.warning(text, icon=":material/edit:")


def show_refused(url: str, refusal: Refusal, schema: TaskSchema) -> None:
    """Shows why the service gave no answer, and what to do."""
    if refusal.code == "service_away":
        # Without `_retry`: a question is sent again by the person alone.
        _show_away(url, ConcordError(refusal.message))
        return
    if refusal.code == "no_quorum":
        show_no_quorum(refusal.message)
        if refusal.verdict is not None:
            vote_table.show_absent(refusal.verdict)
            vote_table.show_votes(schema, refusal.verdict)
    elif refusal.code == "invalid_input":
        _show_invalid(refusal)
    elif refusal.code in service.BUSY:
        _show_overloaded()
    elif refusal.code in service.CLOSED:
        show_closed(refusal.message)
    else:
        show_fault(st.error, N_("**The service gave no answer.** {message}"), refusal.message)
        st.markdown(
            _("Your entries are kept. Try again; if it happens again, tell the operator the number below.")
        )
    label = _("Number of this question · {code}", code=wording.escape(refusal.code))
    show_copyable(label, refusal.request_id)


def show_no_quorum(message: str) -> None:
    """Shows that too few nodes voted, and what to do."""
    show_fault(st.error, N_("**No consensus.** {message}"), message, ":material/groups:")
    st.markdown(
        _(
            "Too few nodes gave a usable answer, and Concord does not guess. Your entries are kept: ask "
            "again in a few seconds. If it stays so, tell the operator which nodes are missing."
        )
    )


def _show_invalid(refusal: Refusal) -> None:
    text = N_(
        "**The service does not accept this.** {message} Look at the entry that is marked in the form. "
        "Nothing was asked of the nodes."
    )
    if not refusal.column:
        text = N_("**The service does not accept this.** {message} Nothing was asked of the nodes.")
    show_fault(st.warning, text, refusal.message, ":material/edit:")


def show_closed(message: str) -> None:
    """Shows that asking takes a token that this visitor has not shown, and offers what it takes."""
    show_fault(st.warning, N_("**Asking takes a token here.** {message}"), message, ":material/lock:")
    access.show_sign_in_hint("ask", _("**Who asks here shows a token that predicts this task.**"))


def _show_overloaded() -> None:
    st.warning(
        _(
            "**Too many questions wait at the moment.** Yours was not asked, and your entries are kept: "
            "wait a second and ask again."
        ),
        icon=":material/traffic:",
    )
