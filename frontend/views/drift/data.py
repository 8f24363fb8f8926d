"""Reads drift reports, and keeps each for a while: the service works a second on one."""

from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from concord.types.drift import DriftReport
from frontend.data.service import HASH_READER, Reader

KEPT_SECONDS: Final = 60
"""How old a report may be. Drift takes days."""

MOST_REPORTS: Final = 100
"""How many are kept, of some 10 to 100 kB."""


@st.cache_data(ttl=KEPT_SECONDS, max_entries=MOST_REPORTS, show_spinner=False, hash_funcs=HASH_READER)
def read_report(reader: Reader, task: str, days: float | None, limit: int) -> DriftReport:
    """How far a task's newest rounds are from the rows that its models learned from.

    Args:
        reader: Whoever reads; cached for its key alone.
        task: The task.
        days: Only rounds of the last so many days; None for all that are kept.
        limit: The newest so many.
    """
    since = None if days is None else (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    return reader.client.drift(task, since=since, limit=limit)


def clear_cache() -> None:
    """Drops what is kept, so that the next look is a new one."""
    read_report.clear()
