"""What MLflow is told of a benchmark: one parent run a study, one run below it a trial.

A trial's run is made when the trial begins and is taken up with it when its worker dies, so there is one run
a trial, whatever happened. MLflow may be away for a moment, or its SQLite file busy with other workers: each
write is tried again for a while, and then the worker stops with a sentence and its trials go to others.
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
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from concord.errors import ServiceAway
from concord.util.urls import masked
from training.fitting.evaluate import Votes
from training.registry.download import FINAL
from training.registry.registry import Registry
from training.registry.versions import URI_VARIABLE, first_line
from training.search.agreement import Agreement
from training.search.claims import TrialClaim
from training.search.cross_validation import Measured
from training.search.identity import Identity
from training.search.interval import interval
from training.search.leaderboard import Row
from training.search.settings import ALGORITHM, SearchSettings, written

STUDY_TAG: Final = "concord.study"
NUMBER_TAG: Final = "concord.trial"

VOTES_FILE: Final = "out_of_fold.npz"
"""A trial's artifact: its answers to the rows that each fold had not learned from."""

PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries of a write."""

T = TypeVar("T")


class Record:
    """The runs of one study.

    Args:
        registry: MLflow.
        identity: The study's.
        facts: Parameters of the parent run: what the study is about, without passwords.
    """

    def __init__(self, registry: Registry, identity: Identity, facts: Mapping[str, str]) -> None:
        self._client = registry.client
        self._uri, self._identity, self._facts = masked(registry.uri), identity, facts
        self._experiment = self._ask(lambda: registry.experiment(f"benchmark.{identity.task}"))
        self.parent = ""

    def open(self, agreed: Agreement) -> None:
        """Finds the parent run, or makes it, together with all other workers."""
        held = agreed.value
        if held is None or not self._exists(held):
            made = self._make(self._identity.name, {}, self._facts)
            kept = agreed.offer(made, instead=held)
            if kept != made:
                self._ask(lambda: self._client.delete_run(made))
            held = kept
        self.parent = held

    def begin(self, claim: TrialClaim, settings: SearchSettings) -> str:
        """A trial's run, made or taken up again."""
        number, found = claim.number, None
        if claim.owners > 1:
            known = claim.run is not None and self._exists(claim.run)
            found = claim.run if known else self._left_behind(number)
        if found is not None:
            self._ask(partial(self._client.update_run, found, status="RUNNING"))
            return found
        name = f"{number} {settings[ALGORITHM]}"
        params = {setting: str(value) for setting, value in settings.items()}
        return self._make(name, {MLFLOW_PARENT_RUN_ID: self.parent, NUMBER_TAG: str(number)}, params)

    def finish(self, run: str, metric: str, measured: Measured) -> None:
        """What a trial has come to."""
        now = time.time_ns() // 1_000_000
        found = {name: interval(scores) for name, scores in measured.metrics.items()}
        values = [Metric(name, one.mean, now, 0) for name, one in found.items()]
        values += [Metric(f"{name}_std", one.std, now, 0) for name, one in found.items()]
        values += [
            Metric(f"{name}_fold", score, now, fold)
            for name, scores in measured.metrics.items()
            for fold, score in enumerate(scores, start=1)
        ]
        values += [Metric("low", found[metric].low, now, 0), Metric("high", found[metric].high, now, 0)]
        values.append(Metric("seconds", measured.seconds, now, 0))
        if measured.size is not None:
            values.append(Metric("onnx_bytes", measured.size, now, 0))
        tags = {"concord.onnx": "yes" if measured.refusal is None else "no"}
        if measured.refusal is not None:
            tags["concord.onnx.reason"] = measured.refusal
        self._log(run, values, tags)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / VOTES_FILE
            np.savez_compressed(path, votes=measured.votes)
            self._ask(lambda: self._client.log_artifact(run, str(path)))
        self._ask(lambda: self._client.set_terminated(run, "FINISHED"))

    def fail(self, run: str, reason: str) -> None:
        """Why a trial has come to nothing."""
        self._log(run, [], {"concord.failure": reason})
        self._ask(lambda: self._client.set_terminated(run, "FAILED"))

    def interrupt(self, run: str) -> None:
        """A trial is let go, and will be taken up again."""
        self._ask(lambda: self._client.set_terminated(run, "KILLED"))

    def votes(self, run: str) -> Votes:
        """A trial's answers out of the folds, float64 of shape (rows, width)."""
        where = self._client.tracking_uri
        path = self._ask(lambda: download_artifacts(f"runs:/{run}/{VOTES_FILE}", tracking_uri=where))
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["votes"], dtype=np.float64)

    def publish(self, table: str, figures: Mapping[str, Figure], leader: Row | None) -> None:
        """The leaderboard and its pictures, on the parent run."""
        self._ask(lambda: self._client.log_text(self.parent, table, "leaderboard.csv"))
        for name, figure in figures.items():
            self._ask(partial(self._client.log_figure, self.parent, figure, f"plots/{name}"))
        if leader is not None and leader.interval is not None:
            now = time.time_ns() // 1_000_000
            found = vars(leader.interval)
            scores = [Metric(name, found[name], now, 0) for name in ("mean", "std", "low", "high")]
            self._log(
                self.parent, scores, {"concord.leader": f"{leader.algorithm}: {written(leader.settings)}"}
            )
        self._ask(lambda: self._client.set_terminated(self.parent, "FINISHED"))

    def enlisted(self, models: Mapping[str, str]) -> None:
        """Which models came of the study, as a tag of the parent run."""
        self._log(self.parent, [], {"concord.registered": json.dumps(models)})

    def _log(self, run: str, metrics: list[Metric], tags: Mapping[str, str]) -> None:
        said = [RunTag(name, text[:5000]) for name, text in tags.items()]
        self._ask(lambda: self._client.log_batch(run, metrics=metrics, tags=said))

    def _make(self, name: str, tags: Mapping[str, str], params: Mapping[str, str]) -> str:
        own = {STUDY_TAG: self._identity.name, "concord.task": self._identity.task, **tags}
        run = self._ask(lambda: self._client.create_run(self._experiment, tags=own, run_name=name))
        said = [Param(setting, text) for setting, text in params.items()]
        self._ask(lambda: self._client.log_batch(run.info.run_id, params=said))
        return str(run.info.run_id)

    def _left_behind(self, number: int) -> str | None:
        # Its worker may have died between making the run and noting it; a number is begun rarely twice.
        asked = f"tags.`{STUDY_TAG}` = '{self._identity.name}' and tags.`{NUMBER_TAG}` = '{number}'"
        found: list[Run] = self._ask(
            lambda: self._client.search_runs([self._experiment], asked, max_results=1)
        )
        return str(found[0].info.run_id) if found else None

    def _exists(self, run: str) -> bool:
        try:
            found = self._ask(lambda: self._client.get_run(run))
        except MlflowException:
            return False
        return str(found.info.lifecycle_stage) == "active"

    def _ask(self, question: Callable[[], T]) -> T:
        for pause in (*PAUSES, None):
            try:
                return question()
            except (MlflowException, OSError) as error:
                if getattr(error, "error_code", "") in FINAL:
                    raise
                if pause is None:
                    raise ServiceAway(
                        f"MLflow at {self._uri} does not take what a trial has found: {first_line(error)} "
                        f"Check {URI_VARIABLE}; the same command goes on.",
                        field=URI_VARIABLE,
                    ) from error
            time.sleep(pause)
        raise AssertionError("The last try returns or raises.")
