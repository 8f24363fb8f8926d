"""The page's entry, for `streamlit run frontend/app.py`: reads the address, routes to the views.

A page is a function in a module of `frontend/views/`; this file only lists them. (A folder `pages/`
would be found by Streamlit itself, past this list.)
"""

from pathlib import Path
from typing import Final

import streamlit as st

from concord.settings import Settings
from frontend import language
from frontend.language import say
from frontend.views import predict

# A file of our own: an icon that Streamlit only names is fetched by the browser from another company.
ICON: Final = Path(__file__).with_name("icon.svg")


def main() -> None:
    """Draws the page that the address names."""
    st.set_page_config(page_title="Concord", page_icon=str(ICON), layout="wide")
    language.choose()
    url = Settings.read().url

    def predict_page() -> None:
        predict.show(url)

    pages = [
        st.Page(
            predict_page,
            title=say("Predict"),
            icon=":material/how_to_vote:",
            url_path="predict",
            default=True,
        )
    ]
    st.navigation(pages, position="top").run()
    _offer_languages()


def _offer_languages() -> None:
    """At the foot of every page, each language by its own name; the address keeps what was chosen."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        for code, name in language.NAMES.items():
            st.button(
                name,
                key=f"language/{code}",
                type="tertiary",
                disabled=code == language.current(),
                on_click=language.speak,
                args=(code,),
            )


main()
