"""Small parts of pages: small type, lists, text to copy, faults, figures, and buttons."""

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


def show_fault(box: Callable[..., object], text: str, message: str, icon: str = ":material/error:") -> None:
    """Says what went wrong, in a box.

    Args:
        box: Streamlit's function that draws it, such as `st.error`.
        text: In English, with `{message}` in it; it is translated.
        message: The sentence of whoever refused, as it came.
        icon: Streamlit's name of its sign.
    """
    box(_(text, message=wording.escape(message)), icon=icon)


def show_metric(name: str, value: str, remark: str, help_text: str | None = None) -> None:
    """Writes a figure with its name above it and a remark below."""
    with st.container(width="content", gap=None):
        st.metric(name, value, width="content", help=help_text)
        show_small(remark)


def show_copyable(label: str, text: str) -> None:
    """Writes an id, a hash or the like below its label, to be copied."""
    show_small(label)
    st.code(text, language=None, wrap_lines=True)


def offer_download(label: str, data: bytes | Callable[[], bytes], file_name: str, mime: str) -> None:
    """Draws the button that downloads a file.

    Args:
        label: What the button says.
        data: The file's bytes, or what makes them once it is pressed.
        file_name: What the file is called.
        mime: Its media type.
    """
    st.download_button(label, data, file_name, mime, icon=":material/download:", on_click="ignore")


def offer_refresh(clear_cache: Callable[[], None], key: str) -> None:
    """Draws the button that has a page read everything anew.

    Args:
        clear_cache: Drops what the page keeps.
        key: Tells the button from others on the page.
    """
    st.button(_("Look again"), icon=":material/refresh:", on_click=clear_cache, key=key)
