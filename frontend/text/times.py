"""Formats times, in the reader's language and the browser's time zone."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from babel.dates import format_datetime

from frontend.text import language


def format_time(text: str) -> str:
    """A time of the service's, such as `2026-01-31T09:00:00+00:00`, to the second."""
    moment = datetime.fromisoformat(text).astimezone(browser_zone())
    return format_datetime(moment, "d MMM y, HH:mm:ss", locale=language.current())


def format_utc(text: str) -> str:
    """A time of the service's, which is in UTC, to the second."""
    return text[:19].replace("T", " ")


def format_utc_minute(text: str) -> str:
    """A time of the service's, which is in UTC, to the minute."""
    return format_utc(text)[:16]


def browser_zone() -> tzinfo:
    """The browser's zone; UTC where it names none that is known here."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
