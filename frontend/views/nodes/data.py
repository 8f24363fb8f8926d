"""What moved the stake of a task's nodes, read from the ledger a thousand blocks at a time.

A node's newest thousand blocks change with every block and are kept for seconds; those before a
height never change. All sessions share both, since to read a thousand blocks is work for the service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from concord.client import Client
from concord.types.nodes import HistoryEntry
from frontend.data import service

FRESH_SECONDS: Final = 10
"""How old a history may be: a block where nobody waits for one takes as long."""

KEPT_SECONDS: Final = 600
"""How long blocks are kept that never change."""

MOST_KEPT: Final = 200
"""Pages of history in memory."""

PAGE_BLOCKS: Final = 1000
"""Blocks that the service looks back on at once."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a block did to a node's account."""

    node: str
    entry: HistoryEntry


@st.cache_data(ttl=FRESH_SECONDS, show_spinner=False)
def height(url: str) -> int:
    """Of the ledger's newest block."""
    return int(service.connect(url).ledger()["height"])


def changes(url: str, task: str, nodes: Sequence[str], pages: int = 1) -> list[Change]:
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
    end = height(url) // PAGE_BLOCKS * PAGE_BLOCKS + 1
    ends = [end - PAGE_BLOCKS * place for place in range(pages)] if pages > 1 else []
    found = [
        Change(node, entry)
        for node in nodes
        for entry in [
            *(one for before in reversed(ends) if before > 1 for one in _before(url, task, node, before)),
            *_newest(url, task, node),
        ]
    ]
    # A block is read twice where the newest page reaches into the one before.
    return sorted(dict.fromkeys(found), key=lambda one: one.entry.height)


def reach(url: str, pages: int) -> int:
    """The first block that so many pages look back on."""
    newest = height(url)
    if pages == 1:
        return max(1, newest + 1 - PAGE_BLOCKS)
    return max(1, newest // PAGE_BLOCKS * PAGE_BLOCKS + 1 - pages * PAGE_BLOCKS)


def release(client: Client, task: str, node: str, reason: str, key: str) -> None:
    """Has a node count again, once for each key.

    Raises:
        ConcordError: The service refuses, or is away.
    """
    client.release(task, node, reason, key=key)
    forget()


def forget() -> None:
    """Drops what is kept of the nodes."""
    service.forget()
    height.clear()
    _newest.clear()


@st.cache_data(ttl=FRESH_SECONDS, show_spinner="…", max_entries=MOST_KEPT)
def _newest(url: str, task: str, node: str) -> list[HistoryEntry]:
    return service.connect(url).history(task, node).entries


@st.cache_data(ttl=KEPT_SECONDS, show_spinner="…", max_entries=MOST_KEPT)
def _before(url: str, task: str, node: str, before: int) -> list[HistoryEntry]:
    return service.connect(url).history(task, node, before=before).entries
