"""Rounds: finding and reading them, and saying what was true.

What is read with a session's token is kept under that session's key (`access.reading`), so nobody sees
it who may not. A round changes when its label comes and when its block does: what was read of it is
dropped as soon as the page itself has labelled it.
"""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from concord.client import Client, results_of
from concord.errors import ConcordError, Refused
from concord.tasks.schema import TaskSchema
from concord.types.answers import SettlementStatus
from concord.types.rounds import LabelResult, Round, RoundPage
from frontend.data.service import Reader

FRESH_SECONDS: Final = 3
"""How old a list, or a round, may be."""

KEPT: Final = 500
"""Pages and rounds that are kept at once, of all sessions."""

PAGE: Final = 25
"""Rounds in a list: what one looks through without getting lost."""

_WAIT = "…"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rounds are looked for; None: any. Times are ISO 8601 with their zone."""

    status: str | None = None
    label: str | None = None
    answer: str | None = None
    id: str | None = None
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a label.

    Attributes:
        truth: What was said.
        status: `accepted`, `known`, or the code of why not.
        message: The service's sentence; empty where it was taken.
        settlement: `none`: no stake moves by it; `due`: the block follows; `settled`: it is in `block`.
        block: The block that settled the round.
    """

    truth: str | float
    status: str
    message: str = ""
    settlement: SettlementStatus = "none"
    block: int | None = None

    @property
    def is_good(self) -> bool:
        """Whether it is what the round is labelled with now."""
        return self.status in ("accepted", "known")


def page(reader: Reader, url: str, task: str, filters: Filters, after: str | None = None) -> RoundPage:
    """A page of a task's rounds, newest first, a few seconds old at most."""
    return _page(reader.client, reader.key, url, task, filters, after)


def one(reader: Reader, url: str, round_id: str) -> Round:
    """A round with its explanation, a few seconds old at most."""
    return _one(reader.client, reader.key, url, round_id)


def forget() -> None:
    """Drops what is kept, so that the next look is a new one."""
    _page.clear()
    _one.clear()


def tell(client: Client, schema: TaskSchema, round_id: str, truth: str | float) -> Told:
    """Says what was true of a round, and waits for its block.

    Args:
        client: With a token.
        schema: The round's task's.
        round_id: The round.
        truth: A class's name, or a value in its unit.
    """
    label = {"id": round_id, "value" if schema.is_regression else "label": truth}
    try:
        found = client.feedback([label], settled=True).labels
    except ConcordError as error:
        found = results_of(error) if isinstance(error, Refused) else []
        if not found:
            return Told(truth, error.code, error.message)
    finally:
        forget()
    return _told(truth, found[0])


def _told(truth: str | float, result: LabelResult) -> Told:
    error = result.error or {}
    status = error.get("code") or result.status
    return Told(truth, status, error.get("message") or "", result.settlement, result.block)


@st.cache_data(ttl=FRESH_SECONDS, max_entries=KEPT, show_spinner=_WAIT)
def _page(
    _client: Client,
    key: str,  # noqa: ARG001 - whose cache it is
    url: str,  # noqa: ARG001 - whose service it is
    task: str,
    filters: Filters,
    after: str | None,
) -> RoundPage:
    sought = {name: getattr(filters, name) for name in Filters.__slots__}
    return _client.rounds(task=task, limit=PAGE, after=after, **sought)


@st.cache_data(ttl=FRESH_SECONDS, max_entries=KEPT, show_spinner=_WAIT)
def _one(_client: Client, key: str, url: str, round_id: str) -> Round:  # noqa: ARG001 - likewise
    return _client.round(round_id)
