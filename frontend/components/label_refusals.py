"""Shows why the service did not take a label: a text for each code, and the service's own sentence."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from frontend.components.message import show_small
from frontend.text import wording
from frontend.text.language import N_, _

MEANINGS: Final[Mapping[str, str]] = {
    "conflict": N_(
        "**The round has another label already.** That one stands and stake moves by it; yours is kept as a "
        "dispute and changes nothing. Find out together which is right."
    ),
    "tokens_off": N_(
        "**This service takes no labels yet.** It has no tokens: an operator makes one with "
        "`concord tokens add NAME --labels TASK`."
    ),
    "unauthorized": N_(
        "**The service does not know this token.** Forget it, at the foot of the page, and use another one. "
        "Nothing was recorded."
    ),
    "expired_token": N_("**This token has expired.** Ask an operator for another one. Nothing was recorded."),
    "forbidden": N_("**This token may not say what was true.** Ask an operator for one with `--labels`."),
    "forbidden_task": N_("**This token is for other tasks.** Ask an operator for one that labels this task."),
    "expired": N_(
        "**It is too late.** The round was answered so long ago that the models it tells of are gone. "
        "Nothing was recorded."
    ),
    "unknown_round": N_(
        "**The service has no such round yet.** It takes a moment to be recorded: try again in a second. "
        "If it stays so, ask anew."
    ),
    "invalid_label": N_("**The service does not accept this as an answer.** Nothing was recorded."),
    "journal_unavailable": N_(
        "**The database of rounds is away.** Nothing was recorded; try again in a minute, nothing is counted "
        "twice."
    ),
    "no_quorum": N_(
        "**The task's nodes have not answered since the service started**, so it cannot read a label yet. "
        "Nothing was recorded; try again in a minute."
    ),
    "service_away": N_(
        "**The consensus service did not answer.** Whether it recorded this is not known: say the same "
        "again, nothing is counted twice."
    ),
}
"""Code of a refusal → what it means and what to do."""

_OTHER: Final = N_("**The service did not take it.** Nothing was recorded.")
_CAUTIONS: Final = frozenset({"conflict", "unknown_round", "expired", "invalid_label"})
"""Shown as warnings: the person can do something about them. All others are errors."""


def show_refusal(code: str, message: str) -> None:
    """Shows a refusal.

    Args:
        code: The service's word for it.
        message: The service's sentence.
    """
    box = st.warning if code in _CAUTIONS else st.error
    box(_(MEANINGS.get(code, _OTHER)), icon=":material/error:")
    if message:
        show_small(_("The service says: {message}", message=wording.escape(message)))
