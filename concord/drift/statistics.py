"""How far two samples differ, and whether chance explains it: from counts alone, never from the rows.

Both samples are counted in the same ordered cells, so everything here takes two vectors of counts. The
formulas are the textbook's; a test holds each against SciPy, which the service itself does without.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from concord.tasks.profile import Counts

PSI_FLOOR: Final = 1e-4
"""Least share of a cell in the population stability index, whose logarithm an empty cell would make infinite.
The usual choice; shares are not scaled anew afterwards."""

LEAST_EXPECTED: Final = 5.0
"""Rows that a cell of either sample is expected to hold before χ² holds for it (Cochran's rule)."""


def population_stability_index(before: Counts, now: Counts) -> float:
    """Σ (q − p)·ln(q / p) over the cells' shares p before and q now, none taken as less than `PSI_FLOOR`.

    By custom below 0.1 is no change worth a word, and above 0.25 is a large one.

    >>> round(population_stability_index(np.array([50, 50]), np.array([50, 150])), 6)
    0.274653
    """
    p = np.maximum(before / before.sum(), PSI_FLOOR)
    q = np.maximum(now / now.sum(), PSI_FLOOR)
    return float(((q - p) * np.log(q / p)).sum())


def kolmogorov_smirnov(before: Counts, now: Counts) -> tuple[float, float]:
    """Statistic and p-value of the two-sample test, from counts in the same ordered cells.

    The statistic is exact if no cell holds two different values of one sample; else it is the largest
    distance at the cells' ends and may be too small, never too large. The p-value is that of Kolmogorov's
    limiting distribution at √(nm / (n + m))·D, which small samples and ties make larger than it had to be.

    >>> kolmogorov_smirnov(np.array([2, 2, 0]), np.array([0, 2, 2]))[0]
    0.5
    """
    n, m = int(before.sum()), int(now.sum())
    distance = float(np.abs(np.cumsum(before) / n - np.cumsum(now) / m).max())
    return distance, kolmogorov_survival(math.sqrt(n * m / (n + m)) * distance)


def chi_squared(before: Counts, now: Counts) -> tuple[float, int, float]:
    """Statistic, degrees of freedom and p-value of Pearson's test that two samples have the same shares.

    Cells that are too rare for the test are pooled into one (`pooled`).

    >>> statistic, freedom, p = chi_squared(np.array([30, 70]), np.array([50, 50]))
    >>> round(statistic, 6), freedom, round(p, 6)
    (8.333333, 1, 0.003892)
    """
    table = pooled(before, now)
    if table.shape[1] < 2:
        return 0.0, 0, 1.0
    expected = table.sum(axis=1, keepdims=True) * (table.sum(axis=0) / table.sum())
    statistic = float(((table - expected) ** 2 / expected).sum())
    freedom = table.shape[1] - 1
    return statistic, freedom, chi_squared_survival(statistic, freedom)


def pooled(before: Counts, now: Counts) -> Counts:
    """The table of both samples, of shape (2, cells), in which every expected count is large enough.

    Cells below `LEAST_EXPECTED` in either sample become one; if that one is still too small, it takes in
    the next smallest.
    """
    table = np.stack([before, now])
    totals = table.sum(axis=0)
    order = np.argsort(totals, kind="stable")
    sizes = table.sum(axis=1)
    least = LEAST_EXPECTED * sizes.sum() / max(1, sizes.min())
    rare = int((totals < least).sum())
    while rare and rare < len(order) and totals[order[:rare]].sum() < least:
        rare += 1
    if not rare:
        return table
    together = table[:, order[:rare]].sum(axis=1, keepdims=True)
    kept = table[:, np.sort(order[rare:])]
    return np.concatenate([kept, together], axis=1) if together.any() else kept


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: that each below α means an error of α at most in all of them together.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def kolmogorov_survival(x: float) -> float:
    """P(K > x) of Kolmogorov's limiting distribution.

    Its two series are the same function; each converges in a few terms on one side of 1.
    """
    if x <= 0.04:
        return 1.0  # The other term is below 1e-330 here.
    if x < 1:
        terms = (math.exp(-(((2 * k - 1) * math.pi / x) ** 2) / 8) for k in range(1, 8))
        return 1 - math.sqrt(2 * math.pi) / x * sum(terms)
    return 2 * math.fsum((-1.0) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 8))


def chi_squared_survival(x: float, freedom: int) -> float:
    """P(χ² > x): the regularised upper gamma function of half an integer, a finite sum of positive terms."""
    y = x / 2
    if y <= 0 or freedom < 1:
        return 1.0
    tail, first = (0.0, 0.0) if freedom % 2 == 0 else (math.erfc(math.sqrt(y)), 0.5)
    # yᵃ·e⁻ʸ / Γ(a + 1) by logarithms, since yᵃ alone may be larger than a float.
    steps = (first + k for k in range(freedom // 2))
    return min(1.0, tail + sum(math.exp(a * math.log(y) - y - math.lgamma(a + 1)) for a in steps))
