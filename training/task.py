"""What a task adds to its schema before there is a model: where rows come from, who learns from them.

A module in `training/tasks/` defines one `TASK`; that file is the whole of a new task. This module
refuses to know any task by name, and a task refuses to know MLflow, ONNX or BentoML: it states
facts and builds unfitted pipelines.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from concord.errors import ConfigurationError
from concord.tasks.names import check_name
from concord.tasks.schema import TaskSchema

Columns = Mapping[str, Sequence[Any] | npt.NDArray[Any]]
"""Named columns of equal length, as a generator makes them."""

Metric = Literal["accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier", "r2", "mae", "mse"]

LOWER_IS_BETTER: frozenset[Metric] = frozenset({"log_loss", "brier", "mae", "mse"})
"""Metrics of error; of all others more is better, and 1 is the best."""

SEED = 42
"""Seed of generators and splits, the one that the figures of the original projects were made with."""

TEST_SHARE = 0.2
"""Held-out share of the rows: the 80/20 that the original projects of these data used."""


class Model(Protocol):
    """A scikit-learn estimator, as far as this package uses one."""

    def fit(self, rows: npt.NDArray[np.float32], answers: npt.NDArray[Any]) -> Any:  # noqa: ANN401  returns itself
        """Learns from rows of shape (rows, features)."""

    def predict(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Answers rows of shape (rows, features)."""


class Classifier(Model, Protocol):
    """A model that also says how sure it is."""

    def predict_proba(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Probabilities of shape (rows, classes)."""


@dataclass(frozen=True)
class Answer:
    """A column of the data that holds the answer, and how its cells become the task's.

    Attributes:
        column: The column's name in the data.
        names: Text of a cell → label; texts that are not listed must be labels themselves.
        grade: For a column of numbers: number → label.
    """

    column: str
    names: Mapping[str, str] = field(default_factory=dict)
    grade: Callable[[float], str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", normalize("NFC", self.column))


@dataclass(frozen=True)
class Rule:
    """What becomes of a cell that says nothing.

    Attributes:
        unknown: Numbers that mean "unknown" in the data (a budget of 0); such a cell counts as empty.
        fill: What an empty cell is read as; None: the row is dropped.
    """

    unknown: tuple[float, ...] = ()
    fill: float | str | None = None


@dataclass(frozen=True)
class Task:
    """One file of `training/tasks/`.

    Attributes:
        schema: What is asked and answered.
        answers: Columns that can hold the answer; the first one that a file has is read.
        nodes: Node name → factory of an unfitted pipeline, with all of its pre-processing inside.
        metric: What nodes are compared by; the comparison table is sorted by it.
        generate: Makes the rows that are used where no file is given, from a seeded generator; without it a
            file or another source must be given.
        rules: Feature → what an empty cell becomes; features that are not listed drop the row.
        pinned: Rows that stay in the training part wherever the split would put them.
        floor: Smallest value that a regression may answer, in its unit; smaller ones are raised to it.
        key: Column of the data that names each row, where it has one: a row of the same key is the same row.
        observed: Column of the data that says since when a row is true, as an ISO date or time.
        groups: Choices by which a retrained model is judged apart: it must not do worse for any of them.
        settings: Node → settings among which retraining chooses on validation rows, each a mapping as
            scikit-learn's `set_params` takes it; `{}` is the node as it stands here.
        recipes: Nodes that a benchmark found → what `training.search.pipelines` makes them of; a task's file
            states none.
    """

    schema: TaskSchema
    answers: tuple[Answer, ...]
    nodes: Mapping[str, Callable[[], Model]]
    metric: Metric
    generate: Callable[[np.random.Generator], Columns] | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict)
    pinned: tuple[tuple[float, ...], ...] = ()
    floor: float | None = None
    key: str | None = None
    observed: str | None = None
    groups: tuple[str, ...] = ()
    settings: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.nodes:
            check_name("node", node)
        rules = {normalize("NFC", name): rule for name, rule in self.rules.items()}
        object.__setattr__(self, "rules", rules)
        # Headers are read in this Unicode form too.
        object.__setattr__(self, "key", self.key and normalize("NFC", self.key))
        object.__setattr__(self, "observed", self.observed and normalize("NFC", self.observed))
        object.__setattr__(self, "groups", tuple(normalize("NFC", name) for name in self.groups))
        unknown = set(self.rules) - self.schema.names
        if unknown:
            raise ConfigurationError(
                f"Task {self.name!r} has a rule for {min(unknown)!r}, which is no feature."
            )
        if not self.nodes or not self.answers:
            raise ConfigurationError(f"Task {self.name!r} needs a node and a column of answers.")
        choices = {feature.name for feature in self.schema.features if feature.choices}
        for group in self.groups:
            if group not in choices:
                raise ConfigurationError(f"Task {self.name!r} has the group {group!r}, which is no choice.")
        if set(self.settings) - set(self.nodes):
            raise ConfigurationError(
                f"Task {self.name!r} has settings for {min(set(self.settings) - set(self.nodes))!r}, "
                "which is no node."
            )

    @property
    def name(self) -> str:
        """The schema's name of the task."""
        return self.schema.task

    @property
    def models(self) -> tuple[str, ...]:
        """Registered names of the task's nodes, `<task>.<node>`."""
        return tuple(f"{self.name}.{node}" for node in self.nodes)

    def rule(self, feature: str) -> Rule:
        """What an empty cell of the feature becomes."""
        return self.rules.get(feature, Rule())
