"""Keeps fitted nodes in MLflow: one experiment a node, one run a fit, one version a registered model.

The version's tags carry the task's schema, so a model can be fetched without the code that made it.
MLflow gets the ONNX file and never a pickle.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as installed
from typing import Literal

import mlflow
import mlflow.onnx
import onnx
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from concord.tasks.schema import Rows
from concord.types.nodes import NodeInfo
from training.data.provenance import DATA_FILE, ROWS_FILE
from training.fitting.fit import Fitted
from training.fitting.plots import draw_fit
from training.registry.fit_record import (
    mlflow_dataset,
    run_metrics,
    run_params,
    run_tags,
    signature,
    version_tags,
)
from training.registry.registry import Registry
from training.registry.versions import ALIAS, PREVIOUS_TAG, PROFILE_FILE
from training.retry import retry

Alias = Literal["champion", "challenger"]


def record_fit(registry: Registry, fitted: Fitted) -> NodeInfo:
    """Keeps one fit as champion: the run, the version, its alias and the dated copy.

    Args:
        registry: Where it goes.
        fitted: The fit.

    Raises:
        TrainingError: MLflow refused or cannot be reached.
    """
    return register_model(registry, fitted, log_fit(registry, fitted))


def log_fit(registry: Registry, fitted: Fitted, parent: str | None = None) -> ModelInfo:
    """Keeps one fit as a run with its model, of which there is no version yet.

    Args:
        registry: Where it goes.
        fitted: The fit.
        parent: The run that it is shown below.

    Raises:
        TrainingError: MLflow refused or cannot be reached.
    """
    registry.select()
    with registry.translate_errors(fitted.model):
        tags = {} if parent is None else {MLFLOW_PARENT_RUN_ID: parent}
        experiment = registry.experiment(fitted.model)
        with mlflow.start_run(experiment_id=experiment, run_name=time_stamp(), tags=tags) as run:
            _log_facts(registry, fitted, run.info.run_id)
            _log_artifacts(registry, fitted, run.info.run_id)
            graph, example = onnx.load_from_string(fitted.onnx), fitted.split.training.rows[:2]
            return log_graph(graph, signature(fitted.task.schema), example)


def log_graph(graph: onnx.ModelProto, signed: ModelSignature, example: Rows | None = None) -> ModelInfo:
    """Keeps a graph as the model of the run that is open."""
    logged: ModelInfo = mlflow.onnx.log_model(
        graph,
        name="model",
        signature=signed,
        input_example=example,
        # Stated, because MLflow would otherwise run the model in a new process to infer it.
        pip_requirements=[f"onnxruntime=={installed('onnxruntime')}"],
        onnx_execution_providers=["CPUExecutionProvider"],
        # One file, whose digest is the model's.
        save_as_external_data=False,
    )
    return logged


def register_model(registry: Registry, fitted: Fitted, logged: ModelInfo, alias: Alias = ALIAS) -> NodeInfo:
    """Makes a version of a logged model; its alias comes last, when everything else is there.

    Raises:
        TrainingError: MLflow refused or cannot be reached.
    """
    registry.select()
    model = fitted.model
    with registry.translate_errors(model):
        version = create_version(registry, model, logged, version_tags(fitted))
        folder = registry.home / "models"
        folder.mkdir(exist_ok=True)
        (folder / f"{model}_{time_stamp()}.onnx").write_bytes(fitted.onnx)
        name_version(registry, model, alias, version)
    return node_info(fitted, version, logged.run_id)


def name_version(registry: Registry, model: str, alias: Alias, version: str) -> None:
    """Points an alias at a version, and notes which champion was before."""
    client = registry.client
    champion = client.get_registered_model(model).aliases.get(ALIAS) if alias == ALIAS else None
    if champion is not None:
        _retry_once(lambda: client.set_registered_model_tag(model, PREVIOUS_TAG, str(champion)))
    _retry_once(lambda: client.set_registered_model_alias(model, alias, version))


def node_info(fitted: Fitted, version: str, run_id: str) -> NodeInfo:
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


def time_stamp() -> str:
    """The time now, as files and runs are named."""
    return datetime.now(UTC).strftime("%Y_%m_%dT%H_%M_%S")


def create_version(registry: Registry, model: str, logged: ModelInfo, tags: Mapping[str, str]) -> str:
    """Makes a version of a logged model, and the registered model where there is none yet."""
    # Not through log_model, which prints and sets the tags only after the version can be seen.
    try:
        registry.client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = registry.client.create_model_version(
        model,
        logged.model_uri,
        run_id=logged.run_id,
        tags=dict(tags),
        model_id=logged.model_id,
    )
    return str(version.version)


def _log_facts(registry: Registry, fitted: Fitted, run_id: str) -> None:
    registry.log(run_id, metrics=run_metrics(fitted), params=run_params(fitted), tags=run_tags(fitted))
    if fitted.losses:
        now, epochs = time.time_ns() // 1_000_000, enumerate(fitted.losses, start=1)
        losses = [Metric("loss", loss, now, epoch) for epoch, loss in epochs]
        registry.client.log_batch(run_id, metrics=losses)


def _log_artifacts(registry: Registry, fitted: Fitted, run_id: str) -> None:
    client, task, parts = registry.client, fitted.task, fitted.split
    client.log_dict(run_id, {"sources": [asdict(origin) for origin in fitted.learned_from]}, DATA_FILE)
    hashes = sorted(row_hash.hex() for row_hash in parts.training.hashes)
    client.log_text(run_id, "\n".join(hashes), ROWS_FILE)
    for part, context in ((parts.training, "training"), (parts.test, "testing")):
        _retry_once(partial(mlflow.log_input, mlflow_dataset(fitted, part), context=context))
    client.log_dict(run_id, fitted.profile, PROFILE_FILE)
    client.log_dict(run_id, task.schema.to_json(), "schema.json")
    for name, figure in draw_fit(task.schema, fitted.votes, parts.test.answers, fitted.losses):
        client.log_figure(run_id, figure, f"plots/{name}")


def _retry_once(write: Callable[[], None]) -> None:
    """Writes a row that another process may be making too.

    MLflow looks for a row before it makes it, so that of two who saw none the second is refused; asked
    again, it finds the other's.
    """
    retry(write, lambda error: getattr(error, "error_code", "") in {"BAD_REQUEST", "INTERNAL_ERROR"}, [0])
