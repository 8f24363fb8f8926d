"""Labels of rounds: the first one counts; later ones that differ are kept as disputes, some of each source.

Replicas may write labels of one round at once. Each inserts its labels unless the round has one, and then
reads which label the round has, so exactly one of them has labelled it. A label is never changed or deleted,
because stake may have moved on it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Final

import sqlalchemy as sa

from concord.journal.database import Database, FastInsert, chunks, rows_in
from concord.journal.rows import Labelled, LabelRow, LabelStatus
from concord.journal.tables import DUE, disputes, labels, rounds
from concord.types.answers import SettlementStatus

MOST_DISPUTES: Final = 10
"""Labels of one source that are kept as disputes of a round. A source that changes its mind more often says
nothing by it, and must not fill the journal. Replicas that write at once may keep some more."""

_COLUMNS = ("id", "label", "source", "time", "request_id")
_values = attrgetter(*_COLUMNS)

_SETTLES = sa.and_(
    rounds.c.policy == "wager",
    rounds.c.evidence.is_not(None),
    rounds.c.status.in_(("ok", "degraded")),
    rounds.c.batch.is_(None),
    rounds.c.block.is_(None),
)
"""A round whose settlement needs only its label."""


_Progress = tuple[SettlementStatus, int | None]
"""How far the settlement of a round is, and its block."""


class Labels:
    """Writes labels, within the journal's transactions.

    Args:
        database: The journal's.
    """

    def __init__(self, database: Database) -> None:
        self._insert_labels = FastInsert(database, labels, _COLUMNS)
        self._insert_disputes = FastInsert(database, disputes, _COLUMNS)

    def write(self, connection: sa.Connection, rows: Sequence[LabelRow]) -> list[Labelled]:
        """Labels rounds, makes those due that settle by their label, and returns the result of each row."""
        ids = sorted({row.id for row in rows})
        progress = _read_progress(connection, ids)
        before = _read_labels(connection, progress)
        first: dict[str, LabelRow] = {}
        for row in rows:
            if row.id in progress and row.id not in before:
                first.setdefault(row.id, row)
        # In the order of their ids, so that two replicas with the same ones don't deadlock.
        self._insert_labels.run(connection, [_values(first[id_]) for id_ in sorted(first)])
        current = {**before, **_read_labels(connection, first)} if first else before
        _make_due(connection, current)
        results = [
            # The first one of an id is taken out, so that only one row of it can be `accepted`.
            _compare(row, current.get(row.id), first.pop(row.id, None), progress.get(row.id))
            for row in rows
        ]
        return self._keep_disputes(connection, rows, results)

    def _keep_disputes(
        self, connection: sa.Connection, rows: Sequence[LabelRow], results: Sequence[Labelled]
    ) -> list[Labelled]:
        """Writes the labels that differ as disputes, as far as there is room; the results say which."""
        conflicts = {
            _dispute_key(row): row
            for row, result in zip(rows, results, strict=True)
            if result.status == "conflict"
        }
        if not conflicts:
            return list(results)
        kept = _read_dispute_keys(connection, conflicts.values())
        counts = Counter((id_, source) for id_, _label, source in kept)
        fresh = []
        for key in sorted(conflicts.keys() - kept):
            id_, _label, source = key
            counts[id_, source] += 1
            if counts[id_, source] <= MOST_DISPUTES:
                fresh.append(key)
        self._insert_disputes.run(connection, [_values(conflicts[key]) for key in fresh])
        kept |= set(fresh)
        return [
            replace(result, is_disputed=True) if _dispute_key(row) in kept else result
            for row, result in zip(rows, results, strict=True)
        ]


def read_disputes(connection: sa.Connection, id_: str) -> list[LabelRow]:
    """The disputed labels of a round, oldest first."""
    query = sa.select(*(disputes.c[name] for name in _COLUMNS)).where(disputes.c.id == id_)
    rows = [LabelRow(*row) for row in connection.execute(query)]
    return sorted(rows, key=lambda row: (row.time, row.label, row.source))


def _dispute_key(row: LabelRow) -> tuple[str, int, str]:
    return row.id, row.label, row.source


def _read_dispute_keys(connection: sa.Connection, rows: Iterable[LabelRow]) -> set[tuple[str, int, str]]:
    """The disputes of these rows' rounds by these rows' sources."""
    ids, sources = {row.id for row in rows}, {row.source for row in rows}
    query = sa.select(disputes.c.id, disputes.c.label, disputes.c.source)
    query = query.where(disputes.c.source.in_(sources))
    return {tuple(row) for row in rows_in(connection, query, disputes.c.id, sorted(ids))}


def _read_progress(connection: sa.Connection, ids: Sequence[str]) -> dict[str, _Progress]:
    """Id → how far the settlement is once the round is labelled, of those rounds that are there."""
    progress = {}
    settles = sa.case((_SETTLES, sa.true()), else_=sa.false())
    query = sa.select(rounds.c.id, rounds.c.batch, rounds.c.block, settles)
    for id_, batch, block, becomes_due in rows_in(connection, query, rounds.c.id, ids):
        due: SettlementStatus = "due" if becomes_due or batch is not None else "none"
        progress[id_] = (due if block is None else "settled"), block
    return progress


def _read_labels(connection: sa.Connection, ids: Iterable[str]) -> dict[str, LabelRow]:
    """Id → the round's label, of those rounds that have one."""
    query = sa.select(*(labels.c[name] for name in _COLUMNS))
    return {row[0]: LabelRow(*row) for row in rows_in(connection, query, labels.c.id, ids)}


def _make_due(connection: sa.Connection, ids: Iterable[str]) -> None:
    for chunk in chunks(sorted(ids)):
        connection.execute(
            rounds.update().where(rounds.c.id.in_(chunk), _SETTLES).values(batch=DUE, due=True)
        )


def _compare(
    row: LabelRow, current: LabelRow | None, inserted: LabelRow | None, progress: _Progress | None
) -> Labelled:
    """The result of a row: compared with the round's label, and with the row inserted for this round."""
    if progress is None or current is None:
        return Labelled(row.id, "unknown")
    status: LabelStatus = "known"
    if row.label != current.label:
        status = "conflict"
    elif row == inserted == current:
        status = "accepted"
    return Labelled(row.id, status, *progress, current.label, current.source)
