"""Translates the page's texts: English stands in the code, other languages in `languages/*.po`.

The language is the one that the address names (`?lang=fr`) or named before, else the browser's. Catalogues
are GNU gettext's, read by Babel, which formats numbers too. A text of a task's schema is translated where
the catalogue has it, and stays as it is otherwise.
"""

import io
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

import streamlit as st
from babel import Locale, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from streamlit.runtime.scriptrunner import get_script_run_ctx

NAMES: Final = {"en": "English", "fr": "Français"}
"""Language → its own name; the first is the language of the code."""

ADDRESS: Final = "lang"
"""The parameter of the address."""

CATALOGUES: Final = Path(__file__).with_name("languages")

TASK: Final = "task"
"""Context, in a catalogue, of texts that come from tasks: `default` is a class there."""

_PLACE: Final = "language"


def choose() -> str:
    """Chooses the session's language, and returns it."""
    in_address = st.query_params.get(ADDRESS, "")
    if in_address in NAMES:
        st.session_state[_PLACE] = in_address
    elif _PLACE not in st.session_state:
        st.session_state[_PLACE] = match_browser(st.context.locale)
    return current()


def set_language(language: str) -> None:
    """Sets the session's language, and writes it to the address."""
    st.query_params[ADDRESS] = language
    st.session_state[_PLACE] = language


def match_browser(locale: str | None) -> str:
    """The language for a browser's `fr-CA`."""
    language = (locale or "").partition("-")[0].lower()
    return language if language in NAMES else next(iter(NAMES))


def current() -> str:
    """The language of the session that is being drawn; English outside of one."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return next(iter(NAMES))
    return str(st.session_state.get(_PLACE, next(iter(NAMES))))


def gettext(text: str, **values: object) -> str:
    """Translates a text of the page's into the reader's language, as `_` elsewhere.

    Args:
        text: In English, with the names of values in braces.
        values: Put in after the translation; they are not translated.
    """
    translated = _catalogue(current()).gettext(text) if text else ""
    return translated.format(**values) if values else translated


def ngettext(singular: str, plural: str, count: int, **values: object) -> str:
    """Translates a text about a number of things, which stands in it as `{count}`."""
    translated = _catalogue(current()).ngettext(singular, plural, count)
    return translated.format(count=format_decimal(count), **values)


def task_gettext(text: str) -> str:
    """Translates a text of a task's schema; one that the catalogue lacks stays as it is."""
    return _catalogue(current()).pgettext(TASK, text) if text else ""


def gettext_noop(text: str) -> str:
    """Marks a text for the catalogues, as `N_` elsewhere, and returns it untranslated."""
    return text


_, N_ = gettext, gettext_noop
"""The names that gettext's users give them."""


def format_decimal(value: float, pattern: str = "#,##0.######") -> str:
    """A number as the reader's language writes it, by a pattern of Unicode's CLDR."""
    return numbers.format_decimal(value, format=pattern, locale=current())


def format_percent(share: float, decimals: int = 0) -> str:
    """A share in 0..1 as a percentage."""
    pattern = Locale.parse(current()).percent_formats[None].pattern
    return format_decimal(
        share, pattern.replace("#,##0", "#,##0" + ("." + "0" * decimals if decimals else ""))
    )


@lru_cache
def _catalogue(language: str) -> NullTranslations:
    path = CATALOGUES / f"{language}.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        messages = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return GNUTranslations(compiled)
