"""The rule `wager` for many rows at once: the same integers as `concord.policies.voting`, by columns.

Weights are the voters' and so the same for all rows; they are Python's integers, since stake times skill
passes 64 bits. What is worked out per row stays below 2⁶³: probabilities and weights are at most 10⁶ ppm. The
few rows whose answer is tied, and those of a cold start on which all medians are 0, are decided by the rule
for one row.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from concord.policies import voting
from concord.policies.voting import PPM, WARM_LABELS, Method, PooledAnswer, Voter

Columns = npt.NDArray[np.int64]

MOST_STAKE: Final = 1 << 61
"""Sum of stakes in µS up to which twice the sum fits into 64 bits."""


def wager_rows(
    voters: Sequence[Voter], votes: Columns, labelled: int = 0, warm: int = WARM_LABELS
) -> list[PooledAnswer]:
    """Pools the votes of a classification under `wager`, on each of many rows.

    Args:
        voters: The voters, sorted by node; all of them have voted on all rows.
        votes: Their probabilities in ppm, shape (rows, voters, classes).
        labelled: Labelled rounds of the task so far.
        warm: As in `voting.wager`.
    """
    choices = votes.argmax(axis=2)
    is_cold = labelled < warm
    weights = voting.stake_weights(voters) if is_cold else voting.skill_weights(voters)
    pooled, single = _pool_by_median(voters, votes) if is_cold else (_pool_linearly(weights, votes), [])
    tied = (pooled == pooled.max(axis=1)[:, None]).sum(axis=1) > 1
    answers = pooled.argmax(axis=1)
    agreement = ((choices == answers[:, None]) * np.array(weights, dtype=np.int64)).sum(axis=1)
    method: Method = "weighted_median" if is_cold else "linear"
    columns = (column.tolist() for column in (answers, choices, agreement, pooled))
    decided = [
        PooledAnswer(answer, weights, tuple(choice), agreed, method, tuple(shares))
        for answer, choice, agreed, shares in zip(*columns, strict=True)
    ]
    for index in {*single, *np.flatnonzero(tied).tolist()}:
        decided[index] = voting.wager(voters, votes[index].tolist(), labelled, warm)
    return decided


def _pool_linearly(weights: Sequence[int], votes: Columns) -> Columns:
    """The linear opinion pool, in ppm: Σ w p ≤ 10¹² by the voters' shares of the weights."""
    sums = np.tensordot(np.array(weights, dtype=np.int64), votes, axes=(0, 1))
    return _apportion(sums, np.full(len(votes), PPM))


def _pool_by_median(voters: Sequence[Voter], votes: Columns) -> tuple[Columns, list[int]]:
    """The stake-weighted medians of each class, normalised; and the rows that are decided one by one."""
    stakes = voting.vote_stakes(voters)
    total = sum(stakes)
    if total > MOST_STAKE:
        return np.zeros((len(votes), votes.shape[2]), dtype=np.int64), list(range(len(votes)))
    order = votes.argsort(axis=1)
    below = np.array(stakes, dtype=np.int64)[order].cumsum(axis=1)
    place = (2 * below >= total).argmax(axis=1)
    in_order = np.take_along_axis(votes, order, axis=1)
    medians = np.take_along_axis(in_order, place[:, None, :], axis=1)[:, 0, :]
    sums = medians.sum(axis=1)
    without = np.flatnonzero(sums == 0).tolist()
    return _apportion(medians * PPM, np.maximum(sums, 1)), without


def _apportion(numerators: Columns, denominators: Columns) -> Columns:
    """`voting.apportion` of each row, for shares whose sum is 10⁶; the earlier of equal remainders first."""
    floors, rests = np.divmod(numerators, denominators[:, None])
    left = PPM - floors.sum(axis=1)
    ranks = (-rests).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    shares: Columns = floors + (ranks < left[:, None])
    return shares
