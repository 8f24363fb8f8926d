"""The page of the ledger: that its chain is sound, who gained and lost by it, and what is in its blocks.

The newest blocks come first, older ones when they are asked for, and what a block holds once it is opened.
"""

from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.types.ledger import BlockView
from concord.types.tasks import TaskSummary
from frontend.components import states
from frontend.components import task_picker as choice
from frontend.data import service
from frontend.text import language
from frontend.text import wording as words
from frontend.text.language import say, say_count
from frontend.views.ledger import data as asking
from frontend.views.ledger import events as happenings
from frontend.views.ledger import gains
from frontend.views.ledger.data import Head, Proof

MOST_PAGES: Final = 10
"""Pages below one another; a browser draws no more of them well."""

_PROOF: Final = "ledger/proof"
_FROM: Final = "ledger/from"
_PAGES: Final = "ledger/pages"
_STAKES: Final = "ledger/stakes"


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    try:
        tasks = service.tasks(url)
        head = asking.head(url)
    except ConcordError as error:
        states.away(url, error)
        return
    st.markdown(
        say(
            "Every movement of stake stands in a block, and each block names the hash of the one before it: "
            "what was written once cannot be changed unseen."
        )
    )
    if head.alarm:
        st.error(
            say("**The service says of its ledger:** {alarm}", alarm=words.plain(head.alarm)),
            icon=":material/error:",
        )
    if not head.height:
        st.info(
            say("**The ledger is empty.** Its first block comes when a task’s nodes open their accounts."),
            icon=":material/inbox:",
        )
        _look_again()
        return
    _head(head)
    _verify(url)
    if tasks:
        st.subheader(say("Who gained and who lost"))
        _gains(url, choice.task(tasks))
    _blocks(url, head.height)


def _head(head: Head) -> None:
    facts = [say("Newest block: **{height}**", height=language.decimal(head.height))]
    if head.due:
        facts.append(
            say_count("one round waits for the next", "{count} rounds wait for the next one", head.due)
        )
    st.markdown(" · ".join(facts))
    with st.expander(say("Its hash: {hash}", hash=f"`{happenings.short(head.hash)}`")):
        st.markdown(say("Note it down: whoever changed an older block could not keep it."))
        st.code(head.hash, language=None, wrap_lines=True)
    _look_again()


def _look_again() -> None:
    st.button(say("Look again"), icon=":material/refresh:", on_click=asking.forget, key="ledger/again")


def _verify(url: str) -> None:
    st.subheader(say("Is it sound?"))
    st.markdown(
        say("The service reads every block, calculates every balance again, and compares all hashes.")
    )
    if st.button(say("Verify"), icon=":material/verified:", type="primary", key="ledger/verify"):
        with st.spinner(say("Reading and calculating every block…"), show_time=True):
            st.session_state[_PROOF] = _proof(url)
    found = st.session_state.get(_PROOF)
    if isinstance(found, Proof):
        _tell(found)
    elif found is not None:
        st.error(
            say("**The ledger could not be verified.** {message}", message=words.plain(found)),
            icon=":material/error:",
        )


def _proof(url: str) -> Proof | str:
    try:
        return asking.verify(url)
    except ConcordError as error:
        return error.message


def _tell(proof: Proof) -> None:
    if proof.problems:
        st.error(
            say("**The ledger is not what was written.** Nothing more should be settled until it is mended."),
            icon=":material/error:",
        )
        st.markdown("\n".join(f"- {words.plain(problem)}" for problem in proof.problems))
        st.markdown(say("Tell the operator. `concord ledger verify` says the same in a terminal."))
        return
    st.success(
        say_count(
            "**The ledger is sound.** Its one block was calculated again, and every balance follows from it.",
            "**The ledger is sound.** {count} blocks were calculated again, and every balance follows from "
            "them.",
            proof.blocks,
        ),
        icon=":material/verified:",
    )
    more = [
        say_count(
            "One block has the hash that the journal noted when it was written.",
            "{count} blocks have the hashes that the journal noted when they were written.",
            proof.noted,
        )
    ]
    if proof.orphans:
        more.append(
            say("{count} files of lost attempts lie beside the chain; harmless.", count=proof.orphans)
        )
    st.markdown(words.small(" ".join(more)))
    st.markdown(
        words.small(say("Checked up to block {height}, hash:", height=language.decimal(proof.height)))
    )
    st.code(proof.hash, language=None, wrap_lines=True)


def _gains(url: str, task: TaskSummary) -> None:
    place = f"{_STAKES}/{task.task}"
    before: int | None = st.session_state.get(place)
    try:
        page = asking.stakes(url, task.task, before)
    except ConcordError as error:
        _failed(error)
        return
    if not page.nodes:
        st.info(
            say("**No node has an account yet.** Accounts open when nodes answer."), icon=":material/inbox:"
        )
        return
    first, last = language.decimal(page.first), language.decimal(page.last)
    st.markdown(say("Blocks {first} to {last}. ", first=first, last=last) + gains.sentence(page))
    st.altair_chart(
        gains.picture(page, is_light=st.context.theme.type == "light"),
        width="stretch",
        alt=gains.describe(page),
        theme="streamlit",
    )
    gains.table(page)
    if page.before is not None or before is not None:
        with st.container(horizontal=True):
            st.button(
                say("Older blocks"),
                on_click=_put,
                args=(place, page.before),
                disabled=page.before is None,
                key=f"{place}/older",
            )
            st.button(
                say("Newest blocks"),
                on_click=_put,
                args=(place, None),
                disabled=before is None,
                key=f"{place}/newest",
            )


def _put(place: str, before: int | None) -> None:
    st.session_state[place] = before


@st.fragment
def _blocks(url: str, newest: int) -> None:
    """The list; a block that is opened draws the list alone anew."""
    st.subheader(say("Blocks"))
    start = st.number_input(
        say("From block"),
        min_value=1,
        max_value=newest,
        value=None,
        step=1,
        placeholder=say("the newest"),
        key=_FROM,
        on_change=_put,
        args=(_PAGES, 1),
    )
    st.markdown(words.small(say("Times are those of {zone}.", zone=words.plain(happenings.zone()))))
    before = None if start is None else int(start) + 1
    pages = int(st.session_state.get(_PAGES, 1))
    for _ in range(pages):
        try:
            page = asking.blocks(url, before)
        except ConcordError as error:
            _failed(error)
            return
        for block in page.blocks:
            _block(block)
        before = page.before
        if before is None:
            st.markdown(words.small(say("This is the first block.")))
            return
    if pages < MOST_PAGES:
        st.button(
            say("Show older blocks"), icon=":material/expand_more:", on_click=_put, args=(_PAGES, pages + 1)
        )
    elif before is not None:
        st.button(say("Go on from block {height}", height=before - 1), on_click=_go_on, args=(before - 1,))


def _go_on(height: int) -> None:
    st.session_state[_FROM], st.session_state[_PAGES] = height, 1


def _block(block: BlockView) -> None:
    box = st.expander(happenings.title(block), key=f"ledger/block/{block.height}", on_change="rerun")
    if not box.open:
        return
    with box:
        st.markdown("\n".join(happenings.lines(block)))
        st.markdown(words.small(say("Hash of this block")))
        st.code(block.hash, language=None, wrap_lines=True)
        st.markdown(words.small(say("Hash of the block before")))
        st.code(block.previous, language=None, wrap_lines=True)


def _failed(error: ConcordError) -> None:
    st.error(
        say("**This could not be read.** {message}", message=words.plain(error.message)),
        icon=":material/error:",
    )
