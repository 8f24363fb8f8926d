"""What the nodes are asked and what is true: five streams, made anew from each seed.

A stream is rows in time with their true answers, and what each honest node says to each of them, as
the probabilities (or the value) of a model that was fitted on other rows. Nothing here knows the
rule, and no stream is sorted, filtered or redrawn by what the rule makes of it. Only the lone
expert's stream has drawn votes instead of models, so that the accuracies are those that are named.
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
"""Size of a step of the regression's values; its target spreads over some twenty units."""

FIT_ROWS: Final = 400
"""Rows that each model of a synthetic stream is fitted on."""

EXPERT: Final = 0.97
LAYMAN: Final = 0.6
SHARED: Final = 0.75
"""The lone expert's stream: how often each is right, and how often laymen say the same."""


@dataclass(frozen=True)
class Stream:
    """Rows in time.

    Attributes:
        name: Its name in the tables.
        classes: How many classes there are; 0 for a value.
        truth: Class index, or value in steps of `RESOLUTION`, of shape (rounds,).
        says: Honest node → probabilities of shape (rounds, classes), or values of shape (rounds, 1).
        scale: Typical error in steps, where σ starts; 1 for classes.
        turn: The first round of another concept; None where nothing changes.
    """

    name: str
    classes: int
    truth: Truth
    says: Mapping[str, Floats]
    scale: int = 1
    turn: int | None = None

    @property
    def rounds(self) -> int:
        """How many rows it has."""
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
    # The models are small: threads of their own would only wait for one another.
    with threadpool_limits(1):
        return STREAMS[name](np.random.default_rng([seed, number]), rounds)


def _iris(rng: np.random.Generator, rounds: int) -> Stream:
    """scikit-learn's Iris: rows drawn with replacement, each answered by models that were fitted without it.

    All 150 rows are held out once, in five folds. One half alone would make of a single row more than
    the 0.01 that is judged.
    """
    rows, labels = load_iris(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=_number(rng))
    drawn = rng.integers(len(rows), size=rounds)
    says = {
        name: cross_val_predict(model, rows, labels, cv=folds, method="predict_proba")[drawn]
        for name, model in _kinds(rng).items()
    }
    return Stream("iris", 3, labels[drawn].astype(np.int64), says)


def _four(rng: np.random.Generator, rounds: int) -> Stream:
    """Four classes, two clusters each, in twelve features of which six tell something."""
    rows, labels = _clusters(rng, FIT_ROWS + rounds)
    models = _fitted(_kinds(rng), rows[:FIT_ROWS], labels[:FIT_ROWS])
    says = {name: model.predict_proba(rows[FIT_ROWS:]) for name, model in models.items()}
    return Stream("four classes", 4, labels[FIT_ROWS:], says)


