"""Access: a session acts with a token that a person typed, or with the page's own for those who signed in.

A typed token stays in the session's memory: in no address, cache or log. Where Streamlit's sign-in is
configured (`[auth]` in its secrets), the page acts for the people of `CONCORD_PAGE_PEOPLE` with its own
token. For all others the page shows the visitors' token, if it has one. The service decides what a token may
do, and what takes none.
"""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from concord.client import Client
from concord.errors import ConfigurationError
from concord.settings import Settings
from frontend.data import service
from frontend.data.service import Reader
from frontend.text import wording
from frontend.text.language import N_, _

_TOKEN: Final = "access/token"  # noqa: S105 - where a session keeps what was typed
_CONNECTION: Final = "access/held"
"""Where a session keeps its connection with a token."""

_UNREADABLE: Final = "access/unreadable"
"""Where a session keeps the key of the form in which something was typed that can be no token."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Attributes:
        token: What the service is shown.
        person: The e-mail address of who signed in; None where a token was typed.
    """

    token: str = field(repr=False)
    person: str | None = None


@dataclass(frozen=True, slots=True)
class _KeptConnection:
    url: str
    token: str = field(repr=False)
    reader: Reader


def find_actor() -> Actor | None:
    """Who acts in this session: the typed token, else a listed person who signed in; else None."""
    typed = st.session_state.get(_TOKEN)
    if typed:
        return Actor(typed)
    person = _signed_in_person()
    if person is None or not _is_listed(person):
        return None
    token = _page_token()
    return Actor(token, person) if token else None


def find_client(url: str) -> Client | None:
    """A connection that shows the session's token; None: the session reads and predicts only.

    Args:
        url: The consensus service.
    """
    reader = _keep_connection(url)
    return reader.client if reader else None


def find_reader(url: str) -> Reader:
    """A connection to read and ask what a token may open: the session's own, else the one that all share.

    Functions that cache what they read with it take `hash_funcs=HASH_READER`: no token becomes a cache key.

    Args:
        url: The consensus service.
    """
    return _keep_connection(url) or Reader(service.connect(url))


def show_sign_in_hint(key: str = "here", headline: str | None = None) -> None:
    """Says what it takes to do things here, and offers it: signing in, or a token.

    Args:
        key: Tells this hint apart from others on the same page.
        headline: What is closed; changing things unless given.
    """
    person = _signed_in_person()
    with st.container(border=True):
        st.markdown(headline or _("**Looking and asking is open to you; changing things is not.**"))
        if person is not None:
            st.markdown(_why_not(person))
        elif _can_sign_in():
            st.markdown(_("Sign in, or use a token that an operator gave you."))
            _offer_sign_in(key)
        else:
            st.markdown(_("It takes a token, which an operator makes for you."))
        with st.expander(_("Use a token"), icon=":material/key:"):
            _ask_for_token(key)


def show_reading_hint(key: str) -> None:
    """The same where a token is needed to read rounds, and what is made of them."""
    show_sign_in_hint(key, _("**Who reads rounds here shows a token that reads them.**"))


def show_account() -> None:
    """Shows at the foot of every page who acts, with the buttons to sign in and out."""
    actor, person = find_actor(), _signed_in_person()
    if actor is not None and actor.person is None:
        st.markdown(wording.small(_("You act with a token")))
        st.button(_("Forget the token"), key="access/forget", type="tertiary", on_click=_forget)
    if person is not None:
        st.markdown(wording.small(_("Signed in as {person}", person=wording.escape(person))))
        st.button(_("Sign out"), key="access/out", type="tertiary", on_click=_sign_out)
    elif actor is None and _can_sign_in():
        _offer_sign_in("corner", quietly=True)


def _keep_connection(url: str) -> Reader | None:
    actor = find_actor()
    connection: _KeptConnection | None = st.session_state.get(_CONNECTION)
    if connection is not None and (actor is None or (connection.url, connection.token) != (url, actor.token)):
        connection.reader.client.close()
        del st.session_state[_CONNECTION]
        connection = None
    if actor is None:
        return None
    if connection is None:
        reader = Reader(Client(url, token=actor.token), secrets.token_hex(8))
        connection = st.session_state[_CONNECTION] = _KeptConnection(url, actor.token, reader)
    return connection.reader


def _ask_for_token(key: str) -> None:
    with st.form(f"access/form/{key}", border=False):
        st.text_input(
            _("Token"),
            type="password",
            key=_input_key(key),
            autocomplete="off",
            help=_("It is kept while this tab is open, and is gone when you load the page anew."),
        )
        st.form_submit_button(_("Use this token"), on_click=_keep_typed_token, args=(key,))
    if st.session_state.pop(_UNREADABLE, None) == key:
        st.error(
            _("That is no token: copy it anew, whole, as `concord tokens add` printed it."),
            icon=":material/edit:",
        )


def _keep_typed_token(key: str) -> None:
    """Moves a typed token from its input, which must not keep it, to the session."""
    typed = str(st.session_state.get(_input_key(key), "")).strip()
    st.session_state[_input_key(key)] = ""
    if service.is_readable(typed):
        st.session_state[_TOKEN] = typed
    else:
        st.session_state[_UNREADABLE] = key


def _input_key(key: str) -> str:
    return f"access/typed/{key}"


def _forget() -> None:
    st.session_state.pop(_TOKEN, None)


def _sign_out() -> None:
    _forget()
    st.logout()


def _offer_sign_in(key: str, *, quietly: bool = False) -> None:
    for provider in _providers():
        text = _("Sign in with {provider}", provider=wording.escape(provider)) if provider else _("Sign in")
        st.button(
            text,
            key=f"access/in/{key}/{provider}",
            type="tertiary" if quietly else "primary",
            icon=":material/login:",
            on_click=st.login,
            args=(provider,) if provider else (),
        )


def _providers() -> list[str]:
    """Names of the providers of `[auth]`; one empty name where the section itself describes the only one."""
    section = st.secrets["auth"]
    if "client_id" in section:
        return [""]
    return [name for name in section if isinstance(section[name], Mapping) and "client_id" in section[name]]


def _can_sign_in() -> bool:
    """Whether sign-in is configured: only then Streamlit has this attribute."""
    return "is_logged_in" in st.user


def _signed_in_person() -> str | None:
    """The address of who has signed in; None if nobody has, empty if the provider does not vouch for one."""
    if not st.user.get("is_logged_in"):
        return None
    address = st.user.get("email")
    # Providers that state nothing here vouch for their addresses by giving them.
    is_doubted = str(st.user.get("email_verified", True)).lower() == "false"
    return str(address) if address and not is_doubted else ""


def _is_listed(person: str) -> bool:
    return bool(person) and person.strip().lower() in Settings.read().page_people


def _page_token() -> str | None:
    """The page's own token; None where its file cannot be read, which is logged for the operator."""
    try:
        token = Settings.read().page_secret
    except ConfigurationError as error:
        _log.error("page token not read", extra={"reason": error.message})
        return None
    return token if token and service.is_readable(token) else None


def _why_not(person: str) -> str:
    if not person:
        return _("You are signed in, but your provider does not vouch for an e-mail address of yours.")
    text = N_(
        "You are signed in as {person}, and that address is not among those who may act here. An "
        "operator adds it to `CONCORD_PAGE_PEOPLE`."
    )
    if _is_listed(person):
        text = N_(
            "You are signed in as {person} and may act, but this page has no token of its own to act with. "
            "An operator sets `CONCORD_PAGE_TOKEN`."
        )
    return _(text, person=wording.escape(person))
