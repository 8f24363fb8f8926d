"""Reads rounds, and labels one.

What a token opened is cached under its session's key (`access.find_reader`), so that nobody else sees it.
Labelling a round drops the cache, since the round changes with its label and with its block.
"""

from dataclasses import asdict, dataclass
from typing import Final

import streamlit as st

from concord.client import Client, results_of
from concord.errors import ConcordError, Refused
from concord.tasks.schema import TaskSchema
from concord.types.rounds import Round, RoundPage
from frontend.data.service import HASH_READER, Reader

FRESH_SECONDS: Final = 3
"""How old a list, or a round, may be."""

MOST_KEPT: Final = 500
"""Pages and rounds that are cached at once, of all sessions."""

PAGE_ROUNDS: Final = 25
"""Rounds on a page."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rounds to list; None: any. Times are ISO 8601 with their zone."""

    status: str | None = None
    label: str | None = None
    answer: str | None = None
    id: str | None = None
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What the service did with a label.

    Attributes:
        status: `accepted`, `known`, or the code of why not.
        message: The service's sentence; empty where it was taken.
        block: The block that settled the round.
    """

    status: str
    message: str = ""
    block: int | None = None

    @property
    def is_good(self) -> bool:
        """Whether the round has this label now."""
        return self.status in ("accepted", "known")


@st.cache_data(ttl=FRESH_SECONDS, max_entries=MOST_KEPT, show_spinner="…", hash_funcs=HASH_READER)
def read_page(reader: Reader, task: str, filters: Filters, after: str | None = None) -> RoundPage:
    """A page of a task's rounds, newest first, a few seconds old at most."""
    return reader.client.rounds(task=task, limit=PAGE_ROUNDS, after=after, **asdict(filters))


@st.cache_data(ttl=FRESH_SECONDS, max_entries=MOST_KEPT, show_spinner="…", hash_funcs=HASH_READER)
def read_round(reader: Reader, round_id: str) -> Round:
    """A round with its explanation, a few seconds old at most."""
    return reader.client.round(round_id)


def clear_cache() -> None:
    """Drops what is cached."""
    read_page.clear()
    read_round.clear()


def label_round(client: Client, schema: TaskSchema, round_id: str, truth: str | float) -> LabelReport:
    """Labels a round, and waits for its block.

    Args:
        client: With a token.
        schema: The round's task's.
        round_id: The round.
        truth: A class's name, or a value in its unit.
    """
    label = {"id": round_id, "value" if schema.is_regression else "label": truth}
    try:
        results = client.feedback([label], settled=True).labels
    except ConcordError as error:
        results = results_of(error) if isinstance(error, Refused) else []
        if not results:
            return LabelReport(error.code, error.message)
    finally:
        clear_cache()
    result, refusal = results[0], results[0].error or {}
    return LabelReport(refusal.get("code") or result.status, refusal.get("message") or "", result.block)
