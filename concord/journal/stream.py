"""Rounds read oldest first, in chunks: each a short transaction of its own, found by time and id.

A million rounds so take no more memory than a chunk, and hold up nobody who writes. Rounds that come in
meanwhile may be among them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from concord.journal.database import Database
from concord.journal.tables import rounds

ROWS: Final = 2000
"""Rounds in a chunk: a few MB of verdicts, less than one of evidence."""


def later_than(time: int, last: str) -> sa.ColumnElement[bool]:
    """Rounds that come after one, by time (µs) and id."""
    return sa.or_(rounds.c.time > time, sa.and_(rounds.c.time == time, rounds.c.id > last))


def oldest_first(
    database: Database, read: sa.Select[Any], begin: sa.ColumnElement[bool], since: int, limit: int
) -> Iterator[Sequence[Sequence[Any]]]:
    """Chunks of rows, at most `limit` in all.

    Args:
        database: Where they are.
        read: What is read of which rounds; id and time come first.
        begin: Where the first chunk begins.
        since: The same as a time (µs), by which an index finds it.
        limit: Rows in all, at most.
    """
    while limit > 0:
        query = read.where(rounds.c.time >= since, begin).order_by(rounds.c.time, rounds.c.id)
        with database.reading() as connection:
            chunk = connection.execute(query.limit(min(ROWS, limit))).all()
        if not chunk:
            return
        yield chunk
        limit -= len(chunk)
        last, since = chunk[-1][:2]
        begin = later_than(since, last)
