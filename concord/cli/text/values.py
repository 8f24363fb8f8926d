"""Labels, values, stake and times as commands print them."""

from datetime import UTC, datetime
from decimal import Decimal


def format_answer(label: str | None, value: float | None, unit: str | None) -> str:
    """A class's name, or a value with its unit; empty where there is neither."""
    if label is not None:
        return label
    return "" if value is None else f"{value:,.10g} {unit or ''}".strip()


def format_stake(micro: int) -> str:
    """µS as stake, exactly, with its thousands apart."""
    return f"{Decimal(micro) / 1_000_000:,f}"


def format_plain_stake(micro: int) -> str:
    """µS as stake, exactly, as one would type it."""
    return f"{Decimal(micro) / 1_000_000:f}"


def format_time(time: str | int) -> str:
    """A time as local time; one in ISO 8601, or in µs since the epoch."""
    if isinstance(time, int):
        moment = datetime.fromtimestamp(time / 1e6, UTC)
    else:
        moment = datetime.fromisoformat(time)
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def count(number: int, noun: str) -> str:
    """`1 block`, `2 blocks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
