"""The journal: every answered round, and the queue of settlements, in one SQL database.

Its methods block and are called in threads. Verdicts, features and evidence are stored as opaque bytes.

How a settlement is claimed. `claim` puts due rounds under a unique batch id and notes the ledger's height.
The batch id makes the key of the event in the ledger. So a settler that tries a claim again, its claimer or
another replica after a crash, either finds the block of that key above the noted height or appends it; two
that try at once write one block. Taking over another replica's claim is therefore harmless and needs no
lease. Claimed rounds never return to the queue: under another key they could be settled twice.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final

import orjson
import sqlalchemy as sa

from concord.errors import LedgerBroken
from concord.journal.database import Database, FastInsert, chunks, retried, rows_in
from concord.journal.heartbeat import beat
from concord.journal.integrity import IntegrityReport, check_integrity
from concord.journal.labels import Labels, read_disputes
from concord.journal.migration import migrate
from concord.journal.retention import Forgotten, Retention
from concord.journal.rows import (
    Claim,
    JudgedRound,
    KeptRound,
    Labelled,
    LabelledRound,
    LabelRow,
    Origin,
    RoundRow,
    SettlementRound,
    StoredRound,
)
from concord.journal.search import COLUMNS, READ, WITH_LABELS, RoundFilters, find_rounds
from concord.journal.streams import judged_rounds, kept_rounds, labelled_rounds
from concord.journal.tables import DUE, QUEUED, blocks, claims, labels, rounds, schemas, segments
from concord.util.times import now

_INSERTED = (*COLUMNS, "batch")
_values = attrgetter(*COLUMNS)

_READ_SETTLEMENT: Final[sa.Select[Any]] = sa.select(
    *(rounds.c[name] for name in ("id", "task", "policy", "evidence")),
    labels.c.label,
    *(rounds.c[name] for name in ("block", "record", "time", "height")),
    labels.c.source,
    labels.c.time,
).select_from(WITH_LABELS)
"""A round in the order of `SettlementRound`."""


class Journal:
    """Rounds and settlements in the database of a URL.

    Every method raises `JournalUnavailable` where the database does not serve.

    Args:
        url: SQLAlchemy URL.
        clock: µs since the epoch.
        read_only: Whether it is only read.
    """

    def __init__(self, url: str, *, clock: Callable[[], int] = now, read_only: bool = False) -> None:
        self._database = Database(url, read_only=read_only)
        self._clock = clock
        self._insert_rounds = FastInsert(self._database, rounds, _INSERTED)
        self._labels = Labels(self._database)
        self._retention = Retention(self._database)
        self._migrating = threading.Lock()
        # Height up to which this process has dropped bytes of blocks.
        self._cleared = 0

    def migrate(self) -> None:
        """Migrates the database to the tables of this version; several processes may do so at once."""
        with self._migrating:
            migrate(self._database)

    def ping(self) -> None:
        """Checks that the database serves."""
        self._database.ping()

    def check_integrity(self) -> IntegrityReport:
        """Has the database check its own tables and indexes; minutes, where there are many rounds."""
        return check_integrity(self._database)

    def close(self) -> None:
        """Closes all connections."""
        self._database.close()

    # Rounds

    @retried
    def record(self, rows: Sequence[RoundRow]) -> None:
        """Records rounds in one transaction, durable on return; an id that is there stays as it is."""
        if not rows:
            return
        values = [(*_values(row), DUE if row.due else None) for row in rows]
        with self._database.writing() as connection:
            self._insert_rounds.run(connection, values)

    def round(self, id: str) -> StoredRound | None:  # noqa: A002
        """The round of an id, or None."""
        with self._database.reading() as connection:
            row = connection.execute(READ.where(rounds.c.id == id)).first()
        return None if row is None else StoredRound(*row)

    def find(
        self, filters: RoundFilters | None = None, limit: int = 50, after: str | None = None
    ) -> tuple[list[StoredRound], str | None]:
        """One page of rounds, newest first; pages do not shift when rounds come in.

        Args:
            filters: Which rounds; None for all.
            limit: Rounds on the page, at most: a page for which rounds are checked one by one may be shorter.
            after: The cursor that came with the page before.

        Returns:
            The rounds, and the cursor of the next page or None at the end.

        Raises:
            InvalidInput: The cursor is none that was given out.
        """
        return find_rounds(self._database, filters or RoundFilters(), limit, after)

    def kept(self, task: str, since: int, limit: int) -> Iterator[list[KeptRound]]:
        """The newest `limit` rounds of a task since a time (µs) whose features are kept, oldest first."""
        return kept_rounds(self._database, task, since, limit)

    def labelled(
        self, task: str, since: int = 0, limit: int = 500, after: str | None = None
    ) -> tuple[list[LabelledRound], str | None]:
        """One page of the labelled rounds of a task whose features are kept, oldest first.

        Args:
            task: The task.
            since: Only rounds of this time, in µs since the epoch, or later.
            limit: Rounds on the page, at most: among many rounds without a label a page is shorter.
            after: The cursor that came with the page before.

        Returns:
            The rounds, and the cursor of the next page or None at the end.

        Raises:
            InvalidInput: The cursor is none that was given out.
        """
        return labelled_rounds(self._database, task, since, limit, after)

    def judged(self, task: str, since: int, limit: int) -> Iterator[list[JudgedRound]]:
        """The first `limit` labelled rounds under `wager` of a task since a time (µs), oldest first."""
        return judged_rounds(self._database, task, since, limit)

    def heights(self, ids: Iterable[str]) -> dict[str, int]:
        """Id → height of its block, of those rounds that are settled."""
        query = sa.select(rounds.c.id, rounds.c.block).where(rounds.c.block.is_not(None))
        with self._database.reading() as connection:
            return dict(rows_in(connection, query, rounds.c.id, ids))

    # Retention

    @retried
    def beat(self) -> int:
        """Writes a heartbeat; returns how far the clock is confirmed, in µs since the epoch."""
        return beat(self._database, self._clock())

    @retried
    def forget(self, ids: Iterable[str]) -> Forgotten:
        """Deletes the features of rounds."""
        return self._retention.forget(ids)

    def expire(self, before: int) -> int:
        """Deletes the features of rounds older than `before` (µs since the epoch); returns of how many."""
        return self._retention.expire(before)

    def remove_unsettled(self, before: int) -> int:
        """Removes rounds older than `before` (µs since the epoch) that no block settled; returns how many."""
        return self._retention.remove_unsettled(before)

    # Labels

    @retried
    def label(self, rows: Sequence[LabelRow]) -> list[Labelled]:
        """Labels rounds in one transaction, durable on return; returns the result of each label.

        A round has one label: the same again is `known`, another one is kept as a dispute and changes
        nothing. A round that was answered under `wager` and has evidence becomes due.
        """
        with self._database.writing() as connection:
            return self._labels.write(connection, rows)

    def origins(self, ids: Iterable[str]) -> dict[str, Origin]:
        """Id → task and time, of those rounds that are there."""
        query = sa.select(rounds.c.id, rounds.c.task, rounds.c.time)
        with self._database.reading() as connection:
            found = rows_in(connection, query, rounds.c.id, ids)
            return {id_: Origin(task, time) for id_, task, time in found}

    def disputes(self, id: str) -> list[LabelRow]:  # noqa: A002
        """The labels of a round that came after another one, oldest first."""
        with self._database.reading() as connection:
            return read_disputes(connection, id)

    # Settlements

    def rounds_of_block(self, height: int, task: str) -> list[SettlementRound]:
        """The rounds of a task that a block settled, sorted by id, as in its Merkle tree."""
        query = _READ_SETTLEMENT.where(rounds.c.block == height, rounds.c.task == task)
        with self._database.reading() as connection:
            settled = [SettlementRound(*row) for row in connection.execute(query)]
        # Not by the database, which may sort texts in another way.
        return sorted(settled, key=lambda round_: round_.id)

    def due_count(self) -> int:
        """The number of rounds whose settlement is due, claimed or not."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(rounds).where(QUEUED)) or 0

    @retried
    def claim(self, batch: str, noted_height: int, limit: int) -> list[SettlementRound]:
        """Claims up to `limit` due rounds, oldest first, under a unique batch id."""
        oldest = (
            sa.select(rounds.c.id)
            .where(rounds.c.batch == DUE)
            .order_by(rounds.c.time)
            .limit(limit)
            # Rounds that another claimer is taking are skipped; SQLite has one writer at a time.
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            ids = connection.scalars(oldest).all()
            if not ids:
                return []
            for chunk in chunks(ids):
                connection.execute(rounds.update().where(rounds.c.id.in_(chunk)).values(batch=batch))
            connection.execute(
                claims.insert().values(batch=batch, noted_height=noted_height, time=self._clock())
            )
            return _claimed(connection, batch)

    def open_claims(self, age: int = 0) -> list[Claim]:
        """Claims that are not marked as settled and at least `age` µs old."""
        old = claims.c.time <= self._clock() - age
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(claims.c.batch, claims.c.noted_height).where(old)).all()
            found = [Claim(row[0], row[1], tuple(_claimed(connection, row[0]))) for row in rows]
        # Under READ COMMITTED another replica may mark a claim between the two queries, and then it is done.
        return [claim for claim in found if claim.rounds]

    @retried
    def mark_settled(self, batch: str, height: int, block_hash: str, records: Mapping[str, bytes]) -> None:
        """Writes the block's height and hash and each round's record, and closes the claim. Idempotent.

        Raises:
            LedgerBroken: Another hash was noted for this height.
        """
        with self._database.writing() as connection:
            self._note(connection, [(height, block_hash, None)])
            if records:
                connection.execute(
                    rounds.update()
                    .where(rounds.c.id == sa.bindparam("round_id"), rounds.c.block.is_(None))
                    .values(block=height, batch=None, record=sa.bindparam("round_record")),
                    [{"round_id": id_, "round_record": record} for id_, record in records.items()],
                )
            connection.execute(claims.delete().where(claims.c.batch == batch))

    # Blocks and segments of the ledger

    @retried
    def note_blocks(self, noted: Iterable[tuple[int, str, bytes | None]], sealed: int = 0) -> None:
        """Notes blocks by height, hash and bytes, and deletes the bytes of those up to height `sealed`.

        Raises:
            LedgerBroken: Another hash was noted for one of the heights.
        """
        rows = list(noted)
        with self._database.writing() as connection:
            if sealed > self._cleared == 0:
                self._cleared = _newest_bare(connection)
            self._note(connection, rows)
            if sealed > self._cleared:
                connection.execute(
                    blocks.update()
                    .where(
                        blocks.c.height > self._cleared,
                        blocks.c.height <= sealed,
                        blocks.c.document.is_not(None),
                    )
                    .values(document=None)
                )
        # Heights are noted in their order, so no block below has its bytes any more.
        self._cleared = max(self._cleared, sealed)

    def newest_block(self) -> tuple[int, str] | None:
        """Height and hash of the highest block that was noted."""
        query = sa.select(blocks.c.height, blocks.c.hash).order_by(blocks.c.height.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row[0], row[1])

    def noted_blocks(self) -> list[tuple[int, str]]:
        """Height and hash of every block that was noted, lowest first."""
        return [(height, block_hash) for height, block_hash, _ in self.noted_documents()]

    def noted_documents(self) -> list[tuple[int, str, bytes | None]]:
        """The same with the bytes of blocks that are not sealed yet, from which a head is rebuilt."""
        query = sa.select(blocks.c.height, blocks.c.hash, blocks.c.document).order_by(blocks.c.height)
        with self._database.reading() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    @retried
    def keep_segment(self, name: str, data: bytes) -> None:
        """Keeps a segment that leaves the ledger's store. Idempotent."""
        row = {"name": name, "data": data, "archived": datetime.fromtimestamp(self._clock() / 1e6, UTC)}
        with self._database.writing() as connection:
            connection.execute(self._database.insert_new(segments).values(row))

    def kept_segment(self, name: str) -> bytes | None:
        """The bytes of a kept segment, or None."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(segments.c.data).where(segments.c.name == name))

    # Schemas

    @retried
    def save_schema(self, task: str, digest: str, document: Mapping[str, Any]) -> None:
        """Keeps the latest schema of a task."""
        saved = datetime.fromtimestamp(self._clock() / 1e6, UTC)
        row = {"task": task, "digest": digest, "document": orjson.dumps(document), "saved": saved}
        with self._database.writing() as connection:
            connection.execute(self._database.upsert(schemas, row))

    def schemas(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Task → digest and document of its schema."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(schemas.c.task, schemas.c.digest, schemas.c.document)).all()
        return {row[0]: (row[1], orjson.loads(row[2])) for row in rows}

    def _note(self, connection: sa.Connection, rows: Sequence[tuple[int, str, bytes | None]]) -> None:
        if not rows:
            return
        query = sa.select(blocks.c.height, blocks.c.hash)
        noted = dict(rows_in(connection, query, blocks.c.height, [row[0] for row in rows]))
        for height, block_hash, _ in rows:
            if noted.get(height, block_hash) != block_hash:
                raise LedgerBroken(
                    f"Block {height} has another hash than the journal noted: the chain is forked."
                )
        fresh = [
            dict(zip(("height", "hash", "document"), row, strict=True)) for row in rows if row[0] not in noted
        ]
        if fresh:
            connection.execute(self._database.insert_new(blocks), fresh)


def _claimed(connection: sa.Connection, batch: str) -> list[SettlementRound]:
    query = _READ_SETTLEMENT.where(rounds.c.batch == batch).order_by(rounds.c.time, rounds.c.id)
    return [SettlementRound(*row) for row in connection.execute(query)]


def _newest_bare(connection: sa.Connection) -> int:
    """The highest block that was noted without its bytes; 0 where there is none.

    No block below it has its bytes. Searching all of them would take a server seconds, once there are
    millions.
    """
    query = sa.select(blocks.c.height).where(blocks.c.document.is_(None))
    return connection.scalar(query.order_by(blocks.c.height.desc()).limit(1)) or 0
