"""The page Rounds: a list with filters, and one round with all that is known.

The address names the round that is open (`?round=ID`), so that it can be passed on.
"""

import streamlit as st

from concord.errors import ConcordError
from frontend import access
from frontend.components import states, task_picker
from frontend.components.message import offer_refresh, show_fault, show_small
from frontend.data import rounds, service
from frontend.text import wording
from frontend.text.language import N_, _
from frontend.views.rounds import round_detail, round_list
from frontend.views.rounds.filters import close_round, draw_filters, draw_paging, opened_round, page_cursor

"""Codes of a service that shows rounds only to tokens that may read them."""


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    round_id = opened_round()
    if round_id:
        st.button(_("All rounds"), icon=":material/arrow_back:", on_click=close_round)
        _show_one(url, round_id)
    else:
        _show_list(url)


def _show_list(url: str) -> None:
    task = task_picker.pick(url)
    if task is None:
        return
    schema = task_picker.read_schema(url, task)
    if schema is None:
        return
    filters = draw_filters(schema)
    if filters is None:
        return
    try:
        page = rounds.read_page(access.find_reader(url), task.task, filters, page_cursor(task.task, filters))
    except ConcordError as error:
        _show_refused(url, error)
        return
    if page.rounds:
        round_list.show_rounds(schema, page.rounds)
    else:
        round_list.show_no_rounds(page, is_narrowed=filters != rounds.Filters())
    draw_paging(task.task, filters, page)


def _show_one(url: str, round_id: str) -> None:
    try:
        round_ = rounds.read_round(access.find_reader(url), round_id)
        schema = service.read_schema(url, round_.task)
    except ConcordError as error:
        if error.code == "unknown_round":
            text = _(
                "**There is no round {id}.** Look whether its id is whole.", id=wording.escape(round_id[:40])
            )
            st.warning(text, icon=":material/search_off:")
        else:
            _show_refused(url, error)
        return
    round_detail.show_round(url, schema, round_)


def _show_refused(url: str, error: ConcordError) -> None:
    if error.code == "service_away":
        states.show_away(url, error)
    elif error.code in service.CLOSED:
        text = _(
            "**Rounds are shown here to those alone who may read them.** It takes a token with `--reads`."
        )
        st.warning(text, icon=":material/lock:")
        show_small(_("The service says: {message}", message=wording.escape(error.message)))
        access.show_reading_hint("rounds")
    else:
        text, icon = N_("**The rounds cannot be shown.** {message}"), ":material/error:"
        if error.code == "journal_unavailable":
            icon = ":material/database_off:"
            text = N_(
                "**The database of rounds is away.** Questions are still answered; look again in a minute."
            )
        show_fault(st.error, text, error.message, icon)
        offer_refresh(rounds.clear_cache, "rounds/again")
