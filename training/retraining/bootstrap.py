"""Confidence intervals of a difference between two models on the same rows.

The bootstrap of the percentiles, paired: rows are drawn with replacement, and both models are measured on
the same draw, so what makes a row hard for both cancels out (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 13). A draw is a count for each row, and every metric of `training.fitting.evaluate`
is computed from such counts for thousands of draws at once. Draws in which a metric is not defined, an area
under a curve without one of two classes, are left out.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.dataset import AnswerArray
from training.fitting.evaluate import Votes
from training.task import LOWER_IS_BETTER, Metric

RESAMPLES = 4000
"""Draws: the ends of a 95 % interval then rest on 100 draws each."""

LEVEL = 0.95

AT_ONCE = 4_000_000
"""Counts that are held at a time: 32 MB."""

DrawCounts = npt.NDArray[np.float64]
"""How often each row was drawn, of shape (draws, rows)."""

DrawMetrics = npt.NDArray[np.float64]
"""A metric of each draw, of shape (draws,)."""


@dataclass(frozen=True)
class ImprovementInterval:
    """How much better the challenger is, above 0 if it is.

    Attributes:
        estimate: On the rows as they are, in the metric's unit; of an error, by how much it is smaller.
        low: Lower end.
        high: Upper end.
    """

    estimate: float
    low: float
    high: float


def improvement(
    metric: Metric, champion: Votes, challenger: Votes, answers: AnswerArray, seed: int
) -> ImprovementInterval:
    """By how much the challenger is better, with its 95 % interval.

    Args:
        metric: What is measured.
        champion: Its votes, of shape (rows, classes) or (rows, 1).
        challenger: The other's, on the same rows.
        answers: What was true, of shape (rows,).
        seed: Of the draws.
    """
    random, rows = np.random.default_rng(seed), len(answers)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0

    def difference(counts: DrawCounts) -> DrawMetrics:
        after = measure(metric, challenger, answers, counts)
        return sign * (after - measure(metric, champion, answers, counts))

    chunk, differences = max(1, AT_ONCE // rows), []
    for start in range(0, RESAMPLES, chunk):
        draws = random.multinomial(rows, np.full(rows, 1 / rows), size=min(chunk, RESAMPLES - start))
        differences.append(difference(draws.astype(np.float64)))
    defined = np.concatenate(differences)
    defined, tail = defined[np.isfinite(defined)], (1 - LEVEL) / 2
    # Without a single draw there is no interval, and NaN is above no margin.
    low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (np.nan, np.nan)
    return ImprovementInterval(float(difference(np.ones((1, rows)))[0]), float(low), float(high))


def measure(metric: Metric, votes: Votes, answers: AnswerArray, counts: DrawCounts) -> DrawMetrics:
    """A metric of each draw; NaN where it is not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric in {"r2", "mae", "mse"}:
            return _of_values(metric, votes[:, 0], answers, counts)
        # As training.fitting.evaluate has it: float32 leaves a sum of 1 ± 1e-7.
        shares = votes / votes.sum(axis=1, keepdims=True)
        if metric == "roc_auc":
            places = [1] if shares.shape[1] == 2 else range(shares.shape[1])
            areas = np.array([_area(shares[:, place], answers == place, counts) for place in places])
            defined = np.isfinite(areas)
            return np.asarray(np.where(defined, areas, 0.0).sum(axis=0) / defined.sum(axis=0))
        if metric in {"precision", "recall", "f1"}:
            return _of_confusion(metric, votes, answers, counts)
        return _mean(_losses(metric, shares, answers), counts)


def _mean(values: npt.NDArray[np.float64], counts: DrawCounts) -> DrawMetrics:
    return np.asarray(counts @ values / counts.sum(axis=1))


def _of_values(metric: Metric, values: Votes, answers: AnswerArray, counts: DrawCounts) -> DrawMetrics:
    errors = values - answers
    if metric == "mae":
        return _mean(np.abs(errors), counts)
    squared = _mean(errors**2, counts)
    if metric == "mse":
        return squared
    # Around the mean of all rows, so that large amounts don't cancel each other's digits.
    centred = answers - answers.mean()
    spread = _mean(centred**2, counts) - _mean(centred, counts) ** 2
    return np.asarray(1 - squared / spread)


def _losses(metric: Metric, shares: Votes, answers: AnswerArray) -> npt.NDArray[np.float64]:
    if metric == "accuracy":
        return np.asarray((shares.argmax(axis=1) == answers).astype(np.float64))
    true_shares = shares[np.arange(len(answers)), answers]
    if metric == "log_loss":
        return np.asarray(-np.log(np.clip(true_shares, np.finfo(np.float64).eps, 1.0)))
    classes = shares.shape[1]
    squared = ((shares - np.eye(classes)[answers]) ** 2).sum(axis=1)
    return np.asarray(squared / (2 if classes == 2 else 1))


def _of_confusion(metric: Metric, votes: Votes, answers: AnswerArray, counts: DrawCounts) -> DrawMetrics:
    classes, predicted = votes.shape[1], votes.argmax(axis=1)
    values = []
    for place in [1] if classes == 2 else range(classes):
        is_predicted, is_true = predicted == place, answers == place
        hits = counts @ (is_predicted & is_true).astype(float)
        predictions, positives = counts @ is_predicted.astype(float), counts @ is_true.astype(float)
        total = {"precision": predictions, "recall": positives, "f1": (predictions + positives) / 2}[metric]
        values.append(np.where(total > 0, hits / total, 0.0))
    return np.asarray(np.mean(values, axis=0))


def _area(scores: npt.NDArray[np.float64], true: npt.NDArray[np.bool_], counts: DrawCounts) -> DrawMetrics:
    """Share of pairs of a true and a false row in which the true one scores higher; ties count half."""
    values, tie = np.unique(scores, return_inverse=True)
    order = np.argsort(tie, kind="stable")
    starts = np.searchsorted(tie[order], np.arange(len(values)))
    positive = np.add.reduceat(counts[:, order] * true[order], starts, axis=1)
    negative = np.add.reduceat(counts[:, order] * ~true[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.asarray((positive * (below + negative / 2)).sum(axis=1) / pairs)
