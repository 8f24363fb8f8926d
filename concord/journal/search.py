"""Finding rounds, newest first, page by page: by what an index knows, or by looking through some.

What an index finds (task, status, time, the beginning of an id, disputes) is asked of the database. Whether
a round has a label, and what its answer says, is looked at round by round, and at so many a page only:
where few fit, a page is short instead of slow, and its cursor goes on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa

from concord.journal.cursor import read_cursor, write_cursor
from concord.journal.database import Database
from concord.journal.rows import StoredRound
from concord.journal.stream import ROWS
from concord.journal.tables import blocks, disputes, labels, rounds

LOOKED_AT: Final = 10 * ROWS
"""Rounds that one page looks at: some 50 MB of verdicts, in a second or so."""

LabelState = Literal["known", "unknown", "disputed"]

COLUMNS: Final = (
    "id",
    "task",
    "time",
    "status",
    "policy",
    "height",
    "request_id",
    "verdict",
    "features",
    "evidence",
    "due",
    "traceparent",
)
"""What a round is recorded with, in the order of `RoundRow`."""

READ: Final = sa.select(
    *(rounds.c[name] for name in COLUMNS),
    rounds.c.block,
    blocks.c.hash,
    rounds.c.record,
    labels.c.label,
    labels.c.source,
    labels.c.time,
).select_from(
    rounds.outerjoin(blocks, rounds.c.block == blocks.c.height).outerjoin(labels, rounds.c.id == labels.c.id)
)
"""A round with its label and its block, in the order of `StoredRound`."""


@dataclass(frozen=True, slots=True)
class RoundFilters:
    """Which rounds are looked for; None: any.

    Attributes:
        task: Of this task.
        status: Of this status.
        since: Of this time, in µs since the epoch, or later.
        until: Before this time, likewise.
        prefix: Whose ids begin so: hex digits.
        label: `known`: it has a label; `unknown`: it has none; `disputed`: others came that contradict it.
        fits: Whether a verdict, as JSON, is one that is looked for.
    """

    task: str | None = None
    status: str | None = None
    since: int | None = None
    until: int | None = None
    prefix: str | None = None
    label: LabelState | None = None
    fits: Callable[[bytes], bool] | None = None

    @property
    def is_looked_through(self) -> bool:
        """Whether it takes looking at rounds one by one."""
        return self.fits is not None or self.label in ("known", "unknown")


def find_rounds(
    database: Database, wanted: RoundFilters, limit: int, after: str | None
) -> tuple[list[StoredRound], str | None]:
    """A page of rounds, newest first, and the cursor of the next one; as `Journal.rounds`."""
    if wanted.is_looked_through:
        return _look_through(database, wanted, limit, after)
    query = _page(READ, wanted, read_cursor(after) if after is not None else None).limit(limit + 1)
    with database.reading() as connection:
        found = [StoredRound(*row) for row in connection.execute(query)]
    page = found[:limit]
    return page, write_cursor(page[-1].time, page[-1].id) if len(found) > limit and page else None


def _look_through(
    database: Database, wanted: RoundFilters, limit: int, after: str | None
) -> tuple[list[StoredRound], str | None]:
    light = sa.select(rounds.c.id, rounds.c.time, labels.c.label).select_from(
        rounds.outerjoin(labels, rounds.c.id == labels.c.id)
    )
    if wanted.fits is not None:
        light = light.add_columns(rounds.c.verdict)
    ids: list[str] = []
    last = read_cursor(after) if after is not None else None
    for _ in range(LOOKED_AT // ROWS):
        with database.reading() as connection:
            chunk = connection.execute(_page(light, wanted, last).limit(ROWS)).all()
        for row in chunk:
            last = row[1], row[0]
            if _fits(row, wanted):
                ids.append(row[0])
            if len(ids) == limit:
                return _whole(database, ids), write_cursor(*last)
        if len(chunk) < ROWS:
            return _whole(database, ids), None
    return _whole(database, ids), write_cursor(*last) if last else None


def _fits(row: Sequence[Any], wanted: RoundFilters) -> bool:
    if wanted.label == "known" and row[2] is None:
        return False
    if wanted.label == "unknown" and row[2] is not None:
        return False
    return wanted.fits is None or wanted.fits(row[3])


def _whole(database: Database, ids: Sequence[str]) -> list[StoredRound]:
    """The rounds of these ids, in their order; a page has no more than a query may name."""
    if not ids:
        return []
    with database.reading() as connection:
        found = [StoredRound(*row) for row in connection.execute(READ.where(rounds.c.id.in_(ids)))]
    by_id = {one.id: one for one in found}
    return [by_id[one] for one in ids if one in by_id]


def _page(query: sa.Select[Any], wanted: RoundFilters, last: tuple[int, str] | None) -> sa.Select[Any]:
    """What is asked of the database, from the last round that was seen."""
    query = query.order_by(rounds.c.time.desc(), rounds.c.id.desc())
    if wanted.task is not None:
        query = query.where(rounds.c.task == wanted.task)
    if wanted.status is not None:
        query = query.where(rounds.c.status == wanted.status)
    if wanted.since is not None:
        query = query.where(rounds.c.time >= wanted.since)
    if wanted.until is not None:
        query = query.where(rounds.c.time < wanted.until)
    if wanted.prefix is not None:
        # Not LIKE, which not every database answers by the index; no hex digit comes after `g`.
        query = query.where(rounds.c.id >= wanted.prefix, rounds.c.id < wanted.prefix + "g")
    if wanted.label == "disputed":
        query = query.where(rounds.c.id.in_(sa.select(disputes.c.id)))
    if last:
        at, seen = last
        query = query.where(
            rounds.c.time <= at,
            sa.or_(rounds.c.time < at, sa.and_(rounds.c.time == at, rounds.c.id < seen)),
        )
    return query
