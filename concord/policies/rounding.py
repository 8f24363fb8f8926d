"""Apportionment: splitting whole units by exact shares, so that the parts add up to the whole.

The method of largest remainder (Hamilton): every share is floored, and the units left over go to the largest
fractional parts. Integers only.
"""

from collections.abc import Sequence


def apportion(numerators: Sequence[int], denominator: int) -> list[int]:
    """Rounds `numerators[i] / denominator` to integers that keep the exact sum.

    Args:
        numerators: Numerators of the shares, of either sign; their sum is a multiple of the denominator.
        denominator: The common denominator, above 0.

    Returns:
        One integer per share, each within 1 of its exact value. Among equal remainders the earlier
        share gets the unit, so the order of the shares decides ties.

    Raises:
        ValueError: The sum of the shares is no whole number.

    >>> apportion([1, 1, 1], 3)
    [1, 0, 0]
    >>> apportion([-1, -1, 2], 2)
    [0, -1, 1]
    """
    whole, rest = divmod(sum(numerators), denominator)
    if rest:
        raise ValueError("The shares do not add up to a whole number.")
    floors = [numerator // denominator for numerator in numerators]
    left = whole - sum(floors)
    if left:
        by_remainder = sorted(range(len(numerators)), key=lambda i: -(numerators[i] % denominator))
        for i in by_remainder[:left]:
            floors[i] += 1
    return floors


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Splits `total` in proportion to non-negative weights, not all of them 0.

    >>> split(1_000_000, [1, 1, 1])
    [333334, 333333, 333333]
    """
    return apportion([total * weight for weight in weights], sum(weights))
