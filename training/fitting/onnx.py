"""Converts a fitted pipeline to ONNX, and checks that it answers like the pipeline.

A node loads ONNX only, so the graph's answers on the held-out rows are compared with scikit-learn's. A model
that cannot be converted, or that differs, is refused with the step and the remedy; there is no fallback to a
pickle.

The graph's contract, for models made elsewhere too: one input, float32 of shape (rows, features)
in the schema's order, a choice as its index. A classification has an output `probabilities`,
float32 of shape (rows, classes) in the order of the labels; a regression has `value`, float32 of
shape (rows, 1).
"""

import warnings

import numpy as np
import onnx
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from concord.errors import TrainingError
from concord.tasks.schema import Rows
from training.data.dataset import AnswerArray
from training.fitting.converters import register_converters
from training.fitting.evaluate import Votes, vote
from training.task import Model, Task

TOLERANCE = 1e-4
"""Largest difference of a probability, or of a value as a share of the target's range."""

MOST_WORDS = 300
"""Characters of a library's error that are shown."""

INPUT = "rows"
OPSET = {"": 18, "ai.onnx.ml": 3}
"""Operator sets that every onnxruntime since 1.14 knows."""


register_converters()


def convert(task: Task, node: str, model: Model) -> bytes:
    """The model as the bytes of an ONNX file.

    Raises:
        TrainingError: A step of the pipeline has no ONNX converter.
    """
    width = len(task.schema.features)
    options = {} if task.schema.is_regression else {id(model): {"zipmap": False}}
    try:
        with warnings.catch_warnings():
            # skl2onnx 1.20 reads `probA_` of every SVC, which scikit-learn 1.9 deprecates.
            warnings.simplefilter("ignore", FutureWarning)
            graph = convert_sklearn(
                model,
                name=f"{task.name}.{node}",
                initial_types=[(INPUT, FloatTensorType([None, width]))],
                options=options,
                target_opset=OPSET,
            )
    except Exception as error:  # skl2onnx raises many kinds
        raise TrainingError(
            f"{task.name}.{node}: the step `convert` failed: {first_words(error)} "
            "Use only scikit-learn estimators that skl2onnx supports; FunctionTransformer and "
            "TransformedTargetRegressor are not among them."
        ) from error
    if task.schema.is_regression:
        _name_value(graph, task.floor)
    onnx.checker.check_model(graph)
    data: bytes = graph.SerializeToString()
    return data


def first_words(error: Exception) -> str:
    """What an error says first: skl2onnx appends all numbers of a model to its own."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    words = lines[0] if len(lines[0]) <= MOST_WORDS else f"{lines[0][:MOST_WORDS].rstrip()} …"
    return f"{words.rstrip('.')}."


def compare(task: Task, node: str, model: Model, data: bytes, rows: Rows, answers: AnswerArray) -> float:
    """The largest difference between graph and pipeline on these rows.

    Args:
        task: The task, for its kind and floor.
        node: The node's name, for messages.
        model: The fitted pipeline.
        data: The ONNX file.
        rows: Held-out rows, float32 of shape (rows, features).
        answers: Their true answers; of a regression, their range is the unit of the difference.

    Raises:
        TrainingError: It is above the tolerance, or one row is answered differently.
    """
    expected, actual = vote(task, model, rows), run(task, data, rows)
    scale = float(np.ptp(answers)) if task.schema.is_regression else 1.0
    difference = float(np.abs(actual - expected).max()) / (scale or 1.0)
    if not difference <= TOLERANCE:
        raise TrainingError(_differs(task, node, f"by {difference:.2g}, where {TOLERANCE:g} is allowed"))
    differing = int((actual.argmax(axis=1) != expected.argmax(axis=1)).sum())
    if differing:
        raise TrainingError(_differs(task, node, f"in the label of {differing} of {len(rows)} rows"))
    return difference


def run(task: Task, data: bytes, rows: Rows) -> Votes:
    """What a node with this file answers, in float64.

    Raises:
        TrainingError: The graph has no output of the contract's name, or answers in another shape.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    output = "value" if task.schema.is_regression else "probabilities"
    if output not in [declared.name for declared in session.get_outputs()]:
        raise TrainingError(
            f"{task.name}: the ONNX graph has no output {output!r}. See training/fitting/onnx.py."
        )
    votes = np.asarray(session.run([output], {session.get_inputs()[0].name: rows})[0], dtype=np.float64)
    if votes.shape != (len(rows), task.schema.width):
        raise TrainingError(
            f"{task.name}: the ONNX graph answers in shape {votes.shape}, "
            f"not {(len(rows), task.schema.width)}. See training/fitting/onnx.py."
        )
    return votes


def _name_value(graph: onnx.ModelProto, floor: float | None) -> None:
    # skl2onnx calls a regressor's output `variable`; the contract's name is `value`.
    output = graph.graph.output[0]
    inputs = [output.name]
    if floor is not None:
        graph.graph.initializer.append(onnx.helper.make_tensor("floor", onnx.TensorProto.FLOAT, [], [floor]))
        inputs.append("floor")
    graph.graph.node.append(
        onnx.helper.make_node("Clip" if floor is not None else "Identity", inputs, ["value"])
    )
    output.name = "value"


def _differs(task: Task, node: str, how: str) -> str:
    return (
        f"{task.name}.{node}: the step `compare` failed: the ONNX model differs from the pipeline {how} on "
        "the held-out rows. A node computes in float32: fit trees on unscaled columns, divide large numbers "
        "by their spread before a power, scale columns whose steps make neighbours equally far, and give "
        "nearest neighbours algorithm='brute' where rows repeat others."
    )
