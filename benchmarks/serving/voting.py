"""How the gathering stacks vote: the label with the most weight behind it."""

from collections.abc import Sequence


def weighted_majority(choices: Sequence[int], weights: Sequence[float]) -> tuple[int, float]:
    """The class that most weight names, the lowest among equals, and its share of the weight."""
    behind: dict[int, float] = {}
    for choice, weight in zip(choices, weights, strict=True):
        behind[choice] = behind.get(choice, 0.0) + weight
    winner = min(behind, key=lambda k: (-behind[k], k))
    return winner, behind[winner] / sum(weights)
