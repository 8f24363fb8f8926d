"""Keeps fitted nodes in MLflow, and finds them again.

One experiment a node, one run a fit, one version a registered model; the version's tags carry the
task's schema, so whoever fetches a model needs nothing of the code that made it. MLflow gets the
ONNX file and never a pickle. A version's number is an int in SQLite and a text over REST; here it
is a text. Besides this module `champions` and the modules `record` of benchmark, retraining and drift
reports know MLflow.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Literal

import mlflow
import mlflow.onnx
import onnx
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from sqlalchemy.exc import SQLAlchemyError

from concord.errors import TrainingError
from concord.types.nodes import NodeInfo
from concord.util.private_files import make_folder
from concord.util.urls import masked
from training.data.provenance import DATA_FILE, ROWS_FILE, Provenance
from training.fitting.fit import Fitted
from training.fitting.plots import draw
from training.registry import tags as card
from training.registry.champions import Champion, tracking_uri
from training.registry.versions import (
    ALIAS,
    DIGEST_TAG,
    PREVIOUS_TAG,
    RECIPE_TAG,
    SCHEMA_TAG,
    URI_VARIABLE,
    Fetched,
    first_line,
)

Alias = Literal["champion", "challenger"]

PROFILE = "profile.json"
"""The run's artifact that later rows are compared with."""


