"""Five streams of rows with true answers and the outputs of honest nodes, made from a seed.

Outputs are those of models fitted on other rows; only the lone expert's stream has random votes instead, of
exact accuracies. No stream depends on the rule.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification, make_friedman1
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]
Truth = npt.NDArray[np.int64]

RESOLUTION: Final = 0.01
"""Step of the regression's values; its target spreads over some twenty units."""

FIT_ROWS: Final = 400
"""Rows that each model of a synthetic stream is fitted on."""

EXPERT: Final = 0.97
LAYMAN: Final = 0.6
SHARED: Final = 0.75
"""Of the lone expert's stream: accuracies, and how often a layman gives the laymen's shared answer."""


@dataclass(frozen=True)
class Stream:
    """A sequence of rows with their truth and the nodes' outputs.

    Attributes:
        name: Its name in the tables.
        classes: Number of classes; 0 for a value.
        truth: Class index, or value in steps of `RESOLUTION`, of shape (rounds,).
        outputs: Honest node → probabilities of shape (rounds, classes), or values of shape (rounds, 1).
        scale: Typical error in steps, where σ starts; 1 for classes.
        change: The first round of another concept; None where nothing changes.
    """

    name: str
    classes: int
    truth: Truth
    outputs: Mapping[str, Floats]
    scale: int = 1
    change: int | None = None

    @property
    def rounds(self) -> int:
        """Number of rows."""
        return len(self.truth)


@lru_cache(8)
def make(name: str, seed: int, rounds: int) -> Stream:
    """Makes a stream; the same seed and length give the same one.

    Args:
        name: A key of `STREAMS`.
        seed: Any number of 0 or more.
        rounds: Its length.
    """
    number = list(STREAMS).index(name)
    # The models are small, so more threads would only slow them down.
    with threadpool_limits(1):
        return STREAMS[name](np.random.default_rng([seed, number]), rounds)


def _iris(rng: np.random.Generator, rounds: int) -> Stream:
    """scikit-learn's Iris: rows drawn with replacement, each answered by models that were fitted without it.

    All 150 rows are held out once, in five folds; in one half a single row would weigh more than 0.01.
    """
    rows, labels = load_iris(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=_seed(rng))
    indices = rng.integers(len(rows), size=rounds)
    outputs = {
        name: cross_val_predict(model, rows, labels, cv=folds, method="predict_proba")[indices]
        for name, model in _classifiers(rng).items()
    }
    return Stream("iris", 3, labels[indices].astype(np.int64), outputs)


def _four(rng: np.random.Generator, rounds: int) -> Stream:
    """Four classes, two clusters each, in twelve features of which six are informative."""
    rows, labels = _clusters(rng, FIT_ROWS + rounds)
    models = _fit(_classifiers(rng), rows[:FIT_ROWS], labels[:FIT_ROWS])
    outputs = {name: model.predict_proba(rows[FIT_ROWS:]) for name, model in models.items()}
    return Stream("four classes", 4, labels[FIT_ROWS:], outputs)


