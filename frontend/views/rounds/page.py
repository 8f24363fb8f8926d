"""The page where rounds are found again: a list to narrow down, and one round with all that is known.

The address names the round that is open (`?round=ID`), so that it can be passed on.
"""

import streamlit as st

from concord.errors import ConcordError
from frontend import access
from frontend.components import states
from frontend.components import task_picker as choice
from frontend.data import rounds, service
from frontend.text import wording as words
from frontend.text.language import _
from frontend.views.rounds import filters as finding
from frontend.views.rounds import round_detail as explanations
from frontend.views.rounds import round_list as roundlist

GUARDED = ("unauthorized", "forbidden")
"""Codes of a service that shows rounds to those alone whose token reads them."""


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    round_id = finding.opened()
    if round_id:
        st.button(_("All rounds"), icon=":material/arrow_back:", on_click=finding.close)
        _open(url, round_id)
    else:
        _list(url)


def _list(url: str) -> None:
    tasks = choice.tasks(url)
    if not tasks:
        return
    task = choice.task(tasks)
    schema = choice.schema(url, task)
    if schema is None:
        return
    filters = finding.draw(schema)
    if filters is None:
        return
    try:
        page = rounds.page(access.reading(url), url, task.task, filters, finding.cursor(task.task, filters))
    except ConcordError as error:
        _refused(url, error)
        return
    if page.rounds:
        roundlist.show(schema, page.rounds)
    else:
        roundlist.nothing(page, is_narrowed=filters != rounds.Filters())
    finding.pages(task.task, filters, page)


def _open(url: str, round_id: str) -> None:
    try:
        found = rounds.one(access.reading(url), url, round_id)
        schema = service.schema(url, found.task)
    except ConcordError as error:
        if error.code == "unknown_round":
            text = _(
                "**There is no round {id}.** Look whether its id is whole.", id=words.plain(round_id[:40])
            )
            st.warning(text, icon=":material/search_off:")
        else:
            _refused(url, error)
        return
    explanations.show(url, schema, found)


def _refused(url: str, error: ConcordError) -> None:
    if error.code == "service_away":
        states.away(url, error)
    elif error.code in GUARDED:
        text = _(
            "**Rounds are shown here to those alone who may read them.** It takes a token with `--reads`."
        )
        st.warning(text, icon=":material/lock:")
        st.markdown(words.small(_("The service says: {message}", message=words.plain(error.message))))
        access.sign_in_hint("rounds")
    elif error.code == "journal_unavailable":
        text = _("**The database of rounds is away.** Questions are still answered; look again in a minute.")
        st.error(text, icon=":material/database_off:")
        st.button(_("Look again"), icon=":material/refresh:", on_click=rounds.forget)
    else:
        text = _("**The rounds cannot be shown.** {message}", message=words.plain(error.message))
        st.error(text, icon=":material/error:")
        st.button(_("Look again"), icon=":material/refresh:", on_click=rounds.forget)
