"""Builds the unfitted pipeline that settings describe, pre-processing inside.

The same settings and seed build the same pipeline, for a worker, a later registration, or a
retraining that finds them with a registered version.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from concord.errors import TrainingError
from concord.tasks.schema import TaskSchema
from training.search.settings import ALGORITHM, SearchSettings
from training.task import Model, Task

OWN = {ALGORITHM, "columns", "degree", "one_hot", "width", "layers", "epochs", "seed"}
"""Settings that are not scikit-learn's own arguments."""


def build(task: Task, settings: SearchSettings, seed: int) -> Model:
    """The pipeline.

    Args:
        task: Its kind and columns.
        settings: As `space` declares them.
        seed: Of everything random in the fit.

    Raises:
        TrainingError: The settings name no algorithm of this kind of task.
    """
    regression = task.schema.is_regression
    makers = REGRESSORS if regression else CLASSIFIERS
    algorithm = str(settings[ALGORITHM])
    if algorithm not in makers:
        raise TrainingError(
            f"{task.name}: {algorithm!r} is no algorithm for it; there are {', '.join(makers)}."
        )
    steps = _columns(task.schema, settings)
    if settings.get("degree", 1) != 1:
        steps += [PolynomialFeatures(degree=settings["degree"], include_bias=False), StandardScaler()]
    arguments = {name: value for name, value in settings.items() if name not in OWN}
    model: Model = make_pipeline(*steps, makers[algorithm](settings, arguments, seed))
    return model


def _columns(schema: TaskSchema, settings: SearchSettings) -> list[Any]:
    codes = [place for place, feature in enumerate(schema.features) if feature.kind == "choice"]
    numbers = [place for place, feature in enumerate(schema.features) if feature.kind != "choice"]
    one_hot = bool(codes) and bool(settings.get("one_hot", True))
    view = _view(schema, str(settings["columns"]))
    if not codes or (not one_hot and not view):
        return view
    coded = (_one_hot(schema, codes), codes) if one_hot else ("passthrough", codes)
    numeric = (make_pipeline(*view) if view else "passthrough", numbers)
    return [make_column_transformer(*([numeric] if numbers else []), coded)]


def _view(schema: TaskSchema, columns: str) -> list[Any]:
    if columns == "raw":
        return []
    if columns == "scaled":
        return [StandardScaler()]
    numbers = [feature for feature in schema.features if feature.kind != "choice"]
    positive = all(feature.minimum is not None and feature.minimum > 0 for feature in numbers)
    # In float32 a power of 1e9 alone loses its digits; divided by their spread first, none.
    spread = [
        RobustScaler(with_centering=False),
        PowerTransformer("box-cox" if positive else "yeo-johnson"),
    ]
    return [*spread, PCA()] if columns == "rotated" else spread


def _one_hot(schema: TaskSchema, codes: list[int]) -> OneHotEncoder:
    categories = [[float(code) for code in range(len(schema.features[place].choices))] for place in codes]
    return OneHotEncoder(categories=categories, sparse_output=False)


Maker = Callable[[SearchSettings, dict[str, Any], int], Any]
"""Makes the last step of settings, scikit-learn's own arguments among them, and a seed."""


def _seeded(kind: Callable[..., Any], **fixed: Any) -> Maker:  # noqa: ANN401  scikit-learn's arguments
    return lambda _, arguments, seed: kind(**arguments, **fixed, random_state=seed)


def _plain(kind: Callable[..., Any]) -> Maker:
    return lambda _, arguments, _seed: kind(**arguments)


def _svm(_: SearchSettings, arguments: dict[str, Any], seed: int) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(SVC(**arguments, random_state=seed), ensemble=False)


def _network(kind: Callable[..., Any]) -> Maker:
    def make(settings: SearchSettings, arguments: dict[str, Any], seed: int) -> Any:  # noqa: ANN401  an estimator
        shape = (int(settings["width"] or 1),) * int(settings["layers"] or 1)
        epochs = settings["epochs"]
        # All epochs: a pause in the loss ends nothing.
        return kind(
            hidden_layer_sizes=shape,
            **arguments,
            max_iter=epochs,
            n_iter_no_change=epochs,
            batch_size=32,
            random_state=seed,
        )

    return make


CLASSIFIERS: Mapping[str, Maker] = {
    "logistic_regression": _seeded(LogisticRegression, max_iter=2000),
    "knn": _plain(KNeighborsClassifier),
    "svm": _svm,
    "decision_tree": _seeded(DecisionTreeClassifier),
    "random_forest": _seeded(RandomForestClassifier),
    "extra_trees": _seeded(ExtraTreesClassifier),
    "gradient_boosting": _seeded(GradientBoostingClassifier),
    "neural_network": _network(MLPClassifier),
    "naive_bayes": _plain(GaussianNB),
}
REGRESSORS: Mapping[str, Maker] = {
    "ridge": _plain(Ridge),
    "elastic_net": _seeded(ElasticNet, max_iter=5000),
    "knn": _plain(KNeighborsRegressor),
    "random_forest": _seeded(RandomForestRegressor),
    "extra_trees": _seeded(ExtraTreesRegressor),
    "gradient_boosting": _seeded(GradientBoostingRegressor),
    "neural_network": _network(MLPRegressor),
}
