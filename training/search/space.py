"""Which algorithms are searched for a task, and within which settings.

An algorithm is here only if it converts to ONNX and answers the same there. Left out for that reason, tried
with skl2onnx 1.20: neighbours weighted by distance (probabilities differ by .16), histogram gradient
boosting (its classifier cannot be converted), and every transformation of the target. Ranges are those that
the algorithms' own literature and scikit-learn's guide use; they are wide, since looking is cheap.

How an algorithm sees the columns is a setting too: `columns` scaled linearly, `spread` by a power towards a
normal distribution, or for trees `raw`; `rotated` are the principal axes of the spread columns, in which
trees can cut along ratios of the original ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from optuna.distributions import BaseDistribution, CategoricalDistribution

from concord.tasks.schema import TaskSchema
from training.search.settings import (
    ALGORITHM,
    FloatRange,
    IntRange,
    OneOf,
    SearchSettings,
    Setting,
    SettingValue,
)

SMOOTH = OneOf(("spread", "scaled", "rotated"))
CUT = OneOf(("raw", "rotated"))
DEGREE = OneOf((1, 2))
"""2: squares and products of columns beside them."""

FOREST: Mapping[str, Setting] = {
    "columns": CUT,
    "n_estimators": IntRange(100, 50, 300, log=True),
    "min_samples_leaf": IntRange(3, 1, 30, log=True),
    "max_features": FloatRange(0.5, 0.2, 1.0, log=False),
}
BOOSTING: Mapping[str, Setting] = {
    "columns": CUT,
    "n_estimators": IntRange(100, 20, 400, log=True),
    "learning_rate": FloatRange(0.1, 0.01, 0.3),
    "max_depth": IntRange(2, 1, 6),
    "subsample": FloatRange(1.0, 0.4, 1.0, log=False),
    "min_samples_leaf": IntRange(1, 1, 30, log=True),
}
NETWORK: Mapping[str, Setting] = {
    "columns": SMOOTH,
    "width": IntRange(32, 8, 128, log=True),
    "layers": IntRange(1, 1, 2),
    "alpha": FloatRange(1e-2, 1e-5, 10.0),
    "learning_rate_init": FloatRange(3e-3, 5e-4, 3e-2),
    "epochs": IntRange(60, 20, 150, log=True),
}
NEIGHBOURS: Mapping[str, Setting] = {
    "columns": SMOOTH,
    "n_neighbors": IntRange(15, 1, 60, log=True),
    "p": OneOf((2, 1)),
}
CLASSIFICATION: Mapping[str, Mapping[str, Setting]] = {
    "logistic_regression": {
        "columns": SMOOTH,
        "degree": DEGREE,
        "C": FloatRange(1.0, 1e-3, 1e3),
    },
    "knn": NEIGHBOURS,
    "svm": {"columns": SMOOTH, "C": FloatRange(1.0, 0.1, 100.0), "gamma": FloatRange(0.25, 0.01, 1.0)},
    "decision_tree": {
        "columns": CUT,
        "max_depth": IntRange(6, 1, 16),
        "min_samples_leaf": IntRange(5, 1, 60, log=True),
        "criterion": OneOf(("gini", "entropy")),
    },
    "random_forest": FOREST,
    "extra_trees": FOREST,
    "gradient_boosting": BOOSTING,
    "neural_network": NETWORK,
    "naive_bayes": {"columns": SMOOTH, "var_smoothing": FloatRange(1e-9, 1e-12, 0.3)},
}
REGRESSION: Mapping[str, Mapping[str, Setting]] = {
    "ridge": {"columns": SMOOTH, "degree": DEGREE, "alpha": FloatRange(1.0, 1e-3, 1e4)},
    "elastic_net": {
        "columns": SMOOTH,
        "degree": DEGREE,
        "alpha": FloatRange(1.0, 1e-4, 1e3),
        "l1_ratio": FloatRange(0.5, 0.0, 1.0, log=False),
    },
    "knn": NEIGHBOURS,
    "random_forest": FOREST,
    "extra_trees": FOREST,
    "gradient_boosting": BOOSTING,
    "neural_network": NETWORK,
}


@dataclass(frozen=True)
class Space:
    """All that may be tried for one task.

    Attributes:
        algorithms: Algorithm → its settings.
    """

    algorithms: Mapping[str, Mapping[str, Setting]]

    @classmethod
    def of(cls, schema: TaskSchema) -> "Space":
        """The algorithms for a task of this kind; a choice among choices adds how they are coded."""
        algorithms = REGRESSION if schema.is_regression else CLASSIFICATION
        if not any(feature.kind == "choice" for feature in schema.features):
            return cls(algorithms)
        coded: Mapping[str, Setting] = {"one_hot": OneOf((True, False))}
        # Only trees may see a choice as its number; to all others numbers are distances.
        return cls(
            {name: {**own, **coded} if own["columns"] == CUT else own for name, own in algorithms.items()}
        )

    @cached_property
    def defaults(self) -> tuple[SearchSettings, ...]:
        """Each algorithm's first settings, which are tried before anything is searched."""
        return tuple(
            {ALGORITHM: name} | {setting: declared.default for setting, declared in own.items()}
            for name, own in self.algorithms.items()
        )

    def distributions(self, algorithm: str) -> dict[str, BaseDistribution]:
        """What the optimiser draws for an algorithm, by the optimiser's names: `knn.n_neighbors`."""
        own = self.algorithms[algorithm]
        return {ALGORITHM: CategoricalDistribution(tuple(self.algorithms))} | {
            f"{algorithm}.{name}": declared.distribution for name, declared in own.items()
        }

    def params(self, settings: SearchSettings) -> dict[str, SettingValue]:
        """Settings by the optimiser's names."""
        algorithm = str(settings[ALGORITHM])
        own = {f"{algorithm}.{name}": settings[name] for name in self.algorithms[algorithm]}
        return {ALGORITHM: algorithm} | own

    def settings(self, params: Mapping[str, SettingValue]) -> SearchSettings:
        """The optimiser's parameters as settings."""
        return {name.partition(".")[2] or name: value for name, value in params.items()}
