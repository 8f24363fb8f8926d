"""Labelled rounds with their evidence, oldest first: what two versions are compared on.

Votes and label are enough: rounds whose rows were forgotten are among them.
"""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from concord.journal.database import Database
from concord.journal.rows import JudgedRound
from concord.journal.stream import oldest_first
from concord.journal.tables import labels, rounds

_READ: Final = sa.select(
    rounds.c.id, rounds.c.time, rounds.c.evidence, labels.c.label, labels.c.time
).select_from(rounds.join(labels, rounds.c.id == labels.c.id))


def judged_rounds(database: Database, task: str, since: int, limit: int) -> Iterator[list[JudgedRound]]:
    """The first `limit` labelled rounds under `wager` since a time (µs), in chunks."""
    of_task = sa.and_(rounds.c.task == task, rounds.c.policy == "wager", rounds.c.evidence.is_not(None))
    for chunk in oldest_first(database, _READ.where(of_task), rounds.c.time >= since, since, limit):
        yield [JudgedRound(*row) for row in chunk]
