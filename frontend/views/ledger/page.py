"""The page of the ledger: that its chain is sound, who gained and lost by it, and what is in its blocks.

The newest blocks come first, older ones when they are asked for, and what a block holds once it is opened.
"""

from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.types.answers import BlockView, TaskSummary
from frontend.components import states, task_picker
from frontend.components.chart import show_chart
from frontend.components.message import show_list, show_small
from frontend.data import service
from frontend.text import language, times, wording
from frontend.text.language import _, ngettext
from frontend.views.ledger import block_events, data, stake_changes
from frontend.views.ledger.data import LedgerState, ReplayResult

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
        tasks = service.list_tasks(url)
        head = data.read_state(url)
    except ConcordError as error:
        states.show_away(url, error)
        return
    st.markdown(
        _(
            "Every movement of stake stands in a block, and each block names the hash of the one before it: "
            "what was written once cannot be changed unseen."
        )
    )
    if head.alarm:
        st.error(
            _("**The service says of its ledger:** {alarm}", alarm=wording.escape(head.alarm)),
            icon=":material/error:",
        )
    if not head.height:
        st.info(
            _("**The ledger is empty.** Its first block comes when a task’s nodes open their accounts."),
            icon=":material/inbox:",
        )
        _look_again()
        return
    _head(head)
    _verify(url)
    if tasks:
        st.subheader(_("Who gained and who lost"))
        _show_stake_changes(url, task_picker.pick_task(tasks))
    _blocks(url, head.height)


def _head(head: LedgerState) -> None:
    facts = [_("Newest block: **{height}**", height=language.format_decimal(head.height))]
    if head.due:
        facts.append(
            ngettext("one round waits for the next", "{count} rounds wait for the next one", head.due)
        )
    st.markdown(" · ".join(facts))
    with st.expander(_("Its hash: {hash}", hash=f"`{block_events.shorten_hash(head.hash)}`")):
        st.markdown(_("Note it down: whoever changed an older block could not keep it."))
        st.code(head.hash, language=None, wrap_lines=True)
    _look_again()


def _look_again() -> None:
    st.button(_("Look again"), icon=":material/refresh:", on_click=data.clear_cache, key="ledger/again")


def _verify(url: str) -> None:
    st.subheader(_("Is it sound?"))
    st.markdown(_("The service reads every block, calculates every balance again, and compares all hashes."))
    if st.button(_("Verify"), icon=":material/verified:", type="primary", key="ledger/verify"):
        with st.spinner(_("Reading and calculating every block…"), show_time=True):
            st.session_state[_PROOF] = _replay(url)
    result = st.session_state.get(_PROOF)
    if isinstance(result, ReplayResult):
        _show_result(result)
    elif result is not None:
        st.error(
            _("**The ledger could not be verified.** {message}", message=wording.escape(result)),
            icon=":material/error:",
        )


def _replay(url: str) -> ReplayResult | str:
    try:
        return data.verify(url)
    except ConcordError as error:
        return error.message


def _show_result(result: ReplayResult) -> None:
    if result.problems:
        st.error(
            _("**The ledger is not what was written.** Nothing more should be settled until it is mended."),
            icon=":material/error:",
        )
        show_list(wording.escape(problem) for problem in result.problems)
        st.markdown(_("Tell the operator. `concord ledger verify` says the same in a terminal."))
        return
    st.success(
        ngettext(
            "**The ledger is sound.** Its one block was calculated again, and every balance follows from it.",
            "**The ledger is sound.** {count} blocks were calculated again, and every balance follows from "
            "them.",
            result.blocks,
        ),
        icon=":material/verified:",
    )
    more = [
        ngettext(
            "One block has the hash that the journal noted when it was written.",
            "{count} blocks have the hashes that the journal noted when they were written.",
            result.noted,
        )
    ]
    if result.orphans:
        more.append(_("{count} files of lost attempts lie beside the chain; harmless.", count=result.orphans))
    show_small(" ".join(more))
    show_small(_("Checked up to block {height}, hash:", height=language.format_decimal(result.height)))
    st.code(result.hash, language=None, wrap_lines=True)


def _show_stake_changes(url: str, task: TaskSummary) -> None:
    key = f"{_STAKES}/{task.task}"
    before: int | None = st.session_state.get(key)
    try:
        page = data.read_stakes(url, task.task, before)
    except ConcordError as error:
        _failed(error)
        return
    if not page.nodes:
        st.info(
            _("**No node has an account yet.** Accounts open when nodes answer."), icon=":material/inbox:"
        )
        return
    first, last = language.format_decimal(page.first), language.format_decimal(page.last)
    st.markdown(_("Blocks {first} to {last}. ", first=first, last=last) + stake_changes.describe_gains(page))
    show_chart(stake_changes.draw_stake_by_block(page), stake_changes.describe_stakes(page))
    stake_changes.show_gains(page)
    if page.before is not None or before is not None:
        with st.container(horizontal=True):
            st.button(
                _("Older blocks"),
                on_click=_set_state,
                args=(key, page.before),
                disabled=page.before is None,
                key=f"{key}/older",
            )
            st.button(
                _("Newest blocks"),
                on_click=_set_state,
                args=(key, None),
                disabled=before is None,
                key=f"{key}/newest",
            )


def _set_state(key: str, before: int | None) -> None:
    st.session_state[key] = before


@st.fragment
def _blocks(url: str, newest: int) -> None:
    """The list; a block that is opened draws the list alone anew."""
    st.subheader(_("Blocks"))
    start = st.number_input(
        _("From block"),
        min_value=1,
        max_value=newest,
        value=None,
        step=1,
        placeholder=_("the newest"),
        key=_FROM,
        on_change=_set_state,
        args=(_PAGES, 1),
    )
    show_small(_("Times are those of {zone}.", zone=wording.escape(str(times.browser_zone()))))
    before = None if start is None else int(start) + 1
    pages = int(st.session_state.get(_PAGES, 1))
    for _page in range(pages):
        try:
            page = data.list_blocks(url, before)
        except ConcordError as error:
            _failed(error)
            return
        for block in page.blocks:
            _block(block)
        before = page.before
        if before is None:
            show_small(_("This is the first block."))
            return
    if pages < MOST_PAGES:
        st.button(
            _("Show older blocks"),
            icon=":material/expand_more:",
            on_click=_set_state,
            args=(_PAGES, pages + 1),
        )
    elif before is not None:
        st.button(_("Go on from block {height}", height=before - 1), on_click=_go_on, args=(before - 1,))


def _go_on(height: int) -> None:
    st.session_state[_FROM], st.session_state[_PAGES] = height, 1


def _block(block: BlockView) -> None:
    box = st.expander(block_events.format_title(block), key=f"ledger/block/{block.height}", on_change="rerun")
    if not box.open:
        return
    with box:
        st.markdown("\n".join(block_events.list_events(block)))
        show_small(_("Hash of this block"))
        st.code(block.hash, language=None, wrap_lines=True)
        show_small(_("Hash of the block before"))
        st.code(block.previous, language=None, wrap_lines=True)


def _failed(error: ConcordError) -> None:
    st.error(
        _("**This could not be read.** {message}", message=wording.escape(error.message)),
        icon=":material/error:",
    )
