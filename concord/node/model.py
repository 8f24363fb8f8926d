"""An ONNX model loaded from its folder, `model.onnx` and `info.json`.

Its graph has one input, float32 of shape (rows, features) in the order of the schema's features, a choice as
its index; and an output `probabilities` of shape (rows, classes), or `value` of shape (rows, 1). A model that
breaks this contract is refused when it is loaded; nothing but the graph is run.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import TypeAdapter, ValidationError

from concord.errors import ConfigurationError
from concord.tasks.schema import Rows, TaskSchema
from concord.types.nodes import NodeInfo

Answers = npt.NDArray[np.float32]

MODEL_FILE: Final = "model.onnx"
INFO_FILE: Final = "info.json"

_node_info = TypeAdapter(NodeInfo)


class OnnxModel:
    """A model folder, loaded: `model.onnx` and `info.json`.

    Args:
        folder: Where they are.

    Raises:
        ConfigurationError: A file is missing, the digest differs or the graph breaks the contract.
    """

    def __init__(self, folder: Path) -> None:
        self.info = _read_info(folder / INFO_FILE)
        self.schema = TaskSchema.from_json(self.info.schema)
        self._session, self._input, self._output = _load(folder / MODEL_FILE, self.info, self.schema)
        try:
            self.answer(self.schema.read_rows([self.schema.example]))
        except Exception as error:  # onnxruntime's faults have no base of their own
            raise ConfigurationError(
                f"{folder / MODEL_FILE} does not answer the schema's example ({type(error).__name__}).",
                field=MODEL_FILE,
            ) from error

    @property
    def tag(self) -> str:
        """`<task>.<node>/<version>`."""
        return f"{self.info.model}/{self.info.version}"

    def answer(self, rows: Rows) -> Answers:
        """Answers rows of shape (rows, features) with float32 of shape (rows, classes) or (rows, 1)."""
        answers = self._session.run([self._output], {self._input: rows})[0]
        return np.ascontiguousarray(answers, dtype="<f4").reshape(len(rows), self.schema.width)


def _read_info(path: Path) -> NodeInfo:
    try:
        return _node_info.validate_python(orjson.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigurationError(
            f"{path} does not say what model this is: {error}.", field=INFO_FILE
        ) from error


def _load(path: Path, info: NodeInfo, schema: TaskSchema) -> tuple[Any, str, str]:
    """Opens the graph; returns the session and the names of its input and output."""
    import onnxruntime  # noqa: PLC0415 - the consensus image has none, and imports this package too

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", field=MODEL_FILE) from error
    if hashlib.sha256(data).hexdigest() != info.digest:
        raise ConfigurationError(
            f"{path} is not what was registered as {info.model} {info.version}: its digest differs.",
            field=MODEL_FILE,
        )
    options = onnxruntime.SessionOptions()
    # One thread a node: many share a machine, and one that takes all cores makes the others late.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above; an operator that this onnxruntime does not know, for instance
        raise ConfigurationError(
            f"{path} is no graph that can be run here ({type(error).__name__}).", field=MODEL_FILE
        ) from error
    inputs, outputs = session.get_inputs(), {node.name for node in session.get_outputs()}
    output = "value" if schema.is_regression else "probabilities"
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or output not in outputs:
        raise ConfigurationError(
            f"{path} must have one float32 input and an output {output!r}; it has "
            f"{', '.join(i.type for i in inputs)} and {', '.join(sorted(outputs))}.",
            field=MODEL_FILE,
        )
    return session, inputs[0].name, output
