"""Registers an ONNX file that was made elsewhere, with every tag that a node needs.

The version has a run with the file and nothing else: what it learned from is not known here, so drift and
retraining have no rows of it.
"""

import hashlib
from pathlib import Path

import mlflow
import onnx
from mlflow.models.model import ModelInfo

from concord.errors import DataError
from concord.tasks.schema import TaskSchema
from training.registry.contract import check_graph
from training.registry.fit_record import signature
from training.registry.recording import create_version, log_graph, name_version, time_stamp
from training.registry.registry import Champion, Registry
from training.registry.versions import ACCURACY_TAG, ALIAS, DIGEST_TAG, SCHEMA_TAG, schema_text

MADE_ELSEWHERE = "elsewhere"
"""Tag `concord.made` of such a run, for people."""


def register_file(home: Path, schema: TaskSchema, node: str, data: bytes, accuracy: float | None) -> Champion:
    """Registers a file as champion of `<task>.<node>`.

    Args:
        home: Concord's home folder, with the registry if none is named; a bad file makes none.
        schema: What it answers.
        node: Its name within the task.
        data: The ONNX file.
        accuracy: Its held-out accuracy in 0..1, where that was measured.

    Raises:
        DataError: It is no ONNX file.
        TrainingError: It breaks the contract of a node, or MLflow refused or cannot be reached.
    """
    model = f"{schema.task}.{node}"
    try:
        graph = onnx.load_from_string(data)
    except Exception as error:  # protobuf's own
        raise DataError(f"{model}: the file is no ONNX model.", field="FILE") from error
    # MLflow writes the graph anew, so the digest is of those bytes and not of the file's.
    written = graph.SerializeToString()
    check_graph(model, schema, written)
    tags = {SCHEMA_TAG: schema_text(schema), DIGEST_TAG: hashlib.sha256(written).hexdigest()}
    if accuracy is not None:
        tags[ACCURACY_TAG] = repr(accuracy)
    registry = Registry(home)
    registry.select()
    with registry.translate_errors(model):
        logged = _log(registry, model, schema, graph)
        if accuracy is not None:
            registry.log(logged.run_id, metrics={"accuracy": accuracy})
        version = create_version(registry, model, logged, tags)
        name_version(registry, model, ALIAS, version)
    return Champion(version, logged.run_id, tags[DIGEST_TAG])


def _log(registry: Registry, model: str, schema: TaskSchema, graph: onnx.ModelProto) -> ModelInfo:
    tags = {"concord.made": MADE_ELSEWHERE}
    with mlflow.start_run(experiment_id=registry.experiment(model), run_name=time_stamp(), tags=tags):
        return log_graph(graph, signature(schema))
