"""Which worker has which trial: one table beside Optuna's, so that no trial is run twice and none is lost.

Optuna's own storage asks its users not to let several processes share SQLite, and finds duplicates only
after they were begun. So a trial begins as a row here, and the database's own constraints are the judge: the
primary key gives each number to one worker, a unique column gives each set of settings to one number. Numbers
have no gap and none is given beyond what was asked for, so the count is exact.

A worker that lives adds to its rows' `beat` every few seconds. Clocks of pods differ, so no time is
compared: a worker that sees the same beat for `STALE_SECONDS` of its own clock takes the row over, and its
update names the beat it saw, so that only one of several succeeds.

A number may wait for lower ones: until those that it learns from are finished, and until the settings of all
are in the study. So nothing that is proposed depends on which worker was quicker.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, OperationalError

from training.retry import retry
from training.search.agreement import TABLES

BEAT_SECONDS: Final = 3.0
STALE_SECONDS: Final = 20.0
"""Six beats: a database or a node of a cluster may stall for some seconds."""

PAUSES: Final = (0.2,) * 4
"""Seconds between the tries of a write that the database did not take."""

CLAIMS = sql.Table(
    "concord_benchmark_claims",
    TABLES,
    sql.Column("study", sql.String(100), primary_key=True),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("digest", sql.String(64)),
    sql.Column("trial", sql.Integer),
    sql.Column("run", sql.String(64)),
    sql.Column("owner", sql.String(32)),
    sql.Column("beat", sql.Integer, nullable=False, default=0),
    sql.Column("owners", sql.Integer, nullable=False, default=1),
    sql.Column("finished", sql.Boolean, nullable=False, default=False),
    sql.UniqueConstraint("study", "digest"),
)


@dataclass(frozen=True)
class TrialClaim:
    """A trial that this worker has to finish.

    Attributes:
        number: Its number in the study, from 0.
        trial: Optuna's id of it, where a worker before this one got that far.
        run: MLflow's, likewise.
        owners: Workers that have begun it, this one included.
    """

    number: int
    trial: int | None = None
    run: str | None = None
    owners: int = 1


class Claims:
    """One worker's view of the table.

    Args:
        engine: The study's database.
        study: The study's name.
        clock: Seconds that only grow.
    """

    def __init__(self, engine: sql.Engine, study: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._study, self._clock = engine, study, clock
        self.owner: Final = uuid.uuid4().hex
        self._beats: dict[int, tuple[str, int, float]] = {}
        self._claimed: set[int] = set()

    def claim(self, limit: int | None, learns: Callable[[int], int] | None = None) -> TrialClaim | None:
        """A trial to work on: one that was left behind, or the next new one; None where there is none now.

        Args:
            limit: How many trials the study is to have; None: there is always a next one.
            learns: How many of the first trials a number learns from; None: numbers don't wait for others.
        """
        claim = self._left_behind() or self._next(limit, learns)
        if claim is not None:
            self._claimed.add(claim.number)
        return claim

    def settle(self, claim: TrialClaim, digest: str) -> bool:
        """Gives settings to a claim; False where another trial of the study has them."""
        try:
            self._write(self._own(claim).values(digest=digest))
        except IntegrityError:
            return False
        return True

    def note(self, claim: TrialClaim, **ids: int | str) -> None:
        """Keeps `trial` or `run` with a claim, for a worker that takes it over."""
        self._write(self._own(claim).values(**ids))

    def beat(self) -> None:
        """Shows that this worker lives."""
        own = CLAIMS.c.study == self._study, CLAIMS.c.owner == self.owner, ~CLAIMS.c.finished
        self._write(CLAIMS.update().where(*own).values(beat=CLAIMS.c.beat + 1))

    def finish(self, claim: TrialClaim) -> None:
        """Marks the trial as done; a worker that lost it meanwhile changes nothing."""
        self._write(self._own(claim).values(finished=True))

    def holds(self, claim: TrialClaim) -> bool:
        """Whether the claim is still this worker's."""
        own = CLAIMS.c.study == self._study, CLAIMS.c.number == claim.number, CLAIMS.c.owner == self.owner
        with self._engine.connect() as connection:
            return connection.execute(sql.select(CLAIMS.c.number).where(*own)).first() is not None

    def release(self) -> None:
        """Releases what is not finished, so that others need not wait until it is stale."""
        own = CLAIMS.c.study == self._study, CLAIMS.c.owner == self.owner, ~CLAIMS.c.finished
        self._write(CLAIMS.update().where(*own).values(owner=None))

    def counts(self) -> tuple[int, int]:
        """Trials that are finished, and those that are not."""
        query = sql.select(CLAIMS.c.finished).where(CLAIMS.c.study == self._study)
        with self._engine.connect() as connection:
            finished = list(connection.execute(query).scalars())
        return sum(finished), len(finished) - sum(finished)

    def _write(self, statement: sql.Insert | sql.Update) -> int:
        """Runs one statement in a transaction of its own; how many rows it met."""

        def transaction() -> int:
            with self._engine.begin() as connection:
                return int(connection.execute(statement).rowcount)

        # MariaDB ends one of two transactions that wait for each other; it is to be tried again.
        return retry(transaction, lambda error: isinstance(error, OperationalError), PAUSES)

    def _own(self, claim: TrialClaim) -> sql.Update:
        return CLAIMS.update().where(
            CLAIMS.c.study == self._study, CLAIMS.c.number == claim.number, CLAIMS.c.owner == self.owner
        )

    def _next(self, limit: int | None, learns: Callable[[int], int] | None) -> TrialClaim | None:
        query = sql.select(sql.func.max(CLAIMS.c.number)).where(CLAIMS.c.study == self._study)
        while True:
            with self._engine.connect() as connection:
                last = connection.execute(query).scalar()
            number = 0 if last is None else last + 1
            if limit is not None and number >= limit:
                return None
            if learns is not None and self._waits(number, learns(number)):
                return None
            try:
                self._write(CLAIMS.insert().values(study=self._study, number=number, owner=self.owner))
            except IntegrityError:
                continue  # another worker was quicker
            return TrialClaim(number)

    def _waits(self, number: int, learns: int) -> bool:
        """Whether a lower number is without settings, or one that this number learns from is not finished."""
        unready = CLAIMS.c.trial.is_(None) | ((CLAIMS.c.number < learns) & ~CLAIMS.c.finished)
        query = sql.select(CLAIMS.c.number).where(
            CLAIMS.c.study == self._study, CLAIMS.c.number < number, unready
        )
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def _left_behind(self) -> TrialClaim | None:
        query = sql.select(CLAIMS).where(CLAIMS.c.study == self._study, ~CLAIMS.c.finished)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(CLAIMS.c.number)).all()
        for row in rows:
            if row.owner != self.owner:
                if self._stale(row) and self._take(row):
                    return TrialClaim(row.number, row.trial, row.run, row.owners + 1)
            elif row.number not in self._claimed:
                # The database gave it to this worker, and its answer was lost with the connection.
                return TrialClaim(row.number, row.trial, row.run, row.owners)
        return None

    def _stale(self, row: sql.Row) -> bool:  # type: ignore[type-arg]  # a row of this table
        if row.owner is None:
            return True
        owner, beat, since = self._beats.get(row.number, ("", -1, 0.0))
        if (owner, beat) != (row.owner, row.beat):
            self._beats[row.number] = (row.owner, row.beat, self._clock())
            return False
        return self._clock() - since >= STALE_SECONDS

    def _take(self, row: sql.Row) -> bool:  # type: ignore[type-arg]  # a row of this table
        same = CLAIMS.c.owner.is_(None) if row.owner is None else CLAIMS.c.owner == row.owner
        taken = (
            CLAIMS.update()
            .where(CLAIMS.c.study == self._study, CLAIMS.c.number == row.number, ~CLAIMS.c.finished)
            .where(same, CLAIMS.c.beat == row.beat)
            .values(owner=self.owner, beat=CLAIMS.c.beat + 1, owners=CLAIMS.c.owners + 1)
        )
        return bool(self._write(taken))
