"""Rounds whose rows are kept, oldest first: what drift is seen in, and what models learn from anew."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from concord.journal.cursor import read_cursor, write_cursor
from concord.journal.database import Database
from concord.journal.rows import KeptRound, LabelledRound
from concord.journal.stream import ROWS, later_than, oldest_first
from concord.journal.tables import KEPT, labels, rounds

LOOKED_AT: Final = 20 * ROWS
"""Rounds that one page of labelled ones looks at; where few have a label, a page is short instead of slow."""

_READ: Final = sa.select(
    rounds.c.id, rounds.c.time, rounds.c.features, rounds.c.verdict, labels.c.label
).select_from(rounds.outerjoin(labels, rounds.c.id == labels.c.id))


def kept_rounds(database: Database, task: str, since: int, limit: int) -> Iterator[list[KeptRound]]:
    """The newest `limit` rounds of a task that are not older than `since` (µs), oldest first, in chunks."""
    of_task = sa.and_(rounds.c.task == task, KEPT)
    newest = (
        sa.select(rounds.c.time, rounds.c.id)
        .where(of_task, rounds.c.time >= since)
        .order_by(rounds.c.time.desc(), rounds.c.id.desc())
        .offset(limit - 1)
        .limit(1)
    )
    with database.reading() as connection:
        found = connection.execute(newest).first()
    time, last = (found[0], found[1]) if found else (since, "")
    begin = sa.or_(rounds.c.time > time, sa.and_(rounds.c.time == time, rounds.c.id >= last))
    for chunk in oldest_first(database, _READ.where(of_task), begin, time, limit):
        yield [KeptRound(*row) for row in chunk]


def labelled_rounds(
    database: Database, task: str, since: int, limit: int, after: str | None
) -> tuple[list[LabelledRound], str | None]:
    """A page of labelled rounds since a time (µs), and the cursor of the next one; as `Journal.labelled`."""
    time, last = read_cursor(after) if after is not None else (since, "")
    found: list[LabelledRound] = []
    for _ in range(LOOKED_AT // ROWS):
        chunk = _chunk(database, task, max(time, since), time, last)
        for one in chunk:
            if one.label is not None:
                found.append(LabelledRound(one.id, one.time, one.features, one.label))
            time, last = one.time, one.id
            if len(found) == limit:
                return found, write_cursor(time, last)
        if len(chunk) < ROWS:
            return found, None
    return found, write_cursor(time, last)


def _chunk(database: Database, task: str, since: int, time: int, last: str) -> Sequence[Any]:
    query = (
        sa.select(rounds.c.id, rounds.c.time, rounds.c.features, labels.c.label)
        .select_from(rounds.outerjoin(labels, rounds.c.id == labels.c.id))
        .where(
            rounds.c.task == task,
            KEPT,
            rounds.c.time >= since,
            later_than(time, last),
        )
        .order_by(rounds.c.time, rounds.c.id)
        .limit(ROWS)
    )
    with database.reading() as connection:
        return connection.execute(query).all()
