"""Pictures of a fit for the registry's pages, drawn without pyplot and its global state."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn import metrics

from concord.tasks.schema import TaskSchema
from training.data.dataset import AnswerArray
from training.fitting.evaluate import Votes

SIZE = (4.5, 3.6)
"""Inches; at matplotlib's 100 dots an inch a picture has about 15 kB."""


def draw_fit(
    schema: TaskSchema, votes: Votes, answers: AnswerArray, losses: Sequence[float]
) -> Iterator[tuple[str, Figure]]:
    """File name and picture, one after the other.

    Args:
        schema: The task, for names and units.
        votes: Probabilities of shape (rows, classes) or values of shape (rows, 1), on the held-out rows.
        answers: The true answers, of shape (rows,).
        losses: Training loss per epoch, empty where a model has no epochs.
    """
    if schema.is_regression:
        yield "predicted_actual.png", _predicted(schema, votes[:, 0], answers)
    else:
        names = [label.name for label in schema.labels]
        yield "confusion_matrix.png", _confusion(names, votes.argmax(axis=1), answers)
        yield "roc.png", _roc(names, votes, answers)
    if losses:
        yield "loss.png", _loss(losses)


def _figure(title: str, x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE, layout="tight")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _predicted(schema: TaskSchema, values: Votes, answers: AnswerArray) -> Figure:
    unit = schema.value.unit if schema.value else ""
    figure, axes = _figure("Held-out rows", f"Actual [{unit}]", f"Predicted [{unit}]")
    axes.scatter(answers, values, s=6, alpha=0.5)
    ends = [min(answers.min(), values.min()), max(answers.max(), values.max())]
    axes.plot(ends, ends, color="grey", linewidth=1)
    return figure


def _confusion(names: list[str], predicted: AnswerArray, answers: AnswerArray) -> Figure:
    counts = metrics.confusion_matrix(answers, predicted, labels=range(len(names)))
    figure, axes = _figure("Held-out rows", "Predicted", "Actual")
    axes.imshow(counts, cmap="Blues")
    axes.set(xticks=range(len(names)), xticklabels=names, yticks=range(len(names)), yticklabels=names)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return figure


def _roc(names: list[str], votes: Votes, answers: AnswerArray) -> Figure:
    figure, axes = _figure("ROC on held-out rows", "False positive rate", "True positive rate")
    for place in [1] if len(names) == 2 else range(len(names)):
        if not 0 < (answers == place).sum() < len(answers):
            continue
        false, true, _ = metrics.roc_curve(answers == place, votes[:, place])
        axes.plot(false, true, label=f"{names[place]} ({metrics.auc(false, true):.3f})")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.legend(loc="lower right")
    return figure


def _loss(losses: Sequence[float]) -> Figure:
    figure, axes = _figure("Training loss", "Epoch", "Loss")
    axes.plot(range(1, len(losses) + 1), losses)
    axes.set_yscale("log")
    return figure
