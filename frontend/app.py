"""Lists the pages and draws the one that the address names; `frontend/server.py` runs it.

A page is a package of `frontend/views/`. (A folder `pages/` would be found by Streamlit itself, beside this
list.)
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st
from streamlit.navigation.page import Page

from concord.settings import Settings
from frontend import access
from frontend.components import states
from frontend.text import language
from frontend.text.language import N_, _
from frontend.views.batch import page as batch
from frontend.views.drift import page as drift
from frontend.views.ledger import page as ledger
from frontend.views.live import page as live
from frontend.views.models import page as models
from frontend.views.nodes import page as nodes
from frontend.views.predict import page as predict
from frontend.views.rounds import page as rounds

# A file of our own: an icon that Streamlit only names is fetched by the browser from another company.
ICON: Final = Path(__file__).with_name("icon.svg")


class View(NamedTuple):
    """A page: the function that draws it for a service's URL, its English title, icon and path."""

    show: Callable[[str], None]
    title: str
    icon: str
    path: str


# In the order of the menu; the first is where a visitor arrives.
_VIEWS: Final = (
    View(predict.show, N_("Predict"), "how_to_vote", "predict"),
    View(batch.show, N_("Batch"), "table_rows", "batch"),
    View(rounds.show, N_("Rounds"), "manage_search", "rounds"),
    View(nodes.show, N_("Nodes"), "hub", "nodes"),
    View(ledger.show, N_("Ledger"), "account_balance", "ledger"),
    View(models.show, N_("Models"), "deployed_code", "models"),
    View(drift.show, N_("Drift"), "trending_up", "drift"),
    View(live.show, N_("Live"), "monitoring", "live"),
)


def _visit(view: View, url: str) -> None:
    """Draws a page, and draws it anew once the tasks have changed."""
    st.title(_(view.title))
    view.show(url)
    states.rerun_on_change(partial(states.read_task_states, url), states.read_task_states(url))


def _page(view: View, url: str, path: str, *, is_listed: bool = True) -> Page:
    return st.Page(
        partial(_visit, view, url),
        title=_(view.title),
        icon=f":material/{view.icon}:",
        url_path=path,
        default=not path,
        visibility="visible" if is_listed else "hidden",
    )


def main() -> None:
    """Draws the page that the address names."""
    st.set_page_config(page_title="Concord", page_icon=str(ICON), layout="wide")
    language.choose()
    url = Settings.read().url

    first, *others = _VIEWS
    pages = [
        _page(first, url, ""),
        *(_page(view, url, view.path) for view in others),
        # Streamlit serves the first page at `/` alone; its own path must work too.
        _page(first, url, first.path, is_listed=False),
    ]
    st.navigation(pages, position="top").run()
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        access.show_account()
    _offer_languages()


def _offer_languages() -> None:
    """Offers every language by its own name; the address keeps the choice."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        for code, name in language.NAMES.items():
            st.button(
                name,
                key=f"language/{code}",
                type="tertiary",
                disabled=code == language.current(),
                on_click=language.set_language,
                args=(code,),
            )


main()
