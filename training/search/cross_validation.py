"""Measures settings by cross-validation without leaks, and what the model would weigh as ONNX.

The rows come from the training part of `training.data.split`: the held-out rows are gone. Rows of equal
features are in one fold. Everything that learns, pre-processing too, is fitted inside the fold. Folds are
stratified for classes, and the same for all settings of a study, so that scores can be compared fold by fold
and answers row by row.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import KFold, StratifiedKFold

from concord.errors import TrainingError
from training.data.groups import RowIndices, draw_strata
from training.data.split import LabelledRows
from training.fitting.evaluate import Votes, evaluate, vote
from training.fitting.fit import expected_warnings_ignored
from training.fitting.onnx import compare, convert
from training.search.pipelines import build
from training.search.settings import ALGORITHM, SearchSettings
from training.task import Model, Task


@dataclass(frozen=True)
class TrialMeasurement:
    """What is known of settings after their folds.

    Attributes:
        metrics: Metric → its value on each fold, in order.
        votes: Each row's answer by the model that had not learned from it: float32 of shape (rows, width).
        seconds: What all folds took.
        size: Bytes as ONNX, of the last fold's model; None if it cannot be converted.
        refusal: Why it cannot be served, or None.
    """

    metrics: dict[str, tuple[float, ...]]
    votes: npt.NDArray[np.float32]
    seconds: float
    size: int | None
    refusal: str | None = None


def folds(task: Task, part: LabelledRows, count: int, seed: int) -> list[tuple[RowIndices, RowIndices]]:
    """Places of the rows to learn from, and of those to be judged on, for each fold."""
    groups = part.groups
    if task.schema.is_regression:
        parted = KFold(count, shuffle=True, random_state=seed).split(np.arange(len(groups)))
    else:
        strata = draw_strata(groups.usual_answers(part.answers), count)
        parted = StratifiedKFold(count, shuffle=True, random_state=seed).split(strata, strata)
    return [(np.sort(groups.places(learned)), np.sort(groups.places(judged))) for learned, judged in parted]


def measure(
    task: Task, settings: SearchSettings, part: LabelledRows, count: int, seed: int
) -> TrialMeasurement:
    """Fits and judges settings on every fold.

    Raises:
        TrainingError: A fold cannot be fitted, or is answered with no number.
    """
    begin = time.perf_counter()
    votes = np.zeros((len(part.rows), task.schema.width), dtype=np.float64)
    scores: list[dict[str, float]] = []
    for number, (learned, judged) in enumerate(folds(task, part, count, seed), start=1):
        model = build(task, settings, seed)
        votes[judged] = _answer(task, model, part, learned, judged, number)
        scores.append(evaluate(task.schema, votes[judged], part.answers[judged]))
    metrics = {name: tuple(fold[name] for fold in scores) for name in scores[0]}
    if not math.isfinite(sum(metrics[task.metric])):
        raise TrainingError(f"{task.metric} is no number on every fold. Use fewer folds, or add rows.")
    size, refusal = _as_onnx(task, settings, model, LabelledRows(part.rows[judged], part.answers[judged]))
    return TrialMeasurement(metrics, votes.astype(np.float32), time.perf_counter() - begin, size, refusal)


def _answer(
    task: Task, model: Model, part: LabelledRows, learned: RowIndices, judged: RowIndices, number: int
) -> Votes:
    try:
        with expected_warnings_ignored():
            model.fit(part.rows[learned], part.answers[learned])
        votes = vote(task, model, part.rows[judged])
    except ValueError as error:
        raise TrainingError(f"Fold {number} cannot be fitted: {error}") from error
    if votes.shape[1] != task.schema.width:
        raise TrainingError(
            f"Fold {number} has no row of some class. Use fewer folds, or add rows that differ."
        )
    if not np.isfinite(votes).all():
        raise TrainingError(f"Fold {number} is answered with what is no number.")
    return votes


def _as_onnx(
    task: Task, settings: SearchSettings, model: Model, judged: LabelledRows
) -> tuple[int | None, str | None]:
    name = str(settings[ALGORITHM])
    try:
        data = convert(task, name, model)
        compare(task, name, model, data, judged.rows, judged.answers)
    except TrainingError as error:
        return None, error.message
    return len(data), None
