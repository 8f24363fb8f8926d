"""Searches rounds page by page, newest first.

The database finds rounds by task, status, time, the beginning of an id, and disputes. Whether a round has a
label, and what its answer contains, is checked round by round, for a limited number of rounds a page: where
few match, a page is short, and its cursor continues from there.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import sqlalchemy as sa

from concord.errors import InvalidInput
from concord.journal.database import Database
from concord.journal.rows import RoundRow, StoredRound
from concord.journal.tables import blocks, disputes, labels, rounds

ROWS: Final = 2000
"""Rounds that one query reads."""

LOOKED_AT: Final = 10 * ROWS
"""Rounds that one page checks: some 50 MB of verdicts, in a second or so."""

LabelState = Literal["known", "unknown", "disputed"]

COLUMNS: Final = tuple(field.name for field in fields(RoundRow))
"""What a round is recorded with."""

WITH_LABELS: Final = rounds.outerjoin(labels, rounds.c.id == labels.c.id)

READ: Final = sa.select(
    *(rounds.c[name] for name in COLUMNS),
    rounds.c.block,
    blocks.c.hash,
    rounds.c.record,
    labels.c.label,
    labels.c.source,
    labels.c.time,
).select_from(WITH_LABELS.outerjoin(blocks, rounds.c.block == blocks.c.height))
"""A round with its label and its block, in the order of `StoredRound`."""

_CURSOR: Final = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class RoundFilters:
    """Which rounds to find; a filter that is None admits all.

    Attributes:
        task: Of this task.
        status: Of this status.
        since: Of this time, in µs since the epoch, or later.
        until: Before this time, likewise.
        prefix: Whose ids begin with these hex digits.
        label: `known`: labelled; `unknown`: not labelled; `disputed`: with a later label that contradicts it.
        fits: Whether a verdict, as JSON, matches.
    """

    task: str | None = None
    status: str | None = None
    since: int | None = None
    until: int | None = None
    prefix: str | None = None
    label: LabelState | None = None
    fits: Callable[[bytes], bool] | None = None

    @property
    def needs_scan(self) -> bool:
        """Whether rounds must be checked one by one."""
        return self.fits is not None or self.label in ("known", "unknown")

    def admits(self, row: Sequence[Any]) -> bool:
        """Whether a row (id, time, label, verdict) passes the filters that the database does not apply."""
        if self.label in ("known", "unknown") and (row[2] is None) == (self.label == "known"):
            return False
        return self.fits is None or self.fits(row[3])


def write_cursor(time: int, last: str) -> str:
    """The cursor after a round of this time (µs) and id; pages don't shift when rounds come in."""
    return f"{time:x}-{last}"


def read_cursor(cursor: str) -> tuple[int, str]:
    """Time and id of a cursor; `InvalidInput` unless `write_cursor` wrote it."""
    match = _CURSOR.fullmatch(cursor)
    # A larger time fits into no BIGINT.
    if match is None or (time := int(match[1], 16)) >= 1 << 63:
        raise InvalidInput("This cursor was not given out here.", field="after")
    return time, match[2]


def find_rounds(
    database: Database, filters: RoundFilters, limit: int, after: str | None
) -> tuple[list[StoredRound], str | None]:
    """A page of rounds, newest first, and the cursor of the next one; see `Journal.find`."""
    last = read_cursor(after) if after is not None else None
    if filters.needs_scan:
        return _scan(database, filters, limit, last)
    query = _page(READ, filters, last).limit(limit + 1)
    with database.reading() as connection:
        page = [StoredRound(*row) for row in connection.execute(query)]
    more, page = len(page) > limit, page[:limit]
    return page, write_cursor(page[-1].time, page[-1].id) if more and page else None


def _scan(
    database: Database, filters: RoundFilters, limit: int, last: tuple[int, str] | None
) -> tuple[list[StoredRound], str | None]:
    columns = [rounds.c.id, rounds.c.time, labels.c.label]
    if filters.fits is not None:
        columns.append(rounds.c.verdict)
    query = sa.select(*columns).select_from(WITH_LABELS)
    ids: list[str] = []
    for _ in range(LOOKED_AT // ROWS):
        with database.reading() as connection:
            chunk = connection.execute(_page(query, filters, last).limit(ROWS)).all()
        for row in chunk:
            last = row[1], row[0]
            if filters.admits(row):
                ids.append(row[0])
            if len(ids) == limit:
                return _read_rounds(database, ids), write_cursor(*last)
        if len(chunk) < ROWS:
            return _read_rounds(database, ids), None
    return _read_rounds(database, ids), write_cursor(*last) if last else None


def _read_rounds(database: Database, ids: Sequence[str]) -> list[StoredRound]:
    """The rounds of these ids, in their order; a page has no more than a query may name."""
    if not ids:
        return []
    with database.reading() as connection:
        rows = [StoredRound(*row) for row in connection.execute(READ.where(rounds.c.id.in_(ids)))]
    by_id = {row.id: row for row in rows}
    return [by_id[id_] for id_ in ids if id_ in by_id]


def _page(query: sa.Select[Any], filters: RoundFilters, last: tuple[int, str] | None) -> sa.Select[Any]:
    """The query of one page: rounds that the filters admit, after the last one of the page before."""
    query = query.order_by(rounds.c.time.desc(), rounds.c.id.desc())
    if filters.task is not None:
        query = query.where(rounds.c.task == filters.task)
    if filters.status is not None:
        query = query.where(rounds.c.status == filters.status)
    if filters.since is not None:
        query = query.where(rounds.c.time >= filters.since)
    if filters.until is not None:
        query = query.where(rounds.c.time < filters.until)
    if filters.prefix is not None:
        # Not LIKE, which not every database answers by the index; no hex digit comes after `g`.
        query = query.where(rounds.c.id >= filters.prefix, rounds.c.id < filters.prefix + "g")
    if filters.label == "disputed":
        query = query.where(rounds.c.id.in_(sa.select(disputes.c.id)))
    if last:
        time, last_id = last
        query = query.where(
            rounds.c.time <= time,
            sa.or_(rounds.c.time < time, sa.and_(rounds.c.time == time, rounds.c.id < last_id)),
        )
    return query
