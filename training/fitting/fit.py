"""Fits one node of a task: fit, evaluate, convert to ONNX, compare.

The result is a model that may be registered, or an error. Nothing is written here; `training.registry` does
that.
"""

import hashlib
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from concord.errors import TrainingError
from training.data.dataset import Dataset
from training.data.provenance import Provenance
from training.data.split import Split
from training.fitting.evaluate import Votes, evaluate, vote
from training.fitting.onnx import compare, convert
from training.fitting.profile import build_profile
from training.task import Model, Task


@dataclass(frozen=True)
class Fitted:
    """A node that may be registered.

    Attributes:
        task: Its task.
        node: Its name within the task.
        seed: The seed of the split.
        data: All rows that were read.
        split: Which of them were learned from.
        onnx: The ONNX file.
        votes: Its answers on the held-out rows.
        metrics: Measured on the held-out rows.
        difference: Largest difference between ONNX and pipeline there.
        params: The last step's settings and the names of the steps.
        losses: Training loss per epoch, empty where there are no epochs.
        seconds: What the fit took.
        origins: Where the rows came from, if from more than one source.
    """

    task: Task
    node: str
    seed: int
    data: Dataset
    split: Split
    onnx: bytes
    votes: Votes
    metrics: dict[str, float]
    difference: float
    params: dict[str, str]
    losses: tuple[float, ...]
    seconds: float
    origins: tuple[Provenance, ...] = ()

    @property
    def learned_from(self) -> tuple[Provenance, ...]:
        """Where the rows came from."""
        return self.origins or (Provenance.of(self.data, self.seed),)

    @property
    def model(self) -> str:
        """Its registered name."""
        return f"{self.task.name}.{self.node}"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the ONNX file, in hex."""
        return hashlib.sha256(self.onnx).hexdigest()

    @property
    def profile(self) -> dict[str, Any]:
        """What the rows that it learned from looked like, and its own answers to the others."""
        part = self.split.training
        return build_profile(self.task, part.rows, self.data, part.answers, self.votes)


def fit(
    task: Task, node: str, data: Dataset, split: Split, seed: int, make: Callable[[], Model] | None = None
) -> Fitted:
    """Fits a node on the training part and evaluates it on the test part.

    Args:
        task: The task.
        node: The node's name in it.
        data: All rows that were read.
        split: Their two parts.
        seed: The split's, for the record.
        make: Makes the unfitted pipeline; by default the task does.

    Raises:
        TrainingError: Names the step that failed, and the remedy.
    """
    model = (make or task.nodes[node])()
    begin = time.perf_counter()
    learn(task, node, model, split)
    seconds = time.perf_counter() - begin
    votes, onnx = vote(task, model, split.test.rows), convert(task, node, model)
    return Fitted(
        task=task,
        node=node,
        seed=seed,
        data=data,
        split=split,
        onnx=onnx,
        votes=votes,
        metrics=evaluate(task.schema, votes, split.test.answers),
        difference=compare(task, node, model, onnx, split.test.rows, split.test.answers),
        params=_params(model),
        losses=tuple(getattr(_steps(model)[-1], "loss_curve_", ())),
        seconds=seconds,
    )


@contextmanager
def expected_warnings_ignored() -> Iterator[None]:
    """Ignores scikit-learn's warnings of a fixed number of epochs, and of fewer rows than a batch has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="Got `batch_size` less than 1 or larger")
        yield


def learn(task: Task, node: str, model: Model, split: Split) -> None:
    """Fits the pipeline in place; epochs that end by plan are no warning.

    Raises:
        TrainingError: scikit-learn refused.
    """
    try:
        with expected_warnings_ignored():
            model.fit(split.training.rows, split.training.answers)
    except ValueError as error:
        raise TrainingError(
            f"{task.name}.{node}: the step `fit` failed: {error}. Check the node's settings in its file."
        ) from error


def _steps(model: Model) -> list[Any]:
    return [step for _, step in getattr(model, "steps", [("", model)])]


def _params(model: Model) -> dict[str, str]:
    steps = _steps(model)
    names = " → ".join(type(step).__name__ for step in steps)
    return {"steps": names} | {
        name: str(value)
        for name, value in steps[-1].get_params(deep=False).items()
        if isinstance(value, str | int | float | bool | tuple)
    }
