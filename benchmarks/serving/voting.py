"""Weighted majority vote of the gather stacks."""

from collections.abc import Sequence


def weighted_majority(choices: Sequence[int], weights: Sequence[float]) -> tuple[int, float]:
    """The class with the most weight, the lowest among equals, and its share of the weight."""
    support: dict[int, float] = {}
    for choice, weight in zip(choices, weights, strict=True):
        support[choice] = support.get(choice, 0.0) + weight
    winner = min(support, key=lambda label: (-support[label], label))
    return winner, support[winner] / sum(weights)
