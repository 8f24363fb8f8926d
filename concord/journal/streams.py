"""Reads rounds oldest first, in chunks: each a short transaction of its own, found by time and id.

A million rounds need no more memory than a chunk, and block no writer. Rounds that come in meanwhile may be
among them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from concord.journal.database import Database
from concord.journal.rows import JudgedRound, KeptRound, LabelledRound
from concord.journal.search import ROWS, WITH_LABELS, read_cursor, write_cursor
from concord.journal.tables import KEPT, labels, rounds

LOOKED_AT: Final = 20 * ROWS
"""Rounds that a page of labelled ones checks; where few have a label, a page is short instead of slow."""


def kept_rounds(database: Database, task: str, since: int, limit: int) -> Iterator[list[KeptRound]]:
    """The newest `limit` rounds since a time (µs) whose features are kept, oldest first, in chunks."""
    of_task = sa.and_(rounds.c.task == task, KEPT)
    newest = (
        sa.select(rounds.c.time, rounds.c.id)
        .where(of_task, rounds.c.time >= since)
        .order_by(rounds.c.time.desc(), rounds.c.id.desc())
        .offset(limit - 1)
        .limit(1)
    )
    with database.reading() as connection:
        first = connection.execute(newest).first()
    time, id_ = (first[0], first[1]) if first else (since, "")
    begin = sa.or_(rounds.c.time > time, sa.and_(rounds.c.time == time, rounds.c.id >= id_))
    query = _select(rounds.c.features, rounds.c.verdict, labels.c.label).where(of_task)
    for chunk in _oldest_first(database, query, begin, time, limit):
        yield [KeptRound(*row) for row in chunk]


def judged_rounds(database: Database, task: str, since: int, limit: int) -> Iterator[list[JudgedRound]]:
    """The first `limit` labelled rounds under `wager` since a time (µs), oldest first, in chunks.

    Rounds whose features were forgotten are among them: votes and label are enough to compare versions.
    """
    query = _select(rounds.c.evidence, labels.c.label, labels.c.time).where(
        rounds.c.task == task,
        rounds.c.policy == "wager",
        rounds.c.evidence.is_not(None),
        labels.c.label.is_not(None),
    )
    for chunk in _oldest_first(database, query, rounds.c.time >= since, since, limit):
        yield [JudgedRound(*row) for row in chunk]


def labelled_rounds(
    database: Database, task: str, since: int, limit: int, after: str | None
) -> tuple[list[LabelledRound], str | None]:
    """A page of labelled rounds since a time (µs), and the cursor of the next one; see `Journal.labelled`."""
    time, last = read_cursor(after) if after is not None else (since, "")
    query = _select(rounds.c.features, labels.c.label).where(rounds.c.task == task, KEPT)
    page: list[LabelledRound] = []
    checked = 0
    for chunk in _oldest_first(database, query, _is_after(time, last), max(time, since), LOOKED_AT):
        checked += len(chunk)
        for row in chunk:
            last, time = row[:2]
            if row[-1] is not None:
                page.append(LabelledRound(*row))
            if len(page) == limit:
                return page, write_cursor(time, last)
    return page, write_cursor(time, last) if checked == LOOKED_AT else None


def _select(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return sa.select(rounds.c.id, rounds.c.time, *columns).select_from(WITH_LABELS)


def _is_after(time: int, id_: str) -> sa.ColumnElement[bool]:
    """Whether a round comes after the one of this time (µs) and id."""
    return sa.or_(rounds.c.time > time, sa.and_(rounds.c.time == time, rounds.c.id > id_))


def _oldest_first(
    database: Database, query: sa.Select[Any], begin: sa.ColumnElement[bool], since: int, limit: int
) -> Iterator[Sequence[Sequence[Any]]]:
    """Chunks of rows, at most `limit` in all.

    Args:
        database: Where they are.
        query: Columns and rounds; id and time come first.
        begin: Where the first chunk begins.
        since: The same as a time (µs), by which an index finds it.
        limit: Rows in all, at most.
    """
    while limit > 0:
        ordered = query.where(rounds.c.time >= since, begin).order_by(rounds.c.time, rounds.c.id)
        with database.reading() as connection:
            chunk = connection.execute(ordered.limit(min(ROWS, limit))).all()
        if not chunk:
            return
        yield chunk
        limit -= len(chunk)
        last, since = chunk[-1][:2]
        begin = _is_after(since, last)
