"""Small parts of pages: small type, lists, text to copy, and the button that reads everything anew."""

from collections.abc import Callable, Iterable

import streamlit as st

from frontend.text import wording
from frontend.text.language import _


def show_small(text: str) -> None:
    """Writes Markdown in smaller type."""
    st.markdown(wording.small(text))


def show_list(lines: Iterable[str]) -> None:
    """Writes lines of Markdown as a list; nothing where there is none."""
    text = "\n".join(f"- {line}" for line in lines)
    if text:
        st.markdown(text)


def show_copyable(label: str, text: str) -> None:
    """Writes an id, a hash or the like below its label, to be copied."""
    show_small(label)
    st.code(text, language=None, wrap_lines=True)


def offer_refresh(clear_cache: Callable[[], None], key: str) -> None:
    """Draws the button that has a page read everything anew.

    Args:
        clear_cache: Drops what the page keeps.
        key: Tells the button from others on the page.
    """
    st.button(_("Look again"), icon=":material/refresh:", on_click=clear_cache, key=key)
