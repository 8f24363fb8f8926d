"""scikit-learn's own score: a task's pipelines, fitted and asked without any of Concord's code.

Cells are read by pandas, the pipelines learn from the whole table and their answers are averaged.
"""

from importlib import import_module

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score


def task_of(name):
    """The task of a file of `tasks`."""
    return import_module(f"tests.datasets.tasks.{name}").TASK


def read_rows(task, table):
    """The features as numbers, of shape (rows, features); a choice is its place among the choices."""
    columns = []
    for feature in task.schema.features:
        if feature.choices:
            cells = table[feature.name].map(feature.choices.index).astype(float)
        else:
            cells = pd.to_numeric(table[feature.name], errors="coerce")
            rule = task.rules.get(feature.name)
            cells = cells if rule is None else cells.fillna(rule.fill)
        columns.append(cells.to_numpy())
    return np.column_stack(columns)


def read_truths(foreign, table):
    """What is true of each row; None where the cell is empty."""
    return [foreign.truth(cell) if cell else None for cell in table[foreign.column]]


def usable(task, foreign, table):
    """The rows without an empty cell that no rule fills, and with an answer."""
    known = ~np.isnan(read_rows(task, table)).any(axis=1) & (table[foreign.column] != "").to_numpy()
    return table[known]


def ask_scikit_learn(task, foreign, learned, asked):
    """The mean of the pipelines' answers: classes, probabilities of the second one, or values."""
    learned = usable(task, foreign, learned)
    rows, truths = read_rows(task, learned), np.array(read_truths(foreign, learned))
    models = [make().fit(rows, truths) for make in task.nodes.values()]
    asked = read_rows(task, asked)
    if foreign.metric == "r2":
        return np.mean([model.predict(asked) for model in models], axis=0)
    probabilities = np.mean([model.predict_proba(asked) for model in models], axis=0)
    classes = models[0].classes_
    return probabilities[:, 1] if foreign.metric == "roc_auc" else classes[probabilities.argmax(axis=1)]


def score(foreign, answers, truths):
    """How good answers are, in the data set's metric."""
    if foreign.metric == "roc_auc":
        return roc_auc_score([truth == sorted(set(truths))[1] for truth in truths], answers)
    return {"r2": r2_score, "accuracy": accuracy_score}[foreign.metric](truths, answers)
