"""Reads what changed the accounts of a task's nodes, a thousand blocks at a time.

The newest thousand blocks are cached for seconds, older ones longer, since they never change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from concord.types.nodes import HistoryEntry
from frontend.data import service

FRESH_SECONDS: Final = 10
"""How old a history may be; a block takes as long where no request waits for it."""

KEPT_SECONDS: Final = 600
"""How long blocks are kept that never change."""

MOST_KEPT: Final = 200
"""Pages of history in memory."""

PAGE_BLOCKS: Final = 1000
"""Blocks that the service looks back on at once."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What a block did to a node's account."""

    node: str
    entry: HistoryEntry


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def read_height(url: str) -> int:
    """The height of the ledger's newest block."""
    return int(service.connect(url).ledger()["height"])


def list_changes(url: str, task: str, nodes: Sequence[str], pages: int = 1) -> list[AccountChange]:
    """What the newest blocks did to the nodes of a task, the oldest first.

    Args:
        url: The consensus service.
        task: The task.
        nodes: Its nodes.
        pages: How many thousand blocks are looked back on.

    Raises:
        ConcordError: The service is away, or refuses.
    """
    # The pages before the newest end at round heights, so that a new block does not make them others.
    end = read_height(url) // PAGE_BLOCKS * PAGE_BLOCKS + 1
    ends = [end - PAGE_BLOCKS * page for page in range(pages)] if pages > 1 else []
    changes = [
        AccountChange(node, entry)
        for node in nodes
        for entry in [
            *(entry for before in reversed(ends) if before > 1 for entry in _before(url, task, node, before)),
            *_newest(url, task, node),
        ]
    ]
    # A block is read twice where the newest page reaches into the one before.
    return sorted(dict.fromkeys(changes), key=lambda change: change.entry.height)


def first_block(url: str, pages: int) -> int:
    """The first block that so many pages look back on."""
    newest = read_height(url)
    if pages == 1:
        return max(1, newest + 1 - PAGE_BLOCKS)
    return max(1, newest // PAGE_BLOCKS * PAGE_BLOCKS + 1 - pages * PAGE_BLOCKS)


def clear_cache() -> None:
    """Drops what is cached of the nodes."""
    service.clear_cache()
    read_height.clear()
    _newest.clear()


@st.cache_data(ttl=FRESH_SECONDS, show_spinner="…", max_entries=MOST_KEPT)
def _newest(url: str, task: str, node: str) -> list[HistoryEntry]:
    return service.connect(url).history(task, node).entries


@st.cache_data(ttl=KEPT_SECONDS, show_spinner="…", max_entries=MOST_KEPT)
def _before(url: str, task: str, node: str, before: int) -> list[HistoryEntry]:
    return service.connect(url).history(task, node, before=before).entries