@dataclass(frozen=True)
class Kept:
    """A run with its model, of which a version can be made."""

    run_id: str
    uri: str
    model_id: str | None


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
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._choose()
        try:
            self.client = mlflow.MlflowClient(self.uri)
            self.client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise TrainingError(
                f"The registry {masked(self.uri)} cannot be opened: {first_line(error)} "
                f"Check {URI_VARIABLE}, or move the file away.",
                field=URI_VARIABLE,
            ) from error

    def record(self, fitted: Fitted, alias: Alias | None = ALIAS) -> NodeInfo:
        """Keeps one fit: the run, the version, its alias and the dated copy.

        Args:
            fitted: The fit.
            alias: Which name the version gets; `champion` is served.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        return self.register(fitted, self.keep(fitted), alias)

    def keep(self, fitted: Fitted, parent: str | None = None) -> Kept:
        """Keeps one fit as a run with its model, of which there is no version yet.

        Args:
            fitted: The fit.
            parent: The run that it is shown below.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        self._choose()
        with self.answering(fitted.model):
            return self._keep(fitted, parent)

    def register(self, fitted: Fitted, kept: Kept, alias: Alias | None = ALIAS) -> NodeInfo:
        """Makes a version of what was kept; its alias comes last, when everything else is there.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        self._choose()
        with self.answering(fitted.model):
            version = self._register(fitted, kept)
            if alias == ALIAS:
                self._keep_previous(fitted.model)
            self._copy(fitted)
            if alias is not None:
                _beside_others(lambda: self.client.set_registered_model_alias(fitted.model, alias, version))
        return describe(fitted, version, kept.run_id)

    def learned(self, run_id: str) -> tuple[tuple[Provenance, ...], frozenset[bytes]]:
        """What a run's model learned from, and the hash of each row; both empty for a model from elsewhere.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        self._choose()
        with self.answering(run_id):
            if not run_id:
                return (), frozenset()
            kept = {found.path for found in self.client.list_artifacts(run_id)}
            if not {DATA_FILE, ROWS_FILE} <= kept:
                return (), frozenset()
            document = mlflow.artifacts.load_dict(f"runs:/{run_id}/{DATA_FILE}")
            lines = mlflow.artifacts.load_text(f"runs:/{run_id}/{ROWS_FILE}").split()
        origins = tuple(Provenance.from_json(one) for one in document["sources"])
        return origins, frozenset(bytes.fromhex(line) for line in lines)

    @contextmanager
    def answering(self, model: str) -> Iterator[None]:
        """Turns what MLflow raises within into a sentence.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise TrainingError(
                f"{model}: the registry {masked(self.uri)} does not serve: {first_line(error)} "
                f"Check {URI_VARIABLE}.",
                field=URI_VARIABLE,
            ) from error

    def champions(self) -> dict[str, Champion]:
        """Registered name → champion, for every model that has one.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        with self.answering("all models"):
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
                f"{model}: the registry {masked(self.uri)} does not hand out its champion: "
                f"{first_line(error)}"
            ) from error

    def recipe(self, model: str) -> dict[str, Any] | None:
        """What the champion is built of, where a benchmark found it.

        Raises:
            TrainingError: MLflow refused or cannot be reached.
        """
        with self.answering(model):
            found = self.client.get_model_version_by_alias(model, ALIAS)
        return dict(json.loads(found.tags[RECIPE_TAG])) if RECIPE_TAG in found.tags else None

    def experiment(self, name: str) -> str:
        """The id of the experiment of this name, which is made if there is none."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        # A server keeps artifacts where it was told to; the default registry keeps them beside its file.
        folder = (
            (self.home / "mlartifacts" / name).absolute().as_uri() if self.uri.startswith("sqlite:") else None
        )
        try:
            return str(self.client.create_experiment(name, artifact_location=folder))
        except MlflowException as error:
            # Another process has made it meanwhile.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self.experiment(name)

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

    def _keep(self, fitted: Fitted, parent: str | None) -> Kept:
        below = {} if parent is None else {MLFLOW_PARENT_RUN_ID: parent}
        experiment = self.experiment(fitted.model)
        with mlflow.start_run(experiment_id=experiment, run_name=stamp(), tags=below) as run:
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
        return Kept(run.info.run_id, logged.model_uri, logged.model_id)

    def _keep_previous(self, model: str) -> None:
        champion = self.client.get_registered_model(model).aliases.get(ALIAS)
        if champion is not None:
            _beside_others(lambda: self.client.set_registered_model_tag(model, PREVIOUS_TAG, str(champion)))

    def _register(self, fitted: Fitted, kept: Kept) -> str:
        # Not through log_model, which prints and sets the tags only after the version can be seen.
        try:
            self.client.create_registered_model(fitted.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self.client.create_model_version(
            fitted.model, kept.uri, run_id=kept.run_id, tags=card.tags(fitted), model_id=kept.model_id
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
            tags=[RunTag("concord.task", fitted.task.name), RunTag("concord.node", fitted.node)]
            + [RunTag(name, value) for name, value in card.learned(fitted).items()],
        )
        sources = [asdict(origin) for origin in fitted.learned_from]
        self.client.log_dict(run_id, {"sources": sources}, DATA_FILE)
        lines = sorted(name.hex() for name in fitted.split.training.hashes)
        self.client.log_text(run_id, "\n".join(lines), ROWS_FILE)
        for part, context in ((fitted.split.training, "training"), (fitted.split.test, "testing")):
            _beside_others(partial(mlflow.log_input, card.dataset(fitted, part), context=context))
        self.client.log_dict(run_id, fitted.profile, PROFILE)
        self.client.log_dict(run_id, fitted.task.schema.to_json(), "schema.json")
        for name, figure in draw(fitted.task.schema, fitted.votes, fitted.split.test.answers, fitted.losses):
            self.client.log_figure(run_id, figure, f"plots/{name}")

    def _profile(self, run_id: str | None) -> dict[str, Any] | None:
        if not run_id or PROFILE not in {found.path for found in self.client.list_artifacts(run_id)}:
            return None
        loaded: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{run_id}/{PROFILE}")
        return loaded

    def _copy(self, fitted: Fitted) -> None:
        folder = self.home / "models"
        folder.mkdir(exist_ok=True)
        (folder / f"{fitted.model}_{stamp()}.onnx").write_bytes(fitted.onnx)


def _beside_others(write: Callable[[], None]) -> None:
    """Writes a row that another process may be making too.

    MLflow looks for a row before it makes it, so that of two who saw none the second is refused; asked
    again, it finds the other's.
    """
    try:
        write()
    except MlflowException as error:
        if error.error_code not in ("BAD_REQUEST", "INTERNAL_ERROR"):
            raise
        write()


def stamp() -> str:
    """The time now, as files and runs are named."""
    return datetime.now(UTC).strftime("%Y_%m_%dT%H_%M_%S")


def describe(fitted: Fitted, version: str, run_id: str) -> NodeInfo:
    """What a node with this fit states."""
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
