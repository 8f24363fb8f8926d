"""A confidence sequence of a mean: an interval that holds however often it is computed.

A plain 95 % interval that is computed every few minutes excludes zero by chance sooner or later. Of a
confidence sequence all intervals contain the mean at once, with probability 95 %. The price: at hundreds
of observations it is 1.5 to 2 times as wide, and it needs the observations in their order of arrival.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

LEVEL: Final = 0.05
"""Chance that the mean ever leaves the interval, on either side together."""

MOST_BET: Final = 0.5
"""c of the source: the largest weight of one observation; it recommends 1/2 or 3/4."""


def mean_interval(differences: npt.NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """The interval of the mean difference after the last observation.

    The predictable plug-in empirical-Bernstein confidence sequence of Waudby-Smith & Ramdas 2024 ("Estimating
    means of bounded random variables by betting", JRSS B 86, theorem 2), for X = (d + 1) / 2 in [0, 1]:

        Σ λᵢXᵢ / Σ λᵢ  ±  (log(2/α) + Σ vᵢ ψ(λᵢ)) / Σ λᵢ,   ψ(λ) = (−log(1 − λ) − λ) / 4,
        vᵢ = 4 (Xᵢ − μ̂ᵢ₋₁)²,   λᵢ = min(c, √(2 log(2/α) / (σ̂²ᵢ₋₁ i log(1 + i)))),
        μ̂ᵢ = (1/2 + Σ Xⱼ) / (i + 1),   σ̂²ᵢ = (1/4 + Σ (Xⱼ − μ̂ⱼ)²) / (i + 1)

    It assumes bounded values and a constant conditional mean; neither independence, nor a number of
    observations, nor a shape of their distribution. Where the mean moves, it bounds the weighted mean.

    Args:
        differences: In [−1, 1], shape (n,), in their order of arrival.
        level: α.

    Returns:
        Its ends, in [−1, 1]; (−1, 1) without observations.
    """
    n = len(differences)
    if not n:
        return -1.0, 1.0
    x = (np.asarray(differences, dtype=np.float64) + 1) / 2
    steps = np.arange(1, n + 1, dtype=np.float64)
    means = (0.5 + np.cumsum(x)) / (steps + 1)
    spread = (0.25 + np.cumsum((x - means) ** 2)) / (steps + 1)
    mean_before, spread_before = np.concatenate(([0.5], means[:-1])), np.concatenate(([0.25], spread[:-1]))
    weights = np.minimum(MOST_BET, np.sqrt(2 * np.log(2 / level) / (spread_before * steps * np.log1p(steps))))
    penalty = 4 * (x - mean_before) ** 2 * (-np.log1p(-weights) - weights) / 4
    total = weights.sum()
    centre, reach = (weights * x).sum() / total, (np.log(2 / level) + penalty.sum()) / total
    low, high = 2 * (centre - reach) - 1, 2 * (centre + reach) - 1
    return max(-1.0, float(low)), min(1.0, float(high))
