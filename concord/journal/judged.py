"""Labelled rounds with their evidence, streamed oldest first: what two versions are compared on.

Each chunk is a short transaction of its own, found by time and id, as those of `concord.journal.kept`.
Votes and label are enough: rounds whose rows were forgotten are among them.
"""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from concord.journal.database import Database
from concord.journal.rows import JudgedRound
from concord.journal.tables import labels, rounds

ROWS: Final = 2000
"""Rounds in a chunk: less than a MB of evidence."""

_READ: Final = sa.select(
    rounds.c.id, rounds.c.time, rounds.c.evidence, labels.c.label, labels.c.time
).select_from(rounds.join(labels, rounds.c.id == labels.c.id))


def judged_rounds(database: Database, task: str, since: int, limit: int) -> Iterator[list[JudgedRound]]:
    """The first `limit` labelled rounds under `wager` since a time (µs), oldest first, in chunks."""
    of_task = sa.and_(rounds.c.task == task, rounds.c.policy == "wager", rounds.c.evidence.is_not(None))
    time, begin = since, rounds.c.time >= since
    while limit > 0:
        query = (
            _READ.where(of_task, rounds.c.time >= time, begin)
            .order_by(rounds.c.time, rounds.c.id)
            .limit(min(ROWS, limit))
        )
        with database.reading() as connection:
            chunk = [JudgedRound(*row) for row in connection.execute(query)]
        if not chunk:
            return
        yield chunk
        limit -= len(chunk)
        time, last = chunk[-1].time, chunk[-1].id
        begin = sa.or_(rounds.c.time > time, sa.and_(rounds.c.time == time, rounds.c.id > last))
