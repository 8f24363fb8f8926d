"""What the page asks of drift: one report, kept for a while, since each is a second's work of the service.

What may be read by everybody is kept once for all sessions; what a token opened is kept under that session's
key, so that nobody else sees it.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from concord.client import Client
from concord.types.drift import DriftReport

KEPT_SECONDS: Final = 60
"""How old a report may be. Drift takes days."""

MOST_REPORTS: Final = 100
"""How many are kept, of some 10 to 100 kB."""


@st.cache_data(ttl=KEPT_SECONDS, max_entries=MOST_REPORTS, show_spinner=False)
def read_report(
    _client: Client,
    key: str,  # noqa: ARG001 - keeps what a token opened apart
    url: str,  # noqa: ARG001 - keeps services apart
    task: str,
    days: float | None,
    limit: int,
) -> DriftReport:
    """How far a task's newest rounds are from the rows that its models learned from.

    Args:
        key: Of whoever reads; empty where everybody may.
        url: The consensus service.
        task: The task.
        days: Only rounds of the last so many days; None for all that are kept.
        limit: The newest so many.
    """
    since = None if days is None else (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    return _client.drift(task, since=since, limit=limit)


def clear_cache() -> None:
    """Drops what is kept, so that the next look is a new one."""
    read_report.clear()
