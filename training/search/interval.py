"""How far a mean over folds can be trusted.

The folds' training rows overlap, so their scores are not independent and the usual standard error is too
small. Nadeau and Bengio (2003), "Inference for the Generalization Error", Machine Learning 52, 239–281,
widen it: the variance of the mean of k scores with sample variance s² is taken as (1/k +
n_judged/n_learned)·s², and Student's t with k − 1 degrees of freedom does the rest. For k folds
n_judged/n_learned = 1/(k − 1).

Its limits: no unbiased estimate of that variance exists (Bengio and Grandvalet 2004, JMLR 5, 1089–1105), the
correction was made for random splits and is a rule of thumb for folds; five scores make a wide interval; and
it speaks of one model chosen beforehand. The best of many is better by luck too: what a winner is worth, its
held-out rows say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class FoldInterval:
    """A mean over folds, with its deviation and its interval at 95 %."""

    mean: float
    std: float
    low: float
    high: float


def fold_interval(scores: Sequence[float]) -> FoldInterval:
    """The corrected interval of the mean.

    Args:
        scores: One a fold, at least two.
    """
    count = len(scores)
    mean, std = float(np.mean(scores)), float(np.std(scores, ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * sqrt(1 / count + 1 / (count - 1)) * std
    return FoldInterval(mean, std, mean - half, mean + half)


def level_with(leader: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the folds leave open which of two is better: 0 lies in the interval of their differences."""
    difference = fold_interval(
        [score - other_score for score, other_score in zip(leader, other, strict=True)]
    )
    return difference.low <= 0 <= difference.high