def _concept(rng: np.random.Generator, rounds: int) -> Stream:
    """The same, and midway the clusters change places for good.

    Two nodes were fitted on the old concept, two on the new one, and one, a generalist, on rows of both.
    """
    before, after = _clusters(rng, FIT_ROWS + rounds), _clusters(rng, FIT_ROWS + rounds)
    half = FIT_ROWS // 2
    both = [np.concatenate([old[:half], new[half:FIT_ROWS]]) for old, new in zip(before, after, strict=True)]
    kinds = _kinds(rng)
    models = {
        f"{when}_{kind}": _fitted({kind: kinds[kind]}, rows[:FIT_ROWS], labels[:FIT_ROWS])[kind]
        for when, kind, (rows, labels) in (
            ("old", "knn", before),
            ("old", "forest", before),
            ("new", "forest", after),
            ("new", "knn", after),
            ("both", "forest", both),
        )
    }
    turn = FIT_ROWS + rounds // 2
    rows, labels = (
        np.concatenate([old[FIT_ROWS:turn], new[turn:]]) for old, new in zip(before, after, strict=True)
    )
    says = {name: model.predict_proba(rows) for name, model in models.items()}
    return Stream("concept change", 4, labels.astype(np.int64), says, turn=rounds // 2)


def _expert(rng: np.random.Generator, rounds: int) -> Stream:
    """Three classes; one node is right 97 times in 100, four others 60 times, and those err together.

    Three times in four a layman says what all laymen hold: they have read the same few columns.
    """
    truth = rng.integers(3, size=rounds)
    held = drawn(rng, truth, 3, LAYMAN)
    says = {"expert": drawn(rng, truth, 3, EXPERT)}
    for i in range(1, 5):
        own, shares = drawn(rng, truth, 3, LAYMAN), rng.random(rounds) < SHARED
        says[f"layman_{i}"] = np.where(shares[:, None], held, own)
    return Stream("lone expert", 3, truth, says)


def _value(rng: np.random.Generator, rounds: int) -> Stream:
    """Friedman's first function with noise of 1, by four models of different kinds."""
    rows, values = make_friedman1(FIT_ROWS + rounds, n_features=10, noise=1.0, random_state=_number(rng))
    kinds = {
        "forest": RandomForestRegressor(60, random_state=_number(rng)),
        "knn": KNeighborsRegressor(7),
        "ridge": Ridge(),
        "tree": DecisionTreeRegressor(max_depth=6, random_state=_number(rng)),
        "bag": RandomForestRegressor(30, max_depth=4, random_state=_number(rng)),
    }
    models = _fitted(kinds, rows[:FIT_ROWS], values[:FIT_ROWS])
    says = {name: model.predict(rows[FIT_ROWS:])[:, None] for name, model in models.items()}
    # What a trainer would state: the usual distance of an answer from the mean, halved by a fair model.
    scale = float(np.abs(values[:FIT_ROWS] - values[:FIT_ROWS].mean()).mean()) / 2
    truth = np.rint(values[FIT_ROWS:] / RESOLUTION).astype(np.int64)
    return Stream("regression", 0, truth, says, round(scale / RESOLUTION))


STREAMS: Final[Mapping[str, Callable[[np.random.Generator, int], Stream]]] = {
    "iris": _iris,
    "four": _four,
    "concept": _concept,
    "expert": _expert,
    "regression": _value,
}


def prolonged(stream: Stream, times: int) -> Stream:
    """What comes before the turn so many times over, then what comes after it as many times.

    Each node is right as often as in the short stream, so the best node and all that could be gained stay
    the same. Only the time is longer that a label has to come in. The rule remembers no rows.
    """
    assert stream.turn is not None
    before, after = np.arange(stream.turn), np.arange(stream.turn, stream.rounds)
    order = np.concatenate([np.tile(before, times), np.tile(after, times)])
    says = {node: votes[order] for node, votes in stream.says.items()}
    return replace(stream, truth=stream.truth[order], says=says, turn=stream.turn * times)


def drawn(rng: np.random.Generator, truth: Truth, classes: int, accuracy: float) -> Floats:
    """Votes of a node that names the true class this often and another by chance, surer when right.

    Its probability for the class that it names is drawn around its accuracy; the rest is spread evenly.
    """
    right = rng.random(len(truth)) < accuracy
    other = (truth + rng.integers(1, classes, size=len(truth))) % classes
    named = np.where(right, truth, other)
    sure = np.clip(rng.normal(accuracy, 0.08, size=len(truth)), 1.2 / classes, 1)
    votes = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    votes[np.arange(len(truth)), named] = sure
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
        random_state=_number(rng),
    )
    return features, labels.astype(np.int64)


def _kinds(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "bayes": GaussianNB(),
        "forest": RandomForestClassifier(60, random_state=_number(rng)),
        "knn": KNeighborsClassifier(7),
        "logistic": LogisticRegression(max_iter=2000),
        "tree": DecisionTreeClassifier(max_depth=6, random_state=_number(rng)),
    }


def _fitted(kinds: Mapping[str, Any], rows: Floats, answers: npt.NDArray[Any]) -> dict[str, Any]:
    return {name: clone(model).fit(rows, answers) for name, model in kinds.items()}


def _number(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
