"""Champion against challenger: the scores of both on the same labelled rounds, and what may be said of them.

Rounds come from the journal in chunks, and of each pair of votes one difference stays, sixteen bytes with
the time of its label, in whose order the differences became known. Each is scored as the task's nodes are
(`concord.policies.scoring`), a value by the σ of when the phase began, so that what was seen once does not change.
Which rounds count is told by the versions in the evidence: those that one of the two did not answer, or
that a pod with other versions did while a roll-out was under way, are left out.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from concord.journal import JudgedRound
from concord.policies.scoring import brier, closeness, hit
from concord.policies.voting import PPM
from concord.rollout.confidence import mean_interval
from concord.settlement.evidence import read
from concord.types.models import ComparisonOutcome

LEAST_ROUNDS: Final = 30
"""Labelled rounds before which nothing is said, whatever they show."""

MOST_ROUNDS: Final = 1_000_000
"""Labelled rounds that are looked at: half a minute of one core."""

Score = Literal["hit", "brier", "closeness"]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which votes are compared, and how they are scored.

    Attributes:
        node: Whose versions they are.
        champion: The version that counts.
        challenger: The version beside it.
        score: The task's.
        sigma: For a value: its usual error in steps; None: what the schema stated when a round was answered.
    """

    node: str
    champion: str
    challenger: str
    score: Score
    sigma: int | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What the rounds show.

    Attributes:
        rounds: How many both answered.
        champion: Its mean score; None without rounds, as all that follows.
        challenger: The same of the other.
        difference: Challenger less champion.
        low: Lower end of the difference's interval.
        high: Its upper end.
    """

    rounds: int
    champion: float | None = None
    challenger: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> ComparisonOutcome:
        """What may be said of the challenger."""
        if self.rounds < LEAST_ROUNDS or self.low is None or self.high is None:
            return "too_few"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "undecided"


def compare(chunks: Iterable[Sequence[JudgedRound]], pairing: Pairing) -> Compared:
    """Compares two versions on rounds in any order; seconds for hundred thousands, so call it in a thread.

    Raises:
        LedgerBroken: The evidence of a round cannot be read.
    """
    differences, labelled, champion = array("d"), array("q"), 0
    for chunk in chunks:
        for one in chunk:
            scores = _scores(one, pairing)
            if scores is not None:
                champion += scores[0]
                differences.append((scores[1] - scores[0]) / PPM)
                labelled.append(one.label_time)
    n = len(differences)
    if not n:
        return Compared(0)
    # Of labels that came together, in the order of their rounds.
    known = np.frombuffer(differences)[np.argsort(np.frombuffer(labelled, dtype="q"), kind="stable")]
    mean, first = float(known.mean()), champion / PPM / n
    low, high = mean_interval(known)
    # The interval's centre weighs early rounds more; it is only ever made wider here.
    return Compared(n, first, first + mean, mean, min(low, mean), max(high, mean))


def _scores(one: JudgedRound, pairing: Pairing) -> tuple[int, int] | None:
    """Scores of champion and challenger in ppm; None where one of the two did not answer."""
    evidence = read(one.id, one.evidence)
    voted = evidence.votes.get(pairing.node) or evidence.shadows.get(pairing.node)
    tried = evidence.challengers.get(pairing.node)
    if voted is None or tried is None or (evidence.scale is None) != (pairing.score != "closeness"):
        return None
    if (voted.version, tried.version) != (pairing.champion, pairing.challenger):
        return None
    if evidence.scale is not None:
        sigma = max(1, evidence.scale if pairing.sigma is None else pairing.sigma)
        return (
            closeness(voted.counts[0], one.label, sigma),
            closeness(tried.counts[0], one.label, sigma),
        )
    score = brier if pairing.score == "brier" else hit
    return score(voted.counts, one.label), score(tried.counts, one.label)
