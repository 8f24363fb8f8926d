"""A button with a dialog that says what will happen and asks for the reason, which the ledger keeps.

Only the button in the dialog acts. A refusal is shown in the dialog, which stays open: pressing again
repeats the same action under the same key, so the service does nothing twice.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from concord.errors import ConcordError
from frontend.components.message import show_fault, show_list
from frontend.text.language import N_, _

MOST_REASON: Final = 200
"""Characters that the ledger keeps of a reason."""

DONE_SECONDS: Final = 15
"""How long the page shows that something was done."""

_OPEN: Final = "confirm/open"
"""Where a session keeps the action that is being confirmed, and the key of this attempt."""

_DONE: Final = "confirm/done"

ActionCallback = Callable[[str, str], str]
"""Acts, for a reason and under a key, and returns the sentence that says what was done."""


@dataclass(frozen=True)
class ConfirmedAction:
    """An action that a person confirms in a dialog.

    Attributes:
        name: Tells it from all others on its page.
        button: What the button says, on the page and in the dialog.
        icon: Streamlit's name of its sign.
        effects: What will happen, each a sentence of Markdown.
        act: Carries it out.
        hindrance: Why it cannot be done now; None where it can.
    """

    name: str
    button: str
    icon: str
    effects: Sequence[str]
    act: ActionCallback
    hindrance: str | None = None


def offer_action(action: ConfirmedAction) -> None:
    """Draws the button of an action, and its dialog once it has been pressed."""
    st.button(
        action.button,
        icon=action.icon,
        key=f"confirm/{action.name}",
        disabled=action.hindrance is not None,
        help=action.hindrance,
        on_click=_open,
        args=(action.name,),
        width="stretch",
    )
    name, key = st.session_state.get(_OPEN, ("", ""))
    if name != action.name:
        return
    if action.hindrance is None:
        st.dialog(action.button, icon=action.icon, on_dismiss=_close)(_ask)(action, key)
    else:
        # Somebody else was faster.
        _close()


def show_done() -> None:
    """Shows for a while, at the top of a page, what was done last."""
    sentence, end = st.session_state.get(_DONE, ("", 0.0))
    if time.monotonic() < end:
        st.success(sentence, icon=":material/check_circle:")


def _ask(action: ConfirmedAction, key: str) -> None:
    st.markdown(_("This is what will happen:"))
    show_list(action.effects)
    reason = st.text_input(
        _("Reason"),
        key=f"confirm/reason/{key}",
        max_chars=MOST_REASON,
        help=_("One line; it stays in the ledger for good, for everybody to read."),
    )
    with st.container(horizontal=True):
        is_confirmed = st.button(action.button, key="confirm/yes", type="primary", icon=action.icon)
        if st.button(_("Cancel"), key="confirm/no"):
            _close()
            st.rerun()
    if is_confirmed:
        _do(action, reason.strip(), key)


def _do(action: ConfirmedAction, reason: str, key: str) -> None:
    if not reason:
        st.error(_("Say why: the ledger keeps a reason with every change."), icon=":material/edit:")
        return
    try:
        with st.spinner(_("Working…")):
            sentence = action.act(reason, key)
    except ConcordError as error:
        _show_refusal(error)
        return
    st.session_state[_DONE] = (sentence, time.monotonic() + DONE_SECONDS)
    _close()
    st.rerun()


def _show_refusal(error: ConcordError) -> None:
    """Shows why the service refused, and what to do."""
    show_fault(st.error, N_("**This was refused.** {message}"), error.message, ":material/block:")
    if error.code in {"unauthorized", "forbidden"}:
        st.markdown(_("It takes a token that administers. Nothing was changed."))
    elif error.code == "service_away":
        st.markdown(
            _("Whether it was carried out is not known. Press again: what was done is not done twice.")
        )
    elif error.code == "conflict":
        st.markdown(_("Nothing was changed. Close this, and look at how things are now."))


def _open(name: str) -> None:
    st.session_state[_OPEN] = (name, secrets.token_hex(16))


def _close() -> None:
    st.session_state.pop(_OPEN, None)
