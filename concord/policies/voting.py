"""Pooling votes into one answer, under the policies `seed` and `wager`.

Pure functions over integers (`consensus.md` sections 1 and 2): probabilities and weights in ppm that sum to
exactly 1,000,000, values as counts of the task's resolution. `read_probabilities` and `read_values` turn a
node's floats into integers; nothing after them uses floats, so equal votes give equal answers on any machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle
from operator import mul
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

PPM = 1_000_000
"""One, in parts per million."""

SUM_TOLERANCE = 0.001
"""How far a node's probabilities may miss a sum of 1 and still be a vote."""

WARM_LABELS = 20
"""Labelled rounds of a task from which on skill weighs and the linear pool answers: as many as a new node is
on probation for. With 50 a single expert gains its weight too late: docs/consensus.md shows both."""

MINIMUM_PEERS = 2
"""Voters from which on a newcomer has a peer whose weight limits its own."""

CAP = 600_000
"""Largest weight (ppm) of one node while another has any."""

FEW_ROWS = 4
FEW_CLASSES = 7
"""Up to this size a plain loop is faster than numpy; both add in the same order, so the results are equal."""

VALUE_LIMIT = 1 << 53
"""A float holds smaller counts exactly; a value beyond is no valid vote."""

Weight = TypeVar("Weight", int, float)

Method = Literal["weighted_mean", "weighted_median", "stake_mean", "linear"]


@dataclass(frozen=True, slots=True)
class Voter:
    """A node as the vote weighs it, at one height of the ledger.

    Attributes:
        node: Its name.
        stake: In µS.
        deposit: In µS.
        accuracy: As stated when its account was opened, in ppm.
        skill: Mean score in ppm.
        counts: Whether its vote counts. A non-voter is at most asked; the rules here expect voters only.
        version: The version that it serves.
        is_newcomer: Whether that version has too few labelled rounds to weigh more than its peers.
    """

    node: str
    stake: int
    deposit: int
    accuracy: int = 0
    skill: int = 700_000
    counts: bool = True
    version: str | None = None
    is_newcomer: bool = False


class PooledAnswer(NamedTuple):
    """The answer to one row, and how it came about.

    Attributes:
        answer: Class index, or value in steps of the resolution.
        weights: Per voter, in ppm; sums to 1,000,000.
        choices: Per voter, its most probable class; empty for values.
        agreement: Weight (ppm) of the voters with the same answer; for values, of those within σ of it.
        method: How the votes were pooled.
        pooled: Per class, in ppm; None for a value.
        mean: Numerator and denominator of the weighted mean of class numbers, under `seed`.
    """

    answer: int
    weights: tuple[int, ...]
    choices: tuple[int, ...]
    agreement: int
    method: Method
    pooled: tuple[int, ...] | None = None
    mean: tuple[int, int] | None = None


