"""Keeps fitted nodes in MLflow, and finds them again.

One experiment a node, one run a fit, one version a registered model; the version's tags carry the
task's schema, so whoever fetches a model needs nothing of the code that made it. MLflow gets the
ONNX file and never a pickle. A version's number is an int in SQLite and a text over REST; here it
is a text. Besides this module `champions` and `benchmark.record` know MLflow.
"""

import logging
import os
import time
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import mlflow.onnx
import onnx
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo
from sqlalchemy.exc import SQLAlchemyError

from concord.errors import TrainingError
from concord.private import make_folder
from concord.wire import NodeInfo
from training import card
from training.champions import Champion, tracking_uri
from training.fit import Fitted
from training.plots import draw
from training.version import (
    ALIAS,
    DIGEST_TAG,
    PREVIOUS_TAG,
    SCHEMA_TAG,
    URI_VARIABLE,
    Fetched,
    first_line,
    without_password,
)

PROFILE = "profile.json"
"""The run's artifact that later rows are compared with."""


class Registry:
    """MLflow, at `MLFLOW_TRACKING_URI` or below the home folder.

    Raises:
        TrainingError: It cannot be reached, or is no registry.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.uri = tracking_uri(home)
        make_folder(home)
        # Its log lines ("Successfully registered …") would tear the progress bar.
        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # Seven retries, MLflow's own number, keep a person waiting for minutes at a wrong address.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        self._choose()
        try:
            self.client = mlflow.MlflowClient(self.uri)
            self.client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise TrainingError(
                f"The registry {without_password(self.uri)} cannot be opened: {first_line(error)} "
                f"Check {URI_VARIABLE}, or move the file away.",
                field=URI_VARIABLE,
            ) from error

    def record(self, fitted: Fitted) -> NodeInfo:
        """Keeps one fit: the run, the version, its alias `champion` and the dated copy.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        self._choose()
        try:
            version, run_id = self._record(fitted)
        except (MlflowException, OSError) as error:
            raise TrainingError(
                f"{fitted.model}: the step `register` failed: {first_line(error)} "
                f"Check MLFLOW_TRACKING_URI ({without_password(self.uri)})."
            ) from error
        self._copy(fitted)
        return _info(fitted, version, run_id)

    def champions(self) -> dict[str, Champion]:
        """Registered name → champion, for every model that has one."""
        models = self.client.search_registered_models(max_results=1000, order_by=["name"])
        return {model.name: self._champion(model.name) for model in models if ALIAS in model.aliases}

    def fetch(self, model: str) -> Fetched | None:
        """The champion of a registered name; None where its version carries no schema.

        Raises:
            TrainingError: It cannot be had whole.
        """
        self._choose()
        try:
            found = self.client.get_model_version_by_alias(model, ALIAS)
            if SCHEMA_TAG not in found.tags:
                return None
            folder = Path(mlflow.artifacts.download_artifacts(f"models:/{model}/{found.version}"))
            return Fetched.of(found, next(folder.glob("*.onnx")).read_bytes(), self._profile(found.run_id))
        except (MlflowException, OSError, StopIteration) as error:
            raise TrainingError(
                f"{model}: the registry {without_password(self.uri)} does not hand out its champion: "
                f"{first_line(error)}"
            ) from error

    def _choose(self) -> None:
        # MLflow keeps its choice for the process, and in the environment too, where the next reader
        # would take it for the user's.
        stated = os.environ.get(URI_VARIABLE)
        mlflow.set_tracking_uri(self.uri)
        if stated is None:
            os.environ.pop(URI_VARIABLE, None)

    def _champion(self, model: str) -> Champion:
        found = self.client.get_model_version_by_alias(model, ALIAS)
        return Champion(str(found.version), found.run_id or "", found.tags.get(DIGEST_TAG, ""))

    def _record(self, fitted: Fitted) -> tuple[str, str]:
        with mlflow.start_run(experiment_id=self.experiment(fitted.model), run_name=_stamp()) as run:
            self._describe(fitted, run.info.run_id)
            logged = mlflow.onnx.log_model(
                onnx.load_from_string(fitted.onnx),
                name="model",
                signature=card.signature(fitted),
                input_example=fitted.split.training.rows[:2],
                # Stated, because MLflow would otherwise run the model in a new process to infer it.
                pip_requirements=[f"onnxruntime=={installed('onnxruntime')}"],
                onnx_execution_providers=["CPUExecutionProvider"],
                # One file, whose digest is the model's.
                save_as_external_data=False,
            )
        version = self._register(fitted, run.info.run_id, logged)
        self._keep_previous(fitted.model)
        self.client.set_registered_model_alias(fitted.model, ALIAS, version)
        return version, run.info.run_id

    def _keep_previous(self, model: str) -> None:
        champion = self.client.get_registered_model(model).aliases.get(ALIAS)
        if champion is not None:
            self.client.set_registered_model_tag(model, PREVIOUS_TAG, str(champion))

    def _register(self, fitted: Fitted, run_id: str, logged: ModelInfo) -> str:
        # Not through log_model, which prints and sets the tags only after the version can be seen.
        try:
            self.client.create_registered_model(fitted.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self.client.create_model_version(
            fitted.model, logged.model_uri, run_id=run_id, tags=card.tags(fitted), model_id=logged.model_id
        )
        return str(made.version)

    def _describe(self, fitted: Fitted, run_id: str) -> None:
        now = time.time_ns() // 1_000_000
        losses = enumerate(fitted.losses, start=1)
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in card.metrics(fitted).items()]
            + [Metric("loss", loss, now, epoch) for epoch, loss in losses],
            params=[Param(name, value) for name, value in card.params(fitted).items()],
            tags=[RunTag("concord.task", fitted.task.name), RunTag("concord.node", fitted.node)],
        )
        for part, context in ((fitted.split.training, "training"), (fitted.split.test, "testing")):
            mlflow.log_input(card.dataset(fitted, part), context=context)
        self.client.log_dict(run_id, fitted.profile, PROFILE)
        self.client.log_dict(run_id, fitted.task.schema.to_json(), "schema.json")
        for name, figure in draw(fitted.task.schema, fitted.votes, fitted.split.test.answers, fitted.losses):
            self.client.log_figure(run_id, figure, f"plots/{name}")

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made where it is not there."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        # A server keeps artifacts where it was told to; the default registry keeps them beside its file.
        folder = (
            (self.home / "mlartifacts" / name).absolute().as_uri() if self.uri.startswith("sqlite:") else None
        )
        return str(self.client.create_experiment(name, artifact_location=folder))

    def _profile(self, run_id: str | None) -> dict[str, Any] | None:
        if not run_id or PROFILE not in {found.path for found in self.client.list_artifacts(run_id)}:
            return None
        loaded: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{run_id}/{PROFILE}")
        return loaded

    def _copy(self, fitted: Fitted) -> None:
        folder = self.home / "models"
        folder.mkdir(exist_ok=True)
        (folder / f"{fitted.model}_{_stamp()}.onnx").write_bytes(fitted.onnx)


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y_%m_%dT%H_%M_%S")


def _info(fitted: Fitted, version: str, run_id: str) -> NodeInfo:
    schema = fitted.task.schema
    return NodeInfo(
        model=fitted.model,
        version=version,
        run_id=run_id,
        digest=fitted.digest,
        schema_digest=schema.digest,
        schema=schema.to_json(),
        accuracy=fitted.metrics.get("accuracy"),
    )
