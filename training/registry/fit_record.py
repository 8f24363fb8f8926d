"""What MLflow is given of a fit: tags, metrics, parameters, data sets and the signature.

Values only; `recording` writes them. What a node or another tool needs is in the version's tags, and what a
person compares is a metric or a parameter of the run.
"""

import hashlib
import json
from typing import Any

import mlflow.data
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from concord.tasks.schema import TaskSchema
from training.data.provenance import DIGEST_TAG as DATA_DIGEST_TAG
from training.data.provenance import JOIN, SEED_TAG, SOURCE_TAG
from training.data.split import LabelledRows
from training.fitting.fit import Fitted
from training.fitting.onnx import INPUT
from training.registry.versions import ACCURACY_TAG, DIGEST_TAG, RECIPE_TAG, SCHEMA_TAG, schema_text


def version_tags(fitted: Fitted) -> dict[str, str]:
    """Tags of the model version: all that a node must state."""
    tags = {SCHEMA_TAG: schema_text(fitted.task.schema), DIGEST_TAG: fitted.digest}
    if fitted.node in fitted.task.recipes:
        tags[RECIPE_TAG] = json.dumps(dict(fitted.task.recipes[fitted.node]))
    accuracy = fitted.metrics.get("accuracy")
    return tags if accuracy is None else tags | {ACCURACY_TAG: repr(accuracy)}


def run_metrics(fitted: Fitted) -> dict[str, float]:
    """Metrics of the run: the held-out scores, the fit in seconds, and how far ONNX is from the pipeline."""
    return fitted.metrics | {"fit_seconds": fitted.seconds, "onnx_difference": fitted.difference}


def run_params(fitted: Fitted) -> dict[str, str]:
    """Parameters of the run: the settings, and which rows they met."""
    return fitted.params | {
        "seed": str(fitted.seed),
        "data": fitted.data.name,
        "data_digest": fitted.data.digest,
        "rows_training": str(len(fitted.split.training.rows)),
        "rows_test": str(len(fitted.split.test.rows)),
        "rows_dropped": str(sum(fitted.data.dropped.values())),
        "rows_copies": str(fitted.split.copies),
    }


def run_tags(fitted: Fitted) -> dict[str, str]:
    """Tags of the run: its node, and what it learned from."""
    origins = fitted.learned_from
    return {
        "concord.task": fitted.task.name,
        "concord.node": fitted.node,
        SOURCE_TAG: JOIN.join(origin.text for origin in origins),
        DATA_DIGEST_TAG: fitted.data.digest,
        SEED_TAG: str(fitted.seed),
    }


def mlflow_dataset(fitted: Fitted, part: LabelledRows) -> Any:  # noqa: ANN401  MLflow is not typed
    """One part of the rows, which MLflow keeps the columns and the digest of."""
    target = fitted.task.answers[0].column
    frame = pd.DataFrame(part.rows, columns=[feature.name for feature in fitted.task.schema.features])
    frame[target] = part.answers.astype(np.float64)
    digest = hashlib.sha256(part.rows.tobytes() + part.answers.tobytes()).hexdigest()
    # MLflow admits 36 characters.
    return mlflow.data.from_pandas(frame, name=fitted.data.name, targets=target, digest=digest[:36])


def signature(schema: TaskSchema) -> ModelSignature:
    """The ONNX graph's input and output, as `training.fitting.onnx` promises them."""
    output = "value" if schema.is_regression else "probabilities"
    inputs = TensorSpec(np.dtype(np.float32), (-1, len(schema.features)), INPUT)
    outputs = TensorSpec(np.dtype(np.float32), (-1, schema.width), output)
    return ModelSignature(inputs=Schema([inputs]), outputs=Schema([outputs]))