def read_probabilities(
    answers: npt.NDArray[np.floating],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Turns a node's probabilities into ppm by largest remainder.

    Args:
        answers: Shape (rows, classes).

    Returns:
        ppm of shape (rows, classes), and which rows are valid votes: finite, none below 0, their
        sum within 0.001 of 1. Invalid rows hold zeros.
    """
    if len(answers) <= FEW_ROWS and answers.shape[1] <= FEW_CLASSES:
        return _read_few(answers.tolist())
    shares = answers.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = shares.sum(axis=1)
        # A NaN or an infinity fails both comparisons.
        valid = (shares.min(axis=1) >= 0) & (np.abs(sums - 1) <= SUM_TOLERANCE)
    if not valid.all():
        shares, sums = np.where(valid[:, None], shares, 0), np.where(valid, sums, 1)
    exact = shares / sums[:, None] * PPM
    floors = np.floor(exact)
    missing = np.where(valid, PPM - floors.sum(axis=1), 0)
    if not missing.any():
        return floors.astype(np.int64), valid
    ranks = np.argsort(np.argsort(floors - exact, axis=1, kind="stable"), axis=1, kind="stable")
    return (floors + (ranks < missing[:, None])).astype(np.int64), valid


def _read_few(rows: list[list[float]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    ppm = [_read_row(row) for row in rows]
    counts = [row if row is not None else [0] * len(rows[0]) for row in ppm]
    return np.array(counts, dtype=np.int64), np.array([row is not None for row in ppm])


def _read_row(row: list[float]) -> list[int] | None:
    total = sum(row)
    # A NaN or an infinity fails both comparisons.
    if not (abs(total - 1) <= SUM_TOLERANCE and min(row) >= 0):
        return None
    exact = [share / total * PPM for share in row]
    counts = [int(share) for share in exact]
    missing = PPM - sum(counts)
    if missing:
        by_remainder = sorted(range(len(row)), key=lambda k: counts[k] - exact[k])
        for k in by_remainder[:missing]:
            counts[k] += 1
    return counts


def read_values(
    answers: npt.NDArray[np.floating], resolution: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Turns a node's values into counts of `resolution`.

    Args:
        answers: Shape (rows, 1).
        resolution: Size of one step, in the value's unit.

    Returns:
        Counts of shape (rows, 1), half to even, and which rows are finite. Invalid rows hold zeros.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        counts = np.rint(answers.astype(np.float64) / resolution)
        valid: npt.NDArray[np.bool_] = np.all(np.abs(counts) < VALUE_LIMIT, axis=1)
    return np.where(valid[:, None], counts, 0).astype(np.int64), valid


def one_hot(label: int, classes: int) -> list[int]:
    """The vote in ppm of a node that answers with a class and no probabilities."""
    return [PPM if k == label else 0 for k in range(classes)]


def argmax(pooled: Sequence[int]) -> int:
    """Index of the largest; the lowest among equals."""
    return pooled.index(max(pooled))


def seed(voters: Sequence[Voter], votes: Sequence[Sequence[int]]) -> PooledAnswer:
    """Pools votes under `seed`: the weighted mean of class numbers, rounded half to even.

    Args:
        voters: The voters, sorted by node.
        votes: Their probabilities in ppm, in the same order.

    Source: `consensus.md` section 1.
    """
    classes = tuple(argmax(vote) for vote in votes)
    raw = [voter.accuracy * voter.stake for voter in voters]
    if not any(raw):
        raw = [1] * len(voters)
    numerator, denominator = sum(w * k for w, k in zip(raw, classes, strict=True)), sum(raw)
    answer = _round_half_even(numerator, denominator)
    weights = split(PPM, raw)
    pooled = [0] * len(votes[0])
    for weight, k in zip(weights, classes, strict=True):
        pooled[k] += weight
    mean = (numerator, denominator)
    return PooledAnswer(answer, tuple(weights), classes, pooled[answer], "weighted_mean", tuple(pooled), mean)


def wager(
    voters: Sequence[Voter], votes: Sequence[Sequence[int]], labelled: int = 0, warm: int = WARM_LABELS
) -> PooledAnswer:
    """Pools the votes of a classification under `wager`.

    Args:
        voters: The voters, sorted by node.
        votes: Their probabilities in ppm, in the same order.
        labelled: Labelled rounds of the task so far.
        warm: Below so many of them each class gets the lower stake-weighted median of its
            probabilities; from then on the linear opinion pool gives the answer.

    Source: `consensus.md` section 2, "Answering".
    """
    stakes = vote_stakes(voters)
    if labelled < warm:
        weights, (pooled, method) = _shares(stakes), _median_pool(stakes, votes)
    else:
        weights, method = skill_weights(voters), "linear"
        pooled = apportion([sum(map(mul, weights, column)) for column in zip(*votes, strict=True)], PPM)
    choices = tuple([argmax(vote) for vote in votes])
    answer = _argmax_by_stake(pooled, choices, stakes)
    agreement = sum([w for w, k in zip(weights, choices, strict=True) if k == answer])
    return PooledAnswer(answer, weights, choices, agreement, method, tuple(pooled))


def wager_value(
    voters: Sequence[Voter], values: Sequence[int], sigma: int, labelled: int = 0, warm: int = WARM_LABELS
) -> PooledAnswer:
    """Pools the values of a regression under `wager`: their lower weighted median.

    Args:
        voters: The voters, sorted by node.
        values: Their values in steps of the resolution.
        sigma: The task's usual error, in the same steps; agreement counts the voters within it.
        labelled: Labelled rounds of the task so far.
        warm: Below so many of them the weights are the stakes alone.
    """
    stakes = vote_stakes(voters)
    # The median is taken over the exact stakes: weights in ppm would let the order of names decide a tie.
    weights, exact = (_shares(stakes), stakes) if labelled < warm else 2 * (skill_weights(voters),)
    answer = lower_median(values, exact)
    agreement = sum(w for w, v in zip(weights, values, strict=True) if abs(v - answer) <= sigma)
    return PooledAnswer(answer, weights, (), agreement, "weighted_median")


def skill_weights(voters: Sequence[Voter]) -> tuple[int, ...]:
    """Weights (ppm) by stake and skill: S·g, g = (1 − (max b − b))⁸ with the skill b.

    A newcomer weighs at most the lower median of the other voters' weights. A weight above `CAP` is cut to
    it while another voter has any; the others share the rest.
    """
    newcomers = tuple([i for i, voter in enumerate(voters) if voter.is_newcomer])
    return _skill_shares(vote_stakes(voters), tuple([voter.skill for voter in voters]), newcomers)


@lru_cache(1024)
def _skill_shares(
    stakes: tuple[int, ...], skills: tuple[int, ...], newcomers: tuple[int, ...]
) -> tuple[int, ...]:
    """`skill_weights`, computed once for each block and set of voters; newcomers by their places."""
    best = max(skills)
    raw = [stake * _eighth_power(PPM - (best - skill)) for stake, skill in zip(stakes, skills, strict=True)]
    raw = limit_newcomers(raw, newcomers)
    if not any(raw):
        # Every voter with stake lags too far behind one without stake, or the peers of newcomers have none.
        raw = limit_newcomers(stakes, newcomers)
    raw = raw if any(raw) else [1] * len(stakes)
    total, first = sum(raw), raw.index(max(raw))
    others = [0 if i == first else weight for i, weight in enumerate(raw)]
    if raw[first] * PPM <= total * CAP or not any(others):
        return tuple(_split_below(PPM, raw, newcomers))
    weights = _split_below(PPM - CAP, others, newcomers)
    # What is left for it by rounding a newcomer may not have: less than a ppm each.
    weights[first] = PPM - sum(weights)
    return tuple(weights)


def limit_newcomers(raw: Sequence[Weight], newcomers: Sequence[int]) -> list[Weight]:
    """Cuts each newcomer's weight to the lower median of the other voters' weights.

    With n weights in ascending order w₀ … wₙ₋₁ and m = ⌊(n − 2) / 2⌋ the lower median of all but one is wₘ
    for a weight above it. Cutting weights above wₘ to wₘ leaves wₘ as it is, so one step cuts all newcomers,
    in no order. Weights are relative, so what is cut goes to the other voters in proportion.

    Args:
        raw: Weights, relative to one another.
        newcomers: The newcomers' places; a single voter has no peers and keeps its weight.

    >>> limit_newcomers([10, 4, 5, 6], newcomers=[0])
    [5, 4, 5, 6]
    """
    if not newcomers or len(raw) < MINIMUM_PEERS:
        return list(raw)
    most = sorted(raw)[(len(raw) - 2) // 2]
    limited = list(raw)
    for i in newcomers:
        limited[i] = min(limited[i], most)
    return limited


def _split_below(total: int, weights: Sequence[int], newcomers: Sequence[int]) -> list[int]:
    """`split` with newcomers' shares floored: a unit more could lift one above the median of its peers.

    The units go to the other voters with weight, or remain where there are none; where all with weight
    are newcomers one of equals may have 1 ppm more than the others.
    """
    if not newcomers:
        return split(total, weights)
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    proven = [i for i, weight in enumerate(weights) if weight and i not in newcomers]
    by_remainder = sorted(proven, key=lambda i: -(total * weights[i] % whole))
    for _, i in zip(range(total - sum(shares)), cycle(by_remainder), strict=False):
        shares[i] += 1
    return shares if proven or total < PPM else split(total, weights)


def lower_median(values: Sequence[int], weights: Sequence[int]) -> int:
    """The smallest value up to which at least half of the weight lies."""
    total, below = sum(weights), 0
    for value, weight in sorted(zip(values, weights, strict=True)):
        below += weight
        if 2 * below >= total:
            return value
    raise ValueError("A median needs at least one value.")


def apportion(numerators: Sequence[int], denominator: int) -> list[int]:
    """Rounds `numerators[i] / denominator` to integers that keep the exact sum (Hamilton's method).

    Every share is floored, and the units left over go to the largest remainders.

    Args:
        numerators: Numerators of the shares, of either sign; their sum is a multiple of the denominator.
        denominator: The common denominator, above 0.

    Returns:
        One integer per share, each within 1 of its exact value. Among equal remainders the earlier
        share gets the unit, so callers list shares in the order in which ties shall fall.

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


def stake_weights(voters: Sequence[Voter]) -> tuple[int, ...]:
    """Weights (ppm) by stake alone, as long as labels are few."""
    return _shares(vote_stakes(voters))


@lru_cache(1024)
def _shares(stakes: tuple[int, ...]) -> tuple[int, ...]:
    """Weights (ppm) by stake alone."""
    return tuple(split(PPM, stakes))


def _median_pool(stakes: Sequence[int], votes: Sequence[Sequence[int]]) -> tuple[list[int], Method]:
    medians = [lower_median(column, stakes) for column in zip(*votes, strict=True)]
    if any(medians):
        return split(PPM, medians), "weighted_median"
    total = sum(stakes)
    means = [sum(s * p for s, p in zip(stakes, column, strict=True)) for column in zip(*votes, strict=True)]
    return apportion(means, total), "stake_mean"


def _argmax_by_stake(pooled: Sequence[int], choices: Sequence[int], stakes: Sequence[int]) -> int:
    top = max(pooled)
    if pooled.count(top) == 1:
        return pooled.index(top)
    tied = [k for k, share in enumerate(pooled) if share == top]
    behind = {k: sum(s for s, choice in zip(stakes, choices, strict=True) if choice == k) for k in tied}
    return max(tied, key=lambda k: (behind[k], -k))


def vote_stakes(voters: Sequence[Voter]) -> tuple[int, ...]:
    """Stakes in µS; where nobody has any, all count alike."""
    stakes = tuple([voter.stake for voter in voters])
    return stakes if any(stakes) else (1,) * len(stakes)


def _eighth_power(share: int) -> int:
    power = max(share, 0)
    for _ in range(3):
        power = power * power // PPM
    return power


def _round_half_even(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest == denominator:
        return quotient + quotient % 2
    return quotient + (2 * rest > denominator)
