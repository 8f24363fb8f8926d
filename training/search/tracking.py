"""The MLflow runs of a study: one parent run, and one run below it for each trial.

A trial's run is made when the trial begins and is continued when its worker dies, so there is one run a
trial. MLflow may be away for a moment, or its SQLite file busy with other workers: each write is tried again
for a while, and then the worker stops with an error and its trials go to others.
"""

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from matplotlib.figure import Figure
from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from concord.errors import ServiceAway
from concord.util.urls import masked
from training.fitting.evaluate import Votes
from training.registry.registry import Registry
from training.registry.versions import URI_VARIABLE, first_line, is_final
from training.retry import retry
from training.search.agreement import Agreement
from training.search.claims import TrialClaim
from training.search.cross_validation import TrialMeasurement
from training.search.identity import StudyIdentity
from training.search.interval import fold_interval
from training.search.leaderboard import LeaderboardRow
from training.search.settings import ALGORITHM, SearchSettings, settings_text

STUDY_TAG: Final = "concord.study"
NUMBER_TAG: Final = "concord.trial"

VOTES_FILE: Final = "out_of_fold.npz"
"""A trial's artifact: its answers to the rows that each fold had not learned from."""

PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries of a write."""

T = TypeVar("T")


class StudyRuns:
    """The runs of one study.

    Args:
        registry: MLflow.
        identity: The study's.
        facts: Parameters of the parent run: what the study is about, without passwords.
    """

    def __init__(self, registry: Registry, identity: StudyIdentity, facts: Mapping[str, str]) -> None:
        self._registry, self._client = registry, registry.client
        self._identity, self._facts = identity, facts
        self._experiment = self._retry(lambda: registry.experiment(f"benchmark.{identity.task}"))
        self.parent = ""

    def open(self, agreement: Agreement) -> None:
        """Finds the parent run, or makes it, together with all other workers."""
        run = agreement.value
        if run is None or not self._exists(run):
            created = self._create(self._identity.name, {}, self._facts)
            agreed = agreement.offer(created, instead=run)
            if agreed != created:
                self._retry(lambda: self._client.delete_run(created))
            run = agreed
        self.parent = run

    def begin(self, claim: TrialClaim, settings: SearchSettings) -> str:
        """A trial's run, made or continued."""
        run = None
        if claim.owners > 1:
            exists = claim.run is not None and self._exists(claim.run)
            run = claim.run if exists else self._find(claim.number)
        if run is not None:
            self._retry(partial(self._client.update_run, run, status="RUNNING"))
            return run
        name = f"{claim.number} {settings[ALGORITHM]}"
        params = {setting: str(value) for setting, value in settings.items()}
        tags = {MLFLOW_PARENT_RUN_ID: self.parent, NUMBER_TAG: str(claim.number)}
        return self._create(name, tags, params)

    def finish(self, run: str, metric: str, measurement: TrialMeasurement) -> None:
        """Keeps what a trial measured."""
        now = time.time_ns() // 1_000_000
        tags = {"concord.onnx": "yes" if measurement.refusal is None else "no"}
        if measurement.refusal is not None:
            tags["concord.onnx.reason"] = measurement.refusal
        folds = [
            Metric(f"{name}_fold", score, now, fold)
            for name, scores in measurement.metrics.items()
            for fold, score in enumerate(scores, start=1)
        ]
        self._log(run, _metrics(metric, measurement), tags)
        self._retry(lambda: self._client.log_batch(run, metrics=folds))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / VOTES_FILE
            np.savez_compressed(path, votes=measurement.votes)
            self._retry(lambda: self._client.log_artifact(run, str(path)))
        self._retry(lambda: self._client.set_terminated(run, "FINISHED"))

    def fail(self, run: str, reason: str) -> None:
        """Keeps why a trial failed."""
        self._log(run, {}, {"concord.failure": reason})
        self._retry(lambda: self._client.set_terminated(run, "FAILED"))

    def interrupt(self, run: str) -> None:
        """Marks a trial that is released and will be continued."""
        self._retry(lambda: self._client.set_terminated(run, "KILLED"))

    def votes(self, run: str) -> Votes:
        """A trial's answers out of the folds, float64 of shape (rows, width)."""
        uri = self._client.tracking_uri
        path = self._retry(lambda: download_artifacts(f"runs:/{run}/{VOTES_FILE}", tracking_uri=uri))
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["votes"], dtype=np.float64)

    def publish(self, table: str, figures: Mapping[str, Figure], leader: LeaderboardRow | None) -> None:
        """Keeps the leaderboard and its pictures with the parent run."""
        self._retry(lambda: self._client.log_text(self.parent, table, "leaderboard.csv"))
        for name, figure in figures.items():
            self._retry(partial(self._client.log_figure, self.parent, figure, f"plots/{name}"))
        if leader is not None and leader.interval is not None:
            text = f"{leader.algorithm}: {settings_text(leader.settings)}"
            self._log(self.parent, vars(leader.interval), {"concord.leader": text})
        self._retry(lambda: self._client.set_terminated(self.parent, "FINISHED"))

    def log_registered(self, models: Mapping[str, str]) -> None:
        """Keeps which models came of the study, as a tag of the parent run."""
        self._log(self.parent, {}, {"concord.registered": json.dumps(models)})

    def _log(self, run: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        self._retry(lambda: self._registry.log(run, metrics=metrics, tags=tags))

    def _create(self, name: str, tags: Mapping[str, str], params: Mapping[str, str]) -> str:
        tags = {STUDY_TAG: self._identity.name, "concord.task": self._identity.task, **tags}
        run = self._retry(lambda: self._client.create_run(self._experiment, tags=tags, run_name=name))
        self._retry(lambda: self._registry.log(run.info.run_id, params=params))
        return str(run.info.run_id)

    def _find(self, number: int) -> str | None:
        # Its worker may have died between making the run and noting it; a number is begun rarely twice.
        query = f"tags.`{STUDY_TAG}` = '{self._identity.name}' and tags.`{NUMBER_TAG}` = '{number}'"
        runs: list[Run] = self._retry(
            lambda: self._client.search_runs([self._experiment], query, max_results=1)
        )
        return str(runs[0].info.run_id) if runs else None

    def _exists(self, run: str) -> bool:
        try:
            info = self._retry(lambda: self._client.get_run(run)).info
        except MlflowException:
            return False
        return str(info.lifecycle_stage) == "active"

    def _retry(self, request: Callable[[], T]) -> T:
        try:
            return retry(request, _is_temporary, PAUSES)
        except (MlflowException, OSError) as error:
            if not _is_temporary(error):
                raise
            raise ServiceAway(
                f"MLflow at {masked(self._registry.uri)} does not take what a trial has measured: "
                f"{first_line(error)} Check {URI_VARIABLE}; the same command goes on.",
                field=URI_VARIABLE,
            ) from error


def _is_temporary(error: Exception) -> bool:
    return isinstance(error, MlflowException | OSError) and not is_final(error)


def _metrics(metric: str, measurement: TrialMeasurement) -> dict[str, float]:
    intervals = {name: fold_interval(scores) for name, scores in measurement.metrics.items()}
    return (
        {name: interval.mean for name, interval in intervals.items()}
        | {f"{name}_std": interval.std for name, interval in intervals.items()}
        | {"low": intervals[metric].low, "high": intervals[metric].high, "seconds": measurement.seconds}
        | ({} if measurement.size is None else {"onnx_bytes": measurement.size})
    )
