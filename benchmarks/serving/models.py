"""Packaged models as the other stacks load them: Concord's ONNX files, on one thread.

All stacks answer by the same four models, so only the serving is compared. Each stack's service turns the
named columns of a request into lists of numbers.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FEATURES: Final = ("sepal_length", "sepal_width", "petal_length", "petal_width")

NODES: Final = ("decision_tree", "knn", "logistic_regression", "random_forest")
"""The four models of the workshop."""

_ROWS: Final = (
    (6.0, 2.7, 5.1, 1.6),
    (5.1, 3.5, 1.4, 0.2),
    (7.0, 3.2, 4.7, 1.4),
    (6.3, 3.3, 6.0, 2.5),
    (4.9, 3.0, 1.4, 0.2),
    (5.7, 2.8, 4.1, 1.3),
    (5.8, 2.7, 5.1, 1.9),
)
"""Rows of Iris, so that the rows of a call differ; the first is the workshop's."""


def body(rows: int) -> bytes:
    """Request body of a caller, the same for all stacks: rows of named columns as JSON."""
    repeated = (_ROWS[i % len(_ROWS)] for i in range(rows))
    return json.dumps({"rows": [dict(zip(FEATURES, row, strict=True)) for row in repeated]}).encode()


@dataclass(frozen=True)
class Model:
    """A folder of BentoML's model store that holds one of Concord's models."""

    folder: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        """Its registered description."""
        info: dict[str, Any] = json.loads((self.folder / "info.json").read_text("utf-8"))
        return info

    @property
    def accuracy(self) -> float:
        """Accuracy on held-out rows; the weight of its vote in the stacks without stake."""
        return float(self.info["accuracy"])

    @property
    def labels(self) -> list[str]:
        """Names of the classes, by their number."""
        return [label["name"] for label in self.info["schema"]["labels"]]

    def answer(self, rows: Sequence[Sequence[float]]) -> npt.NDArray[np.float32]:
        """Probabilities of shape (rows, classes)."""
        answers = self._session.run(["probabilities"], {self._input: np.asarray(rows, dtype=np.float32)})[0]
        return np.asarray(answers, dtype=np.float32)

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - ONNX Runtime ships no types
        import onnxruntime  # noqa: PLC0415 - not needed to read `info`

        options = onnxruntime.SessionOptions()
        # One thread a process, as in Concord's nodes.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(
            self.folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )

    @cached_property
    def _input(self) -> str:
        return str(self._session.get_inputs()[0].name)
