"""Builds the training profile of a model: how each column was distributed, so that drift can be measured.

A profile is plain JSON and holds no row: of each number bins by quantile, and up to 16,384 points with
counts at and between them (`concord.tasks.profile` says why); of choices their shares; the share of empty
cells, and what the task's rules make of them. Beside the features are the answers that were learned from,
and the model's own answers to the held-out rows, since they are distributed otherwise than the true ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from concord.tasks.profile import MOST_POINTS, most_points, number_cells
from concord.tasks.schema import Rows
from training.data.dataset import AnswerArray, Dataset
from training.fitting.evaluate import Votes
from training.task import Task

VERSION = 2
"""Version 1 had neither points nor answers; it is read still."""

BINS = 10
"""Bins by quantile: deciles, as the population stability index is usually computed with."""

ColumnArray = npt.NDArray[Any]


def build_profile(
    task: Task, rows: Rows, data: Dataset, answers: AnswerArray | None = None, votes: Votes | None = None
) -> dict[str, Any]:
    """The reference profile of the training rows.

    Args:
        task: Its features, and its rules for empty cells.
        rows: The training rows, float32 of shape (rows, features).
        data: All rows that were read, for their empty cells; those of dropped rows count too.
        answers: The training rows' answers.
        votes: The model's answers to the rows that were held out.
    """
    schema = task.schema
    most = most_points(sum(not feature.choices for feature in schema.features))
    document: dict[str, Any] = {
        "version": VERSION,
        "rows": len(rows),
        "read": data.total,
        "features": {
            feature.name: _of_column(rows[:, place], feature.choices, most)
            | {"missing": data.empty.get(feature.name, 0) / data.total}
            | _rules(task, feature.name)
            for place, feature in enumerate(schema.features)
        },
    }
    name = task.answers[0].column
    if answers is not None:
        document["target"] = _of_answers(task, name, answers) | _texts(task)
    if votes is not None:
        predicted = votes[:, 0] if schema.is_regression else votes.argmax(axis=1)
        document["held_out"] = _of_answers(task, name, predicted)
    return document


def _rules(task: Task, name: str) -> dict[str, Any]:
    rule = task.rule(name)
    return ({"unknown": list(rule.unknown)} if rule.unknown else {}) | (
        {"fill": rule.fill} if rule.fill is not None else {}
    )


def _texts(task: Task) -> dict[str, Any]:
    """What a file's texts in the answers' column stand for, or that its numbers are graded."""
    answer = task.answers[0]
    if answer.grade:
        return {"graded": True}
    return {"names": dict(answer.names)} if answer.names else {}


def _of_answers(task: Task, name: str, answers: ColumnArray) -> dict[str, Any]:
    value, labels = task.schema.value, [label.name for label in task.schema.labels]
    if value is not None:
        # As they are counted everywhere else.
        step = float(value.step)
        answers = (np.rint(answers / step) * step).astype(np.float32)
    return {"name": name, "rows": len(answers)} | _of_column(answers, labels, MOST_POINTS)


def _of_column(column: ColumnArray, choices: Sequence[str], most: int) -> dict[str, Any]:
    if choices:
        shares = np.bincount(column.astype(int), minlength=len(choices)) / len(column)
        return {"choices": dict(zip(choices, map(float, shares), strict=True))}
    # Equal quantiles (a column of few values) make one bin, so edges are strictly increasing.
    edges = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = np.bincount(np.searchsorted(edges, column, side="right"), minlength=len(edges) + 1) / len(column)
    points = _points(column, most)
    counts = np.bincount(number_cells(points, column), minlength=2 * len(points) + 1)
    return {
        "edges": edges.tolist(),
        "shares": shares.tolist(),
        "points": points.tolist(),
        "counts": counts.tolist(),
        "minimum": float(column.min()),
        "maximum": float(column.max()),
        "mean": float(column.mean(dtype=np.float64)),
        "std": float(column.std(dtype=np.float64)),
    }


def _points(column: ColumnArray, most: int) -> npt.NDArray[np.float64]:
    """All distinct values, or quantiles that are values if those are too many."""
    distinct = np.unique(column)
    if len(distinct) > most:
        distinct = np.unique(np.quantile(column, np.linspace(0, 1, most), method="lower"))
    return distinct.astype(np.float64)
