"""The page's entry, for `streamlit run frontend/app.py`: reads the address, routes to the views.

A page is a function in a module of `frontend/views/`; this file only lists them. (A folder `pages/`
would be found by Streamlit itself, past this list.)
"""

from pathlib import Path
from typing import Final

import streamlit as st

from concord.settings import Settings
from frontend.views import predict

# A file of our own: an icon that Streamlit only names is fetched by the browser from another company.
ICON: Final = Path(__file__).with_name("icon.svg")


def main() -> None:
    """Draws the page that the address names."""
    st.set_page_config(page_title="Concord", page_icon=str(ICON), layout="wide")
    url = Settings.read().url

    def predict_page() -> None:
        predict.show(url)

    pages = [
        st.Page(
            predict_page, title="Predict", icon=":material/how_to_vote:", url_path="predict", default=True
        )
    ]
    st.navigation(pages, position="top").run()


main()
