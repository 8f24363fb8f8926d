"""Scores of votes against the true label or value, and their faded sums: integers in ppm.

Sums fade by 1 % a labelled round, so the last hundred rounds or so make most of a record.
Sources: quadratic score, Brier 1950 and Gneiting & Raftery 2007; the constants, `consensus.md` section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from concord.policies.voting import PPM

FIRST_SCORE: Final = 14 * PPM
FIRST_ANSWERED: Final = 20 * PPM
"""A version starts as if it had scored 0.7 in each of twenty rounds."""

ALLOWED_REGRET: Final = 200_000
"""Regret (ppm a round) that is forgiven: a node may always be that much worse than the mean."""

SIGMAS: Final = 3
"""A value that misses by three times the usual error scores 0."""


def hit(vote: Sequence[int], label: int) -> int:
    """Score `hit` in ppm: 1 if the lowest class with the highest probability is the label, else 0."""
    return PPM if vote.index(max(vote)) == label else 0


def brier(vote: Sequence[int], label: int) -> int:
    """Quadratic score 1 − ½‖p − e‖² in ppm, of probabilities p in ppm; e is 1 at the label."""
    distance = sum([(p - (PPM if k == label else 0)) ** 2 for k, p in enumerate(vote)])
    if label >= len(vote):
        # A class that did not exist yet when the round was answered: its probability was 0.
        distance += PPM * PPM
    return (2 * PPM * PPM - distance) // (2 * PPM)


def closeness(value: int, truth: int, sigma: int) -> int:
    """Score of a value v in ppm: 1 − min(3σ, |v − y|) / 3σ; value and truth y in steps of the resolution."""
    reach = SIGMAS * sigma
    return PPM - PPM * min(reach, abs(value - truth)) // reach


def faded(total: int, rounds: int) -> int:
    """A sum faded over n more rounds: ⌊total · 0.99ⁿ⌋, exactly."""
    return total * cast("int", 99**rounds) // cast("int", 100**rounds)


def next_sigma(sigma: int, error: int, rounds: int) -> int:
    """The usual error after a block: σ moves to the block's mean error by 2 % a round, and stays ≥ 1.

    Args:
        sigma: σ before the block, in steps of the resolution.
        error: Mean over the block of the stake-weighted median error, in the same steps.
        rounds: Labelled rounds of the block.
    """
    kept, whole = cast("int", 49**rounds), cast("int", 50**rounds)
    return max(1, (sigma * kept + error * (whole - kept)) // whole)


def next_regret(regret: int, gained: int, rounds: int) -> int:
    """Regret after a block: plus what the node lost against the mean, less what is forgiven; at least 0."""
    return max(0, regret + gained - ALLOWED_REGRET * rounds)


@dataclass(frozen=True, slots=True)
class Trial:
    """The record of a challenger: a version that answers beside the one that counts.

    Attributes:
        version: Version in the registry.
        rounds: Labelled rounds that it answered.
        score: A, its faded sum of scores in ppm.
        answered: N, the faded number of rounds, in ppm.
    """

    version: str
    rounds: int = 0
    score: int = FIRST_SCORE
    answered: int = FIRST_ANSWERED

    @property
    def skill(self) -> int:
        """Mean score in ppm."""
        return PPM * self.score // self.answered

    def after(self, rounds: int, score: int) -> "Trial":
        """The record after more rounds, with the sum of their scores."""
        return Trial(
            self.version,
            self.rounds + rounds,
            faded(self.score, rounds) + score,
            faded(self.answered, rounds) + rounds * PPM,
        )
