"""What a page shows when there is no answer: nothing asked, nobody there, not ready, refused.

Every state says what happened, what it means for the person's entries, and what to do next. None
shows a stack trace, and none blames the person for what the service did.
"""

import time
from contextlib import suppress

import streamlit as st

from concord.errors import ConcordError
from concord.tasks.schema import TaskSchema
from concord.types.tasks import TaskSummary
from frontend.components import vote_table as votes
from frontend.data import service
from frontend.data.service import Refusal
from frontend.text import wording as words
from frontend.text.language import mark, say, say_count, told

WATCH_SECONDS = 5
"""How often an open page looks for new tasks and for a service that is back."""

Sight = tuple[tuple[str, str, bool], ...]
"""What there is to see of the tasks: name, title, whether ready; empty while the service is away."""


def sight(url: str) -> Sight:
    """What there is to see now."""
    try:
        return tuple((task.task, task.title, task.ready) for task in service.tasks(url))
    except ConcordError:
        return ()


@st.fragment(run_every=WATCH_SECONDS)
def watch(url: str, seen: Sight) -> None:
    """Draws the page anew once something else is to be seen: a new task, a service that is back."""
    if sight(url) != seen:
        st.rerun()


@st.fragment(run_every=WATCH_SECONDS)
def _retry(url: str, drawn: float) -> None:
    # Where tasks are answered all the time, and only something else was not, `watch` notices nothing.
    if time.monotonic() - drawn > WATCH_SECONDS / 2 and sight(url):
        st.rerun()


def away(url: str, error: ConcordError) -> None:
    """Nothing answers what this page asks, or what answers is no consensus service."""
    _away(url, error)
    _retry(url, time.monotonic())


def _away(url: str, error: ConcordError) -> None:
    st.error(
        say("**The consensus service is away.** Nothing can be asked until it is back."),
        icon=":material/cloud_off:",
    )
    st.markdown(say("Start it in a terminal, in the project's folder:"))
    st.code("uv run concord up", language="bash")
    st.markdown(
        say(
            "This page looked at `{url}`; the setting `CONCORD_URL` names another address. It looks again by "
            "itself every {seconds} seconds.",
            url=url,
            seconds=WATCH_SECONDS,
        )
    )
    _again(say("Try again"), "away")
    with st.expander(say("What went wrong")):
        st.markdown(words.plain(error.message))


def no_tasks() -> None:
    """The service is there and knows no task."""
    st.info(
        say("**There is no task yet.** A task appears here by itself once it is trained."),
        icon=":material/inbox:",
    )
    st.code("uv run concord up", language="bash")
    _again(say("Look again"), "no-tasks")


def nothing_asked(button: str) -> None:
    """The form waits."""
    st.info(
        say(
            "**Nothing has been asked yet.** Fill in the form, or take the example, then press “{button}”.",
            button=button,
        ),
        icon=":material/info:",
    )


def not_ready(url: str, task: TaskSummary) -> None:
    """Too few nodes are up for a quorum."""
    st.warning(
        say(
            "**{task} is not ready.** {up} of its {nodes} nodes are up, and that is too few for an answer. "
            "They may still be starting; this page looks again every {seconds} seconds.",
            task=words.plain(told(task.title)),
            up=task.nodes_up,
            nodes=task.nodes,
            seconds=WATCH_SECONDS,
        ),
        icon=":material/hourglass_top:",
    )
    with suppress(ConcordError):
        votes.states(service.nodes(url, task.task))
    _again(say("Look again"), "not-ready")


def incomplete(problems: dict[str, str], schema: TaskSchema) -> None:
    """Some inputs hold nothing."""
    names = ", ".join(words.label(feature) for feature in schema.features if feature.name in problems)
    text = say_count(
        "**One entry is missing:** {names}. Nothing was asked yet.",
        "**{count} entries are missing:** {names}. Nothing was asked yet.",
        len(problems),
        names=names,
    )
    st.warning(text, icon=":material/edit:")


def refused(url: str, refusal: Refusal, schema: TaskSchema) -> None:
    """The service was asked and gave no answer."""
    shown = {
        # Nobody's question is sent again without them.
        "service_away": lambda: _away(url, ConcordError(refusal.message)),
        "no_quorum": lambda: _no_quorum(refusal, schema),
        "invalid_input": lambda: _invalid(refusal),
        "overloaded": _overloaded,
    }.get(refusal.code)
    if shown is not None:
        shown()
    else:
        text = say("**The service gave no answer.** {message}", message=words.plain(refusal.message))
        st.error(text, icon=":material/error:")
        st.markdown(
            say("Your entries are kept. Try again; if it happens again, tell the operator the number below.")
        )
    if refusal.code != "service_away":
        number = say("Number of this question · {code}", code=words.plain(refusal.code))
        st.markdown(words.small(number))
        st.code(refusal.request_id, language=None, wrap_lines=True)


def no_quorum(message: str) -> None:
    """Too few nodes voted: the sentence, and what to do."""
    st.error(say("**No consensus.** {message}", message=words.plain(message)), icon=":material/groups:")
    st.markdown(
        say(
            "Too few nodes gave a usable answer, and Concord does not guess. Your entries are kept: ask "
            "again in a few seconds. If it stays so, tell the operator which nodes are missing."
        )
    )


def _no_quorum(refusal: Refusal, schema: TaskSchema) -> None:
    no_quorum(refusal.message)
    if refusal.verdict is not None:
        votes.absent(refusal.verdict)
        votes.table(schema, refusal.verdict)


def _invalid(refusal: Refusal) -> None:
    text = mark(
        "**The service does not accept this.** {message} Look at the entry that is marked in the form. "
        "Nothing was asked of the nodes."
    )
    if not refusal.column:
        text = mark("**The service does not accept this.** {message} Nothing was asked of the nodes.")
    st.warning(say(text, message=words.plain(refusal.message)), icon=":material/edit:")


def _overloaded() -> None:
    st.warning(
        say(
            "**Too many questions wait at the moment.** Yours was not asked, and your entries are kept: "
            "wait a second and ask again."
        ),
        icon=":material/traffic:",
    )


def _again(text: str, key: str) -> None:
    st.button(text, icon=":material/refresh:", on_click=service.forget, key=f"again/{key}")
