"""The time by which data is deleted: the clock, as far as hourly heartbeats in the journal confirm it.

A machine whose clock runs 40 days ahead at its start would delete a month of features at once. So the journal
keeps how far the clock has been confirmed. A clock that goes on from there by up to three days, as after a
weekend, is believed. One that is further ahead is believed once it has been so for 24 hourly heartbeats, in
which somebody may notice; until then nothing of the days between is deleted.
"""

from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from concord.journal.database import Database
from concord.journal.tables import heartbeat, rounds
from concord.util.times import DAY, HOUR

NEAR: Final = 3 * DAY
"""µs that the clock may be ahead of what was confirmed, and is believed at once."""

BEATS: Final = 24
"""Hourly heartbeats after which a clock that is further ahead is believed."""

APART: Final = HOUR - HOUR // 10
"""µs between two heartbeats that count as two."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How far the clock has been confirmed.

    Attributes:
        confirmed: Time up to which it has been, in µs since the epoch.
        last: Last heartbeat of a clock that is further ahead; None unless one is.
        beats: Its heartbeats so far.
    """

    confirmed: int
    last: int | None = None
    beats: int = 0

    def at(self, clock: int) -> "Heartbeat":
        """What is confirmed after a heartbeat at a time of the clock."""
        if clock <= self.confirmed + NEAR:
            # A clock that was set back is followed at once: then less is old, and less is deleted.
            return Heartbeat(clock)
        if self.last is not None and 0 <= clock - self.last < APART:
            return self
        if self.last is None or clock < self.last:
            return replace(self, last=clock, beats=1)
        if self.beats + 1 >= BEATS:
            return Heartbeat(clock)
        return replace(self, last=clock, beats=self.beats + 1)


def beat(database: Database, clock: int) -> int:
    """Writes a heartbeat, and returns how far the clock is confirmed, in µs since the epoch.

    In a journal without one the time of its newest round was confirmed; without a round, the clock is.

    Args:
        database: The journal's.
        clock: µs since the epoch.

    Raises:
        JournalUnavailable: It does not serve.
    """
    columns = [heartbeat.c[name] for name in ("confirmed", "last", "beats")]
    with database.writing() as connection:
        row = connection.execute(sa.select(*columns).where(heartbeat.c.id == 1).with_for_update()).first()
        newest = None if row else connection.scalar(sa.select(sa.func.max(rounds.c.time)))
        before = Heartbeat(*row) if row else Heartbeat(clock if newest is None else min(newest, clock))
        after = before.at(clock)
        values = {"id": 1, "confirmed": after.confirmed, "last": after.last, "beats": after.beats}
        if row is None or after != before:
            connection.execute(database.upsert(heartbeat, values))
    return after.confirmed
