"""Checks that an ONNX file keeps the contract of a node, for files that were made elsewhere.

`docs/models.md` has the contract. Converters' defaults break it in ways that are known, so each refusal says
what to change where the file is made.
"""

from typing import Any, Final

import numpy as np
import onnxruntime

from concord.errors import TrainingError
from concord.policies.voting import read_probabilities
from concord.tasks.schema import TaskSchema

MOST_WORDS: Final = 200
"""Characters of onnxruntime's own error that are shown."""


def check_graph(model: str, schema: TaskSchema, data: bytes) -> None:
    """Checks input, output and an answer to the schema's example.

    Args:
        model: Registered name, for messages.
        schema: What the file is to answer.
        data: The file.

    Raises:
        TrainingError: It breaks the contract; says where, and what to change.
    """
    session = _open(model, data)
    _check_input(model, schema, session)
    output = "value" if schema.is_regression else "probabilities"
    _check_output(model, output, session)
    rows = schema.read_rows([schema.example] * 2)
    try:
        answers = np.asarray(session.run([output], {session.get_inputs()[0].name: rows})[0])
    except Exception as error:  # onnxruntime's faults have no base of their own
        raise _refused(model, f"does not answer the schema's example: {_words(error)}", "") from error
    if answers.shape != (2, schema.width) or not np.isfinite(answers).all():
        raise _refused(
            model,
            f"answers two rows in shape {answers.shape}, not with numbers of shape (2, {schema.width})",
            "One number for each label, in their order, or one value.",
        )
    if not schema.is_regression and not read_probabilities(answers)[1].all():
        raise _refused(
            model,
            "answers rows that do not sum up to 1, or with shares below 0",
            "Give probabilities, not scores.",
        )


def _open(model: str, data: bytes) -> Any:  # noqa: ANN401  onnxruntime ships no types
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise _refused(model, f"is no graph that onnxruntime can run: {_words(error)}", "") from error


def _check_input(model: str, schema: TaskSchema, session: Any) -> None:  # noqa: ANN401
    inputs, width = session.get_inputs(), len(schema.features)
    remedy = f"Convert it with skl2onnx's initial_types=[('rows', FloatTensorType([None, {width}]))]."
    if len(inputs) != 1:
        raise _refused(model, f"has {len(inputs)} inputs", remedy)
    given = inputs[0]
    if given.type != "tensor(float)":
        raise _refused(model, f"takes {given.type}, where a node gives float32", remedy)
    rows, *columns = given.shape or [None]
    if isinstance(rows, int) or len(columns) != 1 or (isinstance(columns[0], int) and columns[0] != width):
        raise _refused(
            model, f"takes rows of shape {given.shape}, where (any number, {width}) is needed", remedy
        )


def _check_output(model: str, output: str, session: Any) -> None:  # noqa: ANN401
    types = {given.name: given.type for given in session.get_outputs()}
    if any(kind.startswith("seq(map") for kind in types.values()):
        raise _refused(
            model,
            "answers with a list of maps (zipmap)",
            "Convert it with skl2onnx's options={id(model): {'zipmap': False}}.",
        )
    if types.get(output) != "tensor(float)":
        stated = ", ".join(f"{name!r} of {kind}" for name, kind in types.items())
        raise _refused(
            model,
            f"has the outputs {stated}, where {output!r} of tensor(float) is needed",
            "Rename or cast it.",
        )


def _refused(model: str, what: str, remedy: str) -> TrainingError:
    return TrainingError(f"{model}: its ONNX file {what.rstrip('.')}. {remedy}".rstrip(), field=model)


def _words(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:MOST_WORDS]
