"""One worker's part in the benchmark of a task, from its rows to its registered winners.

Everything that workers share is found by the study's identity, so the first worker, one that joins and one
that is started again after a crash all do the same.
"""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from optuna.exceptions import OptunaError
from sqlalchemy.exc import SQLAlchemyError

from concord.errors import InvalidInput, TrainingError
from training.data.dataset import Dataset
from training.data.split import LabelledRows, split
from training.fitting.evaluate import Votes
from training.registry.registry import Registry
from training.registry.versions import first_line
from training.search.agreement import Agreement
from training.search.claims import BEAT_SECONDS, Claims
from training.search.cross_validation import folds
from training.search.fit_process import FitWork
from training.search.identity import StudyIdentity
from training.search.leaderboard import LeaderboardRow, build_leaderboard, leaderboard_csv
from training.search.optimiser import Optimiser, open_study, other_studies
from training.search.plots import draw_study
from training.search.registration import RegisteredWinner, register_winners
from training.search.settings import digest
from training.search.space import Space
from training.search.storage import URL_VARIABLE, open_storage
from training.search.tracking import StudyRuns
from training.search.worker import SearchLimits, SearchWorker, heartbeat
from training.task import Task

MOST_FOLDS: Final = 20
"""Beyond that an interval gains little and a trial takes all the longer."""


class Session:
    """One worker's part in a benchmark.

    Args:
        home: Concord's home folder.
        url: The study's database, its password included.
        task: What is benchmarked.
        data: Its rows.
        count: Of the folds of the cross-validation.
        seed: Of split, folds, fits and suggestions.

    Raises:
        DataError: The rows are too few to be judged on.
        InvalidInput: Too many folds for them, or too few.
        TrainingError: Database or registry cannot be opened.
    """

    def __init__(self, home: Path, url: str, task: Task, data: Dataset, count: int, seed: int) -> None:
        self.task, self.data, self._seed = task, data, seed
        self.parts = split(task, data, seed)
        _check_folds(task, self.parts.training, count, seed)
        self._work = FitWork(task.name, self.parts.training, count, seed)
        self._space = Space.of(task.schema)
        self.identity = StudyIdentity.of(task, data, self._space, count, seed)
        self._storage = open_storage(url)
        self.others = other_studies(self._storage, self.identity)
        self.study = open_study(self._storage, self.identity)
        self._claims = Claims(self._storage.engine, self.identity.name)
        self._home = home

    @property
    def counts(self) -> tuple[int, int]:
        """Trials that are finished, and those that are not."""
        return self._claims.counts()

    def close(self) -> None:
        """Closes the connections to the study's database."""
        self._storage.engine.dispose()

    @cached_property
    def registry(self) -> Registry:
        """MLflow, opened when it is needed first."""
        return Registry(self._home)

    @cached_property
    def runs(self) -> StudyRuns:
        """The study's runs."""
        runs = StudyRuns(self.registry, self.identity, self._facts())
        runs.open(Agreement(self._storage.engine, self.identity.name, "parent"))
        return runs

    def search(self, limits: SearchLimits, workers: int, report_finished: Callable[[int], None]) -> None:
        """Works on the study; see `SearchWorker.run`."""
        worker = SearchWorker(self._work, self.task.metric, self._optimiser, self._claims, self.runs, limits)
        try:
            worker.run(workers, report_finished)
        except (SQLAlchemyError, OptunaError) as error:
            raise TrainingError(
                f"The study's database does not serve: {first_line(error)} Check {URL_VARIABLE}; the "
                "same command goes on.",
                field=URL_VARIABLE,
            ) from error

    def rows(self) -> list[LeaderboardRow]:
        """The leaderboard as it is now."""
        return build_leaderboard(self._optimiser.trials(), self._space, self.task.metric)

    def publish(self, rows: Sequence[LeaderboardRow]) -> None:
        """Leaderboard and pictures, on the parent run."""
        figures = draw_study(rows, self._optimiser.trials(), self.task.metric)
        self.runs.publish(leaderboard_csv(rows), figures, rows[0] if rows and rows[0].interval else None)

    def register_winners(self, rows: Sequence[LeaderboardRow], count: int) -> list[RegisteredWinner] | None:
        """Registers winners, which one worker does for all; None: another has done it for these trials.

        A worker that waits takes over if that one dies.
        """
        trials = digest({str(row.number): row.run for row in rows})[:12]
        claims = Claims(self._storage.engine, f"{self.identity.name}/{count} of {trials}")
        while True:
            claim = claims.claim(1)
            if claim is not None:
                break
            if claims.counts()[0]:
                return None
            time.sleep(BEAT_SECONDS)
        try:
            with heartbeat(claims):
                winners = self._register_winners(rows, count)
            claims.finish(claim)
        finally:
            claims.release()
        return winners

    def _register_winners(self, rows: Sequence[LeaderboardRow], count: int) -> list[RegisteredWinner]:
        votes: dict[int, Votes] = {}

        def votes_of(row: LeaderboardRow) -> Votes:
            if row.number not in votes:
                votes[row.number] = self.runs.votes(row.run)
            return votes[row.number]

        winners = register_winners(
            self.task, self.data, self.parts, rows, votes_of, self.registry, self._seed, count
        )
        self.runs.log_registered({winner.info.model: winner.info.version for winner in winners})
        return winners

    @cached_property
    def _optimiser(self) -> Optimiser:
        return Optimiser(self._storage, self.study, self._space, self._claims, self._seed)

    def _facts(self) -> dict[str, str]:
        return {
            "task": self.task.name,
            "metric": self.task.metric,
            "data": self.data.name,
            "data_digest": self.data.digest,
            "schema_digest": self.task.schema.digest,
            "folds": str(self._work.folds),
            "seed": str(self._seed),
            "rows_training": str(len(self.parts.training.rows)),
            "rows_test": str(len(self.parts.test.rows)),
            "rows_copies": str(self.parts.copies),
            "algorithms": ", ".join(self._space.algorithms),
            "scikit_learn": version("scikit-learn"),
        }


def _check_folds(task: Task, part: LabelledRows, count: int, seed: int) -> None:
    groups, answers, width = len(part.groups), part.answers, task.schema.width
    rarest = groups // 2 if task.schema.is_regression else int(np.bincount(answers, minlength=width).min())
    most = min(rarest, groups, MOST_FOLDS)
    if not 2 <= count <= most:
        raise InvalidInput(
            f"--folds is {count}; with these rows it can be from 2 to {most}, since each fold needs a row of "
            "each class, and rows of equal features are in one fold.",
            field="--folds",
        )
    drawn = [] if task.schema.is_regression else folds(task, part, count, seed)
    if any(len(np.unique(answers[judged])) < width for _, judged in drawn):
        raise InvalidInput(
            f"--folds is {count}, and a class would be missing in one of them: rows of equal features are in "
            "one fold. Use fewer folds, or add other rows of the rarest class.",
            field="--folds",
        )