def _concept(rng: np.random.Generator, rounds: int) -> Stream:
    """Four classes whose clusters change midway.

    Two nodes are fitted on the old concept, two on the new one, and one on rows of both.
    """
    before, after = _clusters(rng, FIT_ROWS + rounds), _clusters(rng, FIT_ROWS + rounds)
    half = FIT_ROWS // 2
    both = [np.concatenate([old[:half], new[half:FIT_ROWS]]) for old, new in zip(before, after, strict=True)]
    kinds = _classifiers(rng)
    models = {
        f"{when}_{kind}": _fit({kind: kinds[kind]}, rows[:FIT_ROWS], labels[:FIT_ROWS])[kind]
        for when, kind, (rows, labels) in (
            ("old", "knn", before),
            ("old", "forest", before),
            ("new", "forest", after),
            ("new", "knn", after),
            ("both", "forest", both),
        )
    }
    change = FIT_ROWS + rounds // 2
    rows, labels = (
        np.concatenate([old[FIT_ROWS:change], new[change:]]) for old, new in zip(before, after, strict=True)
    )
    outputs = {name: model.predict_proba(rows) for name, model in models.items()}
    return Stream("concept change", 4, labels.astype(np.int64), outputs, change=rounds // 2)


def _expert(rng: np.random.Generator, rounds: int) -> Stream:
    """Three classes; one node is right 97 times in 100, four others 60 times, with correlated errors.

    With probability `SHARED` a layman gives the answer that all laymen share.
    """
    truth = rng.integers(3, size=rounds)
    common = draw_votes(rng, truth, 3, LAYMAN)
    outputs = {"expert": draw_votes(rng, truth, 3, EXPERT)}
    for i in range(1, 5):
        individual, shares = draw_votes(rng, truth, 3, LAYMAN), rng.random(rounds) < SHARED
        outputs[f"layman_{i}"] = np.where(shares[:, None], common, individual)
    return Stream("lone expert", 3, truth, outputs)


def _regression(rng: np.random.Generator, rounds: int) -> Stream:
    """Friedman's first function with noise of 1, by four models of different kinds."""
    rows, values = make_friedman1(FIT_ROWS + rounds, n_features=10, noise=1.0, random_state=_seed(rng))
    kinds = {
        "forest": RandomForestRegressor(60, random_state=_seed(rng)),
        "knn": KNeighborsRegressor(7),
        "ridge": Ridge(),
        "tree": DecisionTreeRegressor(max_depth=6, random_state=_seed(rng)),
        "bag": RandomForestRegressor(30, max_depth=4, random_state=_seed(rng)),
    }
    models = _fit(kinds, rows[:FIT_ROWS], values[:FIT_ROWS])
    outputs = {name: model.predict(rows[FIT_ROWS:])[:, None] for name, model in models.items()}
    # As a trainer would state it: half the mean distance of an answer from their mean.
    scale = float(np.abs(values[:FIT_ROWS] - values[:FIT_ROWS].mean()).mean()) / 2
    truth = np.rint(values[FIT_ROWS:] / RESOLUTION).astype(np.int64)
    return Stream("regression", 0, truth, outputs, round(scale / RESOLUTION))


STREAMS: Final[Mapping[str, Callable[[np.random.Generator, int], Stream]]] = {
    "iris": _iris,
    "four": _four,
    "concept": _concept,
    "expert": _expert,
    "regression": _regression,
}


def prolong(stream: Stream, times: int) -> Stream:
    """A stream with each of its two concepts repeated so many times.

    Each node is right as often as in the short stream; only the time for labels to arrive is longer.
    """
    assert stream.change is not None
    before, after = np.arange(stream.change), np.arange(stream.change, stream.rounds)
    order = np.concatenate([np.tile(before, times), np.tile(after, times)])
    outputs = {node: votes[order] for node, votes in stream.outputs.items()}
    return replace(stream, truth=stream.truth[order], outputs=outputs, change=stream.change * times)


def draw_votes(rng: np.random.Generator, truth: Truth, classes: int, accuracy: float) -> Floats:
    """Random votes of a node with this accuracy; a wrong class is drawn evenly.

    The probability of the named class is drawn around the accuracy; the rest is spread evenly.
    """
    right = rng.random(len(truth)) < accuracy
    other = (truth + rng.integers(1, classes, size=len(truth))) % classes
    choices = np.where(right, truth, other)
    confidence = np.clip(rng.normal(accuracy, 0.08, size=len(truth)), 1.2 / classes, 1)
    votes = np.repeat(((1 - confidence) / (classes - 1))[:, None], classes, axis=1)
    votes[np.arange(len(truth)), choices] = confidence
    return votes


def _clusters(rng: np.random.Generator, rows: int) -> tuple[Floats, Truth]:
    features, labels = make_classification(
        rows,
        n_features=12,
        n_informative=6,
        n_redundant=2,
        n_classes=4,
        n_clusters_per_class=2,
        class_sep=1.5,
        random_state=_seed(rng),
    )
    return features, labels.astype(np.int64)


def _classifiers(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "bayes": GaussianNB(),
        "forest": RandomForestClassifier(60, random_state=_seed(rng)),
        "knn": KNeighborsClassifier(7),
        "logistic": LogisticRegression(max_iter=2000),
        "tree": DecisionTreeClassifier(max_depth=6, random_state=_seed(rng)),
    }


def _fit(kinds: Mapping[str, Any], rows: Floats, answers: npt.NDArray[Any]) -> dict[str, Any]:
    return {name: clone(model).fit(rows, answers) for name, model in kinds.items()}


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
