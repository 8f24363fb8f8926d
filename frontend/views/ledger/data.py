"""Reads the ledger's state, blocks and stakes, and has the service verify them."""

from dataclasses import dataclass
from typing import Final

import streamlit as st
from pydantic import TypeAdapter

from concord.types.ledger import BlockPage, StakesPage
from frontend.data import service

FRESH_SECONDS: Final = 3
"""How old the newest blocks may be."""

KEPT_SECONDS: Final = 60
"""How long what lies below a height is kept; it never changes, unless another ledger comes in its place."""

KEPT_PAGES: Final = 200

PAGE: Final = 20
"""Blocks on a page."""


@dataclass(frozen=True, slots=True)
class LedgerHeadline:
    """The ledger's newest state.

    Attributes:
        height: Of the newest block; 0 where there is none.
        hash: Of it.
        due: Rounds that wait for the next block.
        alarm: What is wrong, in the service's words, or None.
    """

    height: int
    hash: str
    due: int
    alarm: str | None


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What replaying every block came to.

    Attributes:
        blocks: How many were replayed.
        noted: How many were compared with what the journal noted.
        orphans: Segments that the chain does not name; harmless.
        problems: The service's sentences; empty where all is well.
    """

    height: int
    hash: str
    blocks: int
    noted: int
    orphans: tuple[str, ...]
    problems: tuple[str, ...]


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def read_state(url: str) -> LedgerHeadline:
    """The newest state, a few seconds old at most."""
    return TypeAdapter(LedgerHeadline).validate_python(service.connect(url).ledger())


def list_blocks(url: str, before: int | None = None) -> BlockPage:
    """A page of blocks, newest first, below a height."""
    return _newest_blocks(url) if before is None else _older_blocks(url, before)


def read_stakes(url: str, task: str, before: int | None = None) -> StakesPage:
    """Who gained and who lost over the newest 1,000 blocks below a height."""
    return _newest_stakes(url, task) if before is None else _older_stakes(url, task, before)


def verify(url: str) -> ReplayResult:
    """Has the service replay every block; seconds, or minutes for a very long ledger."""
    return TypeAdapter(ReplayResult).validate_python(service.connect(url).verify())


def clear_cache() -> None:
    """Drops what is cached."""
    for cached in (read_state, _newest_blocks, _older_blocks, _newest_stakes, _older_stakes):
        cached.clear()


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _newest_blocks(url: str) -> BlockPage:
    return service.connect(url).blocks(limit=PAGE)


@st.cache_data(ttl=KEPT_SECONDS, max_entries=KEPT_PAGES, show_spinner=False)
def _older_blocks(url: str, before: int) -> BlockPage:
    return service.connect(url).blocks(before=before, limit=PAGE)


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def _newest_stakes(url: str, task: str) -> StakesPage:
    return service.connect(url).stakes(task)


@st.cache_data(ttl=KEPT_SECONDS, max_entries=KEPT_PAGES, show_spinner=False)
def _older_stakes(url: str, task: str, before: int) -> StakesPage:
    return service.connect(url).stakes(task, before=before)
