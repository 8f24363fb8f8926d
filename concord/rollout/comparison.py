"""Compares champion and challenger by their scores on the same labelled rounds.

Of each round one paired difference is kept, in the order in which the labels came. Scores are those that
settlement uses (`concord.policies.scoring`); for a value σ is that of the phase's start. A round counts if
both versions answered it; the evidence names the versions, so rounds answered during a restart are left out.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from concord.journal.rows import JudgedRound
from concord.policies.scoring import brier, closeness, hit
from concord.policies.voting import PPM
from concord.rollout.confidence import mean_interval
from concord.settlement.evidence import read
from concord.types.models import ComparisonOutcome

LEAST_ROUNDS: Final = 30
"""Labelled rounds below which there is no verdict."""

MOST_ROUNDS: Final = 1_000_000
"""Labelled rounds that are read at most: half a minute of one core."""

Score = Literal["hit", "brier", "closeness"]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which votes are compared, and how they are scored.

    Attributes:
        node: The node that serves both versions.
        champion: The version that counts.
        challenger: The version beside it.
        score: The task's score.
        sigma: σ of a value in steps; None: the schema's usual error when a round was answered.
    """

    node: str
    champion: str
    challenger: str
    score: Score
    sigma: int | None = None


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The mean difference of two versions' scores on the same rounds, with its interval.

    Attributes:
        rounds: Rounds that both answered.
        champion: The champion's mean score; None without rounds, like the fields below.
        challenger: The challenger's mean score.
        difference: Challenger less champion.
        low: Lower end of the difference's interval.
        high: Upper end of the interval.
    """

    rounds: int
    champion: float | None = None
    challenger: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> ComparisonOutcome:
        """Whether the challenger is better, as far as the interval shows."""
        if self.rounds < LEAST_ROUNDS or self.low is None or self.high is None:
            return "too_few"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "undecided"


def compare(chunks: Iterable[Sequence[JudgedRound]], pairing: Pairing) -> PairedDifference:
    """Compares two versions on rounds in any order.

    A hundred thousand rounds take seconds; call it in a thread.

    Raises:
        LedgerBroken: The evidence of a round cannot be read.
    """
    differences, label_times, champion = array("d"), array("q"), 0
    for chunk in chunks:
        for round_ in chunk:
            scores = _score_pair(round_, pairing)
            if scores is not None:
                champion += scores[0]
                differences.append((scores[1] - scores[0]) / PPM)
                label_times.append(round_.label_time)
    n = len(differences)
    if not n:
        return PairedDifference(0)
    # Stable, so that labels of the same time stay in the order of their rounds.
    by_label_time = np.argsort(np.frombuffer(label_times, dtype="q"), kind="stable")
    ordered = np.frombuffer(differences)[by_label_time]
    mean, champion_mean = float(ordered.mean()), champion / PPM / n
    low, high = mean_interval(ordered)
    # The interval's centre weighs early rounds more; the interval is widened to contain the mean.
    return PairedDifference(n, champion_mean, champion_mean + mean, mean, min(low, mean), max(high, mean))


def _score_pair(round_: JudgedRound, pairing: Pairing) -> tuple[int, int] | None:
    """Scores of champion and challenger in ppm; None where one of the two did not answer."""
    evidence = read(round_.id, round_.evidence)
    champion = evidence.votes.get(pairing.node) or evidence.shadows.get(pairing.node)
    challenger = evidence.challengers.get(pairing.node)
    if champion is None or challenger is None or (evidence.scale is None) != (pairing.score != "closeness"):
        return None
    if (champion.version, challenger.version) != (pairing.champion, pairing.challenger):
        return None
    if evidence.scale is not None:
        sigma = max(1, evidence.scale if pairing.sigma is None else pairing.sigma)
        return (
            closeness(champion.counts[0], round_.label, sigma),
            closeness(challenger.counts[0], round_.label, sigma),
        )
    score = brier if pairing.score == "brier" else hit
    return score(champion.counts, round_.label), score(challenger.counts, round_.label)
