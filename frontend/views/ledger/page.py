"""The page Ledger: verifies the chain, shows stake over the blocks, and lists blocks, the newest first."""

from typing import Final

import streamlit as st

from concord.errors import ConcordError
from concord.types.ledger import BlockView
from concord.types.tasks import TaskSummary
from frontend.components import states, task_picker
from frontend.components.chart import show_chart
from frontend.components.message import offer_refresh, show_copyable, show_fault, show_list, show_small
from frontend.data import service
from frontend.text import language, times, wording
from frontend.text.language import N_, _, ngettext
from frontend.views.ledger import block_events, data, stake_changes
from frontend.views.ledger.data import LedgerHeadline, ReplayResult

MOST_PAGES: Final = 10
"""Pages below one another; more would make a browser slow."""

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
        state = data.read_state(url)
    except ConcordError as error:
        states.show_away(url, error)
        return
    _show_state(state)
    offer_refresh(data.clear_cache, "ledger/again")
    if not state.height:
        return
    _verify(url)
    if tasks:
        st.subheader(_("Who gained and who lost"))
        _show_stake_changes(url, task_picker.pick_task(tasks))
    _show_blocks(url, state.height)


def _show_state(state: LedgerHeadline) -> None:
    st.markdown(
        _(
            "Every movement of stake stands in a block, and each block names the hash of the one before it: "
            "what was written once cannot be changed unseen."
        )
    )
    if state.alarm:
        text = _("**The service says of its ledger:** {alarm}", alarm=wording.escape(state.alarm))
        st.error(text, icon=":material/error:")
    if not state.height:
        text = _("**The ledger is empty.** Its first block comes when a task’s nodes open their accounts.")
        st.info(text, icon=":material/inbox:")
        return
    facts = [_("Newest block: **{height}**", height=language.format_decimal(state.height))]
    if state.due:
        facts.append(
            ngettext("one round waits for the next", "{count} rounds wait for the next one", state.due)
        )
    st.markdown(" · ".join(facts))
    with st.expander(_("Its hash: {hash}", hash=f"`{block_events.shorten_hash(state.hash)}`")):
        st.markdown(_("Note it down: whoever changed an older block could not keep it."))
        st.code(state.hash, language=None, wrap_lines=True)


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
        show_fault(st.error, N_("**The ledger could not be verified.** {message}"), result)


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
        more.append(
            _("{count} files of lost attempts lie beside the chain; harmless.", count=len(result.orphans))
        )
    show_small(" ".join(more))
    height = language.format_decimal(result.height)
    show_copyable(_("Checked up to block {height}, hash:", height=height), result.hash)


def _show_stake_changes(url: str, task: TaskSummary) -> None:
    key = f"{_STAKES}/{task.task}"
    before: int | None = st.session_state.get(key)
    try:
        page = data.read_stakes(url, task.task, before)
    except ConcordError as error:
        _show_error(error)
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
            for name, text, target, is_end in (
                ("older", _("Older blocks"), page.before, page.before is None),
                ("newest", _("Newest blocks"), None, before is None),
            ):
                state = {key: target}
                st.button(text, key=f"{key}/{name}", on_click=_set_state, args=(state,), disabled=is_end)


def _set_state(state: dict[str, int | None]) -> None:
    st.session_state.update(state)


@st.fragment
def _show_blocks(url: str, newest: int) -> None:
    """The list of blocks; a block that is opened draws the list alone anew."""
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
        args=({_PAGES: 1},),
    )
    zone = str(times.browser_zone())
    show_small(_("Times are those of {zone}.", zone=wording.escape(zone)))
    pages = int(st.session_state.get(_PAGES, 1))
    try:
        before = _show_pages(url, None if start is None else int(start) + 1, pages)
    except ConcordError as error:
        _show_error(error)
        return
    if before is None:
        show_small(_("This is the first block."))
    elif pages < MOST_PAGES:
        text = _("Show older blocks")
        st.button(text, icon=":material/expand_more:", on_click=_set_state, args=({_PAGES: pages + 1},))
    else:
        start_again = {_FROM: before - 1, _PAGES: 1}
        text = _("Go on from block {height}", height=before - 1)
        st.button(text, on_click=_set_state, args=(start_again,))


def _show_pages(url: str, before: int | None, pages: int) -> int | None:
    """Shows pages of blocks below a height; returns the height below which there are more, or None."""
    for _page in range(pages):
        page = data.list_blocks(url, before)
        for block in page.blocks:
            _show_block(block)
        before = page.before
        if before is None:
            break
    return before


def _show_block(block: BlockView) -> None:
    box = st.expander(block_events.format_title(block), key=f"ledger/block/{block.height}", on_change="rerun")
    if not box.open:
        return
    with box:
        st.markdown("\n".join(block_events.list_events(block)))
        show_copyable(_("Hash of this block"), block.hash)
        show_copyable(_("Hash of the block before"), block.previous)


def _show_error(error: ConcordError) -> None:
    show_fault(st.error, N_("**This could not be read.** {message}"), error.message)
