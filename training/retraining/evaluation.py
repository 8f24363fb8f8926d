"""Measures champion and challenger on the test rows.

Both answer as nodes do, with their ONNX graphs, on the same rows. Besides the metrics of a fit there are the
paired interval of their difference, the same metrics for each group that the task names, and the calibration
of probabilities or the bias of amounts. The gate decides whether that is good enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.data.dataset import AnswerArray
from training.data.split import LabelledRows
from training.fitting.evaluate import Votes, evaluate
from training.retraining.bootstrap import ImprovementInterval, improvement, measure
from training.task import Metric, Task

LEAST_GROUP = 30
"""Rows of a group below which one row more or less would decide its result."""

BINS = 10
"""Of the expected calibration error: bins of equal width over the largest probability (Guo et al., 2017)."""


@dataclass(frozen=True)
class SideMetrics:
    """The metrics of one model on some rows.

    Attributes:
        metrics: Those of `training.fitting.evaluate`; in a group, those that mean something of few rows.
        said: Mean of its answers; of two classes the share that it calls the second; else None.
    """

    metrics: Mapping[str, float]
    said: float | None


@dataclass(frozen=True)
class RowGroup:
    """Champion and challenger on the test rows of one group.

    Attributes:
        feature: The feature that makes it.
        choice: Its choice.
        rows: Test rows of it.
        true: Mean of the true values; of two classes the share of the second; else None.
        champion: The champion there.
        challenger: The challenger there.
        better: Improvement of `group_metric`; None for too few rows.
    """

    feature: str
    choice: str
    rows: int
    true: float | None
    champion: SideMetrics
    challenger: SideMetrics
    better: ImprovementInterval | None


@dataclass(frozen=True)
class Judgement:
    """Champion and challenger on the test rows.

    Attributes:
        metric: The task's own metric.
        rows: Test rows.
        champion: The champion.
        challenger: The challenger.
        better: By how much the challenger is better in the task's metric.
        groups: Each group that has a row.
        calibration: Name → champion's and challenger's: `brier` and `ece`, or `bias` of a regression.
        spread: Standard deviation of the true values; 1 for classes.
    """

    metric: Metric
    rows: int
    champion: SideMetrics
    challenger: SideMetrics
    better: ImprovementInterval
    groups: tuple[RowGroup, ...]
    calibration: Mapping[str, tuple[float, float]]
    spread: float


def group_metric(task: Task) -> Metric:
    """What groups are compared by: it means the same in a group of any make-up."""
    return "mae" if task.schema.is_regression else "accuracy"


def judge(task: Task, champion: Votes, challenger: Votes, test: LabelledRows, seed: int) -> Judgement:
    """Measures both on the test rows.

    Args:
        task: For its metric and its groups.
        champion: Its votes on the test rows.
        challenger: The other's.
        test: The rows and what was true.
        seed: Of the bootstrap.
    """
    regression = task.schema.is_regression
    return Judgement(
        metric=task.metric,
        rows=len(test.rows),
        champion=SideMetrics(evaluate(task.schema, champion, test.answers), _said(task, champion)),
        challenger=SideMetrics(evaluate(task.schema, challenger, test.answers), _said(task, challenger)),
        better=improvement(task.metric, champion, challenger, test.answers, seed),
        groups=tuple(_groups(task, champion, challenger, test, seed)),
        calibration=_calibration(task, champion, challenger, test.answers),
        spread=float(np.std(test.answers)) if regression else 1.0,
    )


def expected_calibration_error(votes: Votes, answers: AnswerArray) -> float:
    """Mean distance between how sure a model is and how often it is right, over bins of sureness."""
    sure, right = votes.max(axis=1), votes.argmax(axis=1) == answers
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(places, weights=sure - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(answers))


def _groups(task: Task, champion: Votes, challenger: Votes, test: LabelledRows, seed: int) -> list[RowGroup]:
    groups = []
    for place, feature in enumerate(task.schema.features):
        if feature.name not in task.groups:
            continue
        for code, choice in enumerate(feature.choices):
            places = np.flatnonzero(test.rows[:, place] == code)
            if len(places):
                part = LabelledRows(test.rows[places], test.answers[places])
                votes = (champion[places], challenger[places])
                groups.append(_group(task, feature.name, choice, votes, part, seed))
    return groups


def _group(
    task: Task, feature: str, choice: str, votes: tuple[Votes, Votes], part: LabelledRows, seed: int
) -> RowGroup:
    enough = len(part.rows) >= LEAST_GROUP
    return RowGroup(
        feature=feature,
        choice=choice,
        rows=len(part.rows),
        true=_mean(task, part.answers),
        champion=_in_group(task, votes[0], part.answers),
        challenger=_in_group(task, votes[1], part.answers),
        better=improvement(group_metric(task), *votes, part.answers, seed) if enough else None,
    )


def _in_group(task: Task, votes: Votes, answers: AnswerArray) -> SideMetrics:
    names: tuple[Metric, ...] = ("mae", "mse") if task.schema.is_regression else ("accuracy", "brier")
    once = np.ones((1, len(answers)))
    return SideMetrics(
        {name: float(measure(name, votes, answers, once)[0]) for name in names}, _said(task, votes)
    )


def _said(task: Task, votes: Votes) -> float | None:
    return _mean(task, votes[:, 0] if task.schema.is_regression else votes.argmax(axis=1))


def _mean(task: Task, values: AnswerArray) -> float | None:
    return float(np.mean(values)) if task.schema.is_regression or len(task.schema.labels) == 2 else None


def _calibration(
    task: Task, champion: Votes, challenger: Votes, answers: AnswerArray
) -> dict[str, tuple[float, float]]:
    both = (champion, challenger)
    if task.schema.is_regression:
        before, after = (float(np.mean(votes[:, 0] - answers)) for votes in both)
        return {"bias": (before, after)}
    scores = [evaluate(task.schema, votes, answers)["brier"] for votes in both]
    errors = [expected_calibration_error(votes, answers) for votes in both]
    return {"brier": (scores[0], scores[1]), "ece": (errors[0], errors[1])}
