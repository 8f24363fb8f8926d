"""What leaves the journal: features that are forgotten or old, and rounds that no block will settle any more.

Rows are taken in chunks, so that the writer of rounds waits for milliseconds, not for a month of rows. What
is deleted is overwritten in SQLite's file and in its log.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from concord.journal.database import CHUNK, Database, chunks
from concord.journal.tables import KEPT, disputes, labels, rounds

UNSETTLED = sa.and_(rounds.c.block.is_(None), rounds.c.batch.is_(None))
"""Rounds that are in no block and do not wait for one."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting came to.

    Attributes:
        rounds: Rounds whose features were deleted.
        is_wiped: Whether nothing of them is on the disk; with SQLite a reader may need the log that has them.
    """

    rounds: int
    is_wiped: bool


class Retention:
    """Deletes, in transactions of its own.

    Args:
        database: The journal's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Times up to which this process has dropped features and removed rounds.
        self._expired = self._removed = 0
        self._is_wiped = True

    def forget(self, ids: Iterable[str]) -> Forgotten:
        """Deletes the features of rounds, also of those whose log a reader kept the last time."""
        forgotten = 0
        with self._database.writing() as connection:
            for chunk in chunks(ids):
                forgotten += _drop_features(connection, chunk)
        return Forgotten(forgotten, self._database.wipe_log())

    def expire(self, before: int) -> int:
        """Deletes the features of rounds older than `before` (µs since the epoch); returns of how many."""
        # Where an index of the kept ones alone cannot be had (MySQL), finding them takes a walk over all
        # that is old.
        count, self._expired = self._sweep(KEPT, self._expired, before, _drop_features)
        return count

    def remove_unsettled(self, before: int) -> int:
        """Removes rounds older than `before` (µs since the epoch) that no block settled, and their labels.

        Returns:
            How many.
        """
        count, self._removed = self._sweep(UNSETTLED, self._removed, before, _remove)
        return count

    def _sweep(
        self,
        condition: sa.ColumnElement[bool],
        since: int,
        before: int,
        drop: Callable[[sa.Connection, Sequence[str]], int],
    ) -> tuple[int, int]:
        """Drops what meets a condition, oldest first; returns how much, and up to which time it is done."""
        dropped = 0
        while True:
            old = (
                sa.select(rounds.c.id, rounds.c.time)
                .where(rounds.c.time >= since, rounds.c.time < before, condition)
                .order_by(rounds.c.time)
                .limit(CHUNK)
                .with_for_update()
            )
            with self._database.patient() as connection:
                chunk = connection.execute(old).all()
                dropped += drop(connection, [row[0] for row in chunk]) if chunk else 0
            if len(chunk) < CHUNK:
                break
            since = chunk[-1][1]
        if dropped or not self._is_wiped:
            self._is_wiped = self._database.wipe_log()
        return dropped, max(since, before)


def _drop_features(connection: sa.Connection, ids: Sequence[str]) -> int:
    return connection.execute(
        rounds.update().where(rounds.c.id.in_(ids), KEPT).values(features=None)
    ).rowcount


def _remove(connection: sa.Connection, ids: Sequence[str]) -> int:
    for table in (labels, disputes):
        connection.execute(table.delete().where(table.c.id.in_(ids)))
    return connection.execute(rounds.delete().where(rounds.c.id.in_(ids), UNSETTLED)).rowcount
