"""Chooses a node's training rows and settings on validation rows, without the test rows.

Each candidate (old and new rows, or new rows alone, with each of the task's settings) learns from a part of
the rows and answers the rest: validation rows, which are new ones, like those that the model will be asked
about. Dated rows are validated on their newest fifth. Others are drawn again each time, with another seed of
the model too, so that neither a lucky draw nor a lucky start decides.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from concord.errors import DataError
from training.data.groups import RowGroups
from training.data.split import MIN_ROWS, LabelledRows, Split, hash_rows
from training.fitting.evaluate import evaluate, vote
from training.fitting.fit import learn
from training.retraining.holdout import HoldoutSplit, held_fifth
from training.task import LOWER_IS_BETTER, Model, Task

Basis = Literal["old and new", "new"]


@dataclass(frozen=True)
class Candidate:
    """One candidate and its scores on the validation rows.

    Attributes:
        basis: What it learned from.
        settings: Beyond the node's own.
        scores: The task's metric, one a repetition.
    """

    basis: Basis
    settings: Mapping[str, Any]
    scores: tuple[float, ...]

    @property
    def settings_text(self) -> str:
        """The settings for people, by their last names; empty for the node's own."""
        return ", ".join(f"{name.split('__')[-1]}={value}" for name, value in self.settings.items())

    @property
    def mean(self) -> float:
        """Of the scores."""
        return float(np.mean(self.scores))

    @property
    def spread(self) -> float:
        """Their standard deviation; 0 of one."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else 0.0


def rows_of_basis(holdout: HoldoutSplit, basis: Basis) -> LabelledRows:
    """The rows of a basis."""
    return holdout.new if basis == "new" else _joined(holdout.old, holdout.new)


def build_pipeline(task: Task, node: str, settings: Mapping[str, Any], seed: int) -> Model:
    """An unfitted pipeline with these settings and with this seed wherever it takes one."""
    model: Any = task.nodes[node]()
    seeds = {name: seed for name in model.get_params() if name.split("__")[-1] == "random_state"}
    pipeline: Model = model.set_params(**seeds, **settings)
    return pipeline


def is_random(task: Task, node: str) -> bool:
    """Whether the node takes a seed at all."""
    model: Any = task.nodes[node]()
    return any(name.split("__")[-1] == "random_state" for name in model.get_params())


def possible_candidates(
    task: Task, node: str, holdout: HoldoutSplit
) -> list[tuple[Basis, Mapping[str, Any]]]:
    """What can be tried: new rows alone only if there are enough of each class.

    Raises:
        DataError: Not even old and new rows together are enough.
    """
    every: tuple[Basis, ...] = ("old and new", "new")
    bases = [basis for basis in every if _enough(task, rows_of_basis(holdout, basis))]
    if not bases:
        raise DataError(
            f"{task.name}: old and new rows together hold fewer than {2 * MIN_ROWS} of a class beside the "
            "test rows. Give more rows with --old or --new.",
            field="--new",
        )
    return [(basis, settings) for basis in bases for settings in task.settings.get(node, ({},))]


def why_not_new_alone(task: Task, holdout: HoldoutSplit) -> str | None:
    """Why new rows alone are not tried; None if they are."""
    if _enough(task, holdout.new):
        return None
    labels = task.schema.labels
    counts = {label.name: int((holdout.new.answers == place).sum()) for place, label in enumerate(labels)}
    few = ", ".join(f"{label} {rows}" for label, rows in counts.items() if rows < 2 * MIN_ROWS)
    return f"New rows alone are too few to learn from ({few or len(holdout.new.rows)}): they are not tried."


def score_candidates(
    task: Task, node: str, holdout: HoldoutSplit, seeds: int, seed: int, report: Callable[[Candidate], None]
) -> tuple[Candidate, ...]:
    """Every candidate on the validation rows, in the order in which `choose` prefers them.

    Args:
        task: The task.
        node: The node's name in it.
        holdout: The rows; the test rows are not touched.
        seeds: Repetitions, each with a draw and a model seed of its own.
        seed: The first of them.
        report: Shows each candidate when it is scored.
    """
    repeats = seeds if holdout.times is None or is_random(task, node) else 1
    scored = []
    for basis, settings in possible_candidates(task, node, holdout):
        scores = [_score(task, node, holdout, basis, settings, seed + place) for place in range(repeats)]
        scored.append(Candidate(basis, settings, tuple(scores)))
        report(scored[-1])
    return tuple(scored)


def choose(task: Task, candidates: Sequence[Candidate]) -> Candidate:
    """The first candidate that the best one is not shown to surpass.

    The repetitions are paired, the same rows and seeds for each candidate. One whose mean shortfall is
    within a standard error of it is as good as the best for all that is known, and then more rows and the
    settings as declared are the safer choice (Breiman's rule of one standard error).
    """
    sign = -1.0 if task.metric in LOWER_IS_BETTER else 1.0
    best = max(candidates, key=lambda candidate: sign * candidate.mean)

    def is_as_good(candidate: Candidate) -> bool:
        shortfall = sign * (np.array(best.scores) - np.array(candidate.scores))
        error = shortfall.std(ddof=1) / math.sqrt(len(shortfall)) if len(shortfall) > 1 else 0.0
        return bool(shortfall.mean() <= error)

    return next(candidate for candidate in candidates if is_as_good(candidate))


def _score(
    task: Task, node: str, holdout: HoldoutSplit, basis: Basis, settings: Mapping[str, Any], seed: int
) -> float:
    learned, validation = _validation_split(task, holdout, basis, seed)
    model = build_pipeline(task, node, settings, seed)
    learn(task, node, model, Split(learned, validation))
    return evaluate(task.schema, vote(task, model, validation.rows), validation.answers)[task.metric]


def _validation_split(
    task: Task, holdout: HoldoutSplit, basis: Basis, seed: int
) -> tuple[LabelledRows, LabelledRows]:
    """Rows to learn from, and new ones to be judged on; old rows of their features are in neither."""
    new, old = holdout.new, holdout.old
    groups = RowGroups(new.rows)
    chosen = held_fifth(task, groups, np.arange(len(groups)), new.answers, holdout.times, seed)
    validation = LabelledRows(new.rows[chosen], new.answers[chosen])
    rest = np.setdiff1d(np.arange(len(new.rows)), chosen)
    learned = LabelledRows(new.rows[rest], new.answers[rest])
    if basis == "new":
        return learned, validation
    known = validation.hashes
    other = np.array([row_hash not in known for row_hash in hash_rows(old.rows)], dtype=bool)
    return _joined(LabelledRows(old.rows[other], old.answers[other]), learned), validation


def _joined(one: LabelledRows, other: LabelledRows) -> LabelledRows:
    return LabelledRows(np.concatenate([one.rows, other.rows]), np.concatenate([one.answers, other.answers]))


def _enough(task: Task, part: LabelledRows) -> bool:
    if task.schema.is_regression:
        return len(part.rows) >= MIN_ROWS
    # Twice, because a part of them is validated on.
    return all((part.answers == place).sum() >= 2 * MIN_ROWS for place in range(len(task.schema.labels)))
