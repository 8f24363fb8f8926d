"""Labels of rounds: one a round, by whoever came first; what came after and differs is kept as a dispute.

Replicas may bring labels of one round at once. Each inserts what is new, which leaves alone what is
there, and then looks at what stands: so exactly one of them has labelled the round, and the others
hear of it. A label is never changed and never taken back, because stake may have moved on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import sqlalchemy as sa

from concord.journal.database import Database, FastInsert, chunks
from concord.journal.rows import Labelled, LabelRow, LabelStatus, Origin
from concord.journal.tables import DUE, disputes, labels, rounds
from concord.types.answers import SettlementStatus

_COLUMNS = ("id", "label", "source", "time", "request_id")
_values = attrgetter(*_COLUMNS)

_SETTLES = sa.and_(
    rounds.c.policy == "wager",
    rounds.c.evidence.is_not(None),
    rounds.c.status.in_(("ok", "degraded")),
    rounds.c.batch.is_(None),
    rounds.c.block.is_(None),
)
"""A round that waits for nothing but its label."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a round is on its way to a block."""

    settlement: SettlementStatus
    block: int | None


class Labels:
    """What the journal does with labels, within transactions that it makes.

    Args:
        database: The journal's.
    """

    def __init__(self, database: Database) -> None:
        self._insert_labels = FastInsert(database, labels, _COLUMNS)
        self._insert_disputes = FastInsert(database, disputes, _COLUMNS)

    def write(self, connection: sa.Connection, rows: Sequence[LabelRow]) -> list[Labelled]:
        """Labels rounds, makes those due that settle by their label, and says what became of each row."""
        ids = sorted({row.id for row in rows})
        places = _places(connection, ids)
        before = _standing(connection, places)
        first: dict[str, LabelRow] = {}
        for row in rows:
            if row.id in places and row.id not in before:
                first.setdefault(row.id, row)
        # In the order of their ids, so that two replicas with the same ones don't lock one another out.
        self._insert_labels.run(connection, [_values(first[one]) for one in sorted(first)])
        standing = {**before, **_standing(connection, first)} if first else before
        _make_due(connection, standing)
        found = [
            # The first one of an id is taken out, so that it is judged as such once.
            _judge(row, standing.get(row.id), first.pop(row.id, None), places.get(row.id))
            for row in rows
        ]
        disputed = {
            (row.id, row.label, row.source): row
            for row, one in zip(rows, found, strict=True)
            if one.status == "conflict"
        }
        self._insert_disputes.run(connection, [_values(disputed[key]) for key in sorted(disputed)])
        return found

    def origins(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, Origin]:
        """Id → task and time, of those rounds that are there."""
        found = {}
        for some in chunks(ids):
            query = sa.select(rounds.c.id, rounds.c.task, rounds.c.time).where(rounds.c.id.in_(some))
            found.update({row[0]: Origin(row[1], row[2]) for row in connection.execute(query)})
        return found

    def disputes(self, connection: sa.Connection, id: str) -> list[LabelRow]:  # noqa: A002
        """The disputed labels of a round, oldest first."""
        query = sa.select(*(disputes.c[name] for name in _COLUMNS)).where(disputes.c.id == id)
        found = [LabelRow(*row) for row in connection.execute(query)]
        return sorted(found, key=lambda one: (one.time, one.label, one.source))


def _places(connection: sa.Connection, ids: Sequence[str]) -> dict[str, _Place]:
    """Id → where the round will be once it is labelled, of those rounds that are there."""
    found = {}
    settles = sa.case((_SETTLES, sa.true()), else_=sa.false())
    for some in chunks(ids):
        query = sa.select(rounds.c.id, rounds.c.batch, rounds.c.block, settles).where(rounds.c.id.in_(some))
        for id_, batch, block, will in connection.execute(query):
            due: SettlementStatus = "due" if will or batch is not None else "none"
            found[id_] = _Place(due if block is None else "settled", block)
    return found


def _standing(connection: sa.Connection, ids: Iterable[str]) -> dict[str, LabelRow]:
    found = {}
    for some in chunks(ids):
        query = sa.select(*(labels.c[name] for name in _COLUMNS)).where(labels.c.id.in_(some))
        found.update({row[0]: LabelRow(*row) for row in connection.execute(query)})
    return found


def _make_due(connection: sa.Connection, standing: Mapping[str, LabelRow]) -> None:
    for some in chunks(sorted(standing)):
        connection.execute(rounds.update().where(rounds.c.id.in_(some), _SETTLES).values(batch=DUE, due=True))


def _judge(row: LabelRow, stands: LabelRow | None, mine: LabelRow | None, place: _Place | None) -> Labelled:
    if place is None or stands is None:
        return Labelled(row.id, "unknown")
    status: LabelStatus = "known"
    if row.label != stands.label:
        status = "conflict"
    elif row == mine == stands:
        status = "accepted"
    return Labelled(row.id, status, place.settlement, place.block, stands.label, stands.source)
