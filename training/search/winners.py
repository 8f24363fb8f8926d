"""Chooses winners that are good together: the best models alone may all make the same errors.

The loss of a mean of votes is the mean of their losses less their spread around it, for the Brier score as
for the squared error (Krogh and Vedelsby 1995, "Neural Network Ensembles, Cross Validation, and Active
Learning", NeurIPS 7): with votes v of the chosen, their mean m and the truth y,

    ‖m − y‖²  =  mean ‖v − y‖²  −  mean ‖v − m‖²

So the loss of the mean, over rows that no vote had learned from, weighs quality against diversity by
itself, and no factor between them has to be guessed. The leader is chosen first; then, one by one, the model
that lowers that loss most (or raises it least). A model whose errors correlate with those of a chosen one by
more than `TWIN` is its twin and is left out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from concord.tasks.schema import TaskSchema
from training.data.dataset import AnswerArray
from training.fitting.evaluate import Votes
from training.search.leaderboard import LeaderboardRow

TWIN = 0.95
"""Correlation of errors above which two models are one opinion; docs/benchmark-models.md has it measured."""

LOOKED_AT = 30
"""Leaders among which is chosen, besides the best of each algorithm."""


@dataclass(frozen=True)
class Winner:
    """A chosen trial.

    Attributes:
        row: Its row of the board.
        loss: The loss of the mean of all chosen so far, it included: Brier's score, or the squared error.
        twin: Its errors' greatest correlation with those of one chosen before it; 0 for the first.
    """

    row: LeaderboardRow
    loss: float
    twin: float


def choose(
    rows: Sequence[LeaderboardRow],
    votes: Callable[[LeaderboardRow], Votes],
    schema: TaskSchema,
    answers: AnswerArray,
    count: int,
) -> list[Winner]:
    """The winners, best first; fewer than asked for where the rest are twins of them.

    Args:
        rows: The board.
        votes: A row's answers out of the folds, of shape (rows, width).
        schema: The task's.
        answers: The truth of the same rows.
        count: How many at most.
    """
    truth = _truth(schema, answers)
    errors = {row.number: votes(row) - truth for row in _candidates(rows)}
    by_number = {row.number: row for row in rows}
    chosen: list[Winner] = []
    while errors and len(chosen) < count:
        others = [errors[winner.row.number] for winner in chosen]
        losses = {
            number: loss(np.mean([*others, own], axis=0))
            for number, own in errors.items()
            if by_number[number] not in [winner.row for winner in chosen] and _likeness(own, others) <= TWIN
        }
        if not losses:
            break
        number = min(losses, key=lambda number: losses[number]) if chosen else next(iter(errors))
        twin = _likeness(errors[number], others)
        chosen.append(Winner(by_number[number], losses[number], twin))
    return chosen


def loss(errors: Votes) -> float:
    """The mean squared length of errors of shape (rows, width)."""
    return float((errors**2).sum(axis=1).mean())


def _candidates(rows: Sequence[LeaderboardRow]) -> Iterable[LeaderboardRow]:
    served = [row for row in rows if row.served]
    best: dict[str, LeaderboardRow] = {}
    for row in served:
        best.setdefault(row.algorithm, row)
    chosen = {row.number for row in [*served[:LOOKED_AT], *best.values()]}
    return [row for row in served if row.number in chosen]


def _truth(schema: TaskSchema, answers: AnswerArray) -> Votes:
    if schema.is_regression:
        return np.asarray(answers, dtype=np.float64).reshape(-1, 1)
    return np.eye(schema.width)[answers]


def _likeness(errors: Votes, others: Sequence[Votes]) -> float:
    """The greatest correlation with one of the others; errors that never vary are like anything."""
    flat = errors.ravel()
    if not others:
        return 0.0
    if flat.std() == 0:
        return 1.0
    return max(float(np.corrcoef(flat, other.ravel())[0, 1]) if other.std() else 1.0 for other in others)
