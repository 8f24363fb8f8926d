"""Metrics of a model on rows that it has not learned from.

For two classes precision,
recall, F1 and ROC AUC are those of the second class, for more of them the plain mean over the
classes. The Brier score is the usual one for two classes, and the mean squared distance to the
one-hot truth for more.
"""

import math
from typing import cast

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from concord.tasks.schema import Rows, TaskSchema
from training.data.dataset import AnswerArray
from training.task import Classifier, Model, Task

Votes = npt.NDArray[np.float64]
"""What a node answers: probabilities of shape (rows, classes), or values of shape (rows, 1)."""


def vote(task: Task, model: Model, rows: Rows) -> Votes:
    """A scikit-learn model's answers in a node's shape; a regression's are raised to the task's floor."""
    if not task.schema.is_regression:
        return np.asarray(cast("Classifier", model).predict_proba(rows), dtype=np.float64)
    values = np.asarray(model.predict(rows), dtype=np.float64).reshape(-1, 1)
    return values if task.floor is None else np.maximum(values, task.floor)


def evaluate(schema: TaskSchema, votes: Votes, answers: AnswerArray) -> dict[str, float]:
    """Every metric of the task's kind, by name."""
    metrics_ = _of_values(votes[:, 0], answers) if schema.is_regression else _of_classes(votes, answers)
    return {name: float(value) for name, value in metrics_.items()}


def _of_values(values: Votes, answers: AnswerArray) -> dict[str, float]:
    return {
        "r2": metrics.r2_score(answers, values),
        "mae": metrics.mean_absolute_error(answers, values),
        "mse": metrics.mean_squared_error(answers, values),
    }


def _roc_auc(shares: Votes, answers: AnswerArray) -> float:
    # Of a class that no row has, or every row, there is no curve: few new rows may lack one.
    classes = [1] if shares.shape[1] == 2 else range(shares.shape[1])
    defined = [place for place in classes if 0 < (answers == place).sum() < len(answers)]
    areas = [metrics.roc_auc_score(answers == place, shares[:, place]) for place in defined]
    return float(np.mean(areas)) if areas else math.nan


def _of_classes(votes: Votes, answers: AnswerArray) -> dict[str, float]:
    classes = range(votes.shape[1])
    predicted = votes.argmax(axis=1)
    # Float32 leaves a sum of 1 ± 1e-7, which scikit-learn warns about.
    shares = votes / votes.sum(axis=1, keepdims=True)
    two = len(classes) == 2
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        answers, predicted, labels=classes, average="binary" if two else "macro", zero_division=0.0
    )
    truth = np.eye(len(classes))[answers]
    return {
        "accuracy": metrics.accuracy_score(answers, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": _roc_auc(shares, answers),
        "log_loss": metrics.log_loss(answers, shares, labels=classes),
        "brier": ((shares - truth) ** 2).sum(axis=1).mean() / (2 if two else 1),
    }
