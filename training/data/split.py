"""Parts the rows into those that models learn from and those they are judged on.

No row is in both parts, and that is proved by hashes of what a model sees, not assumed: rows with
the same features count once, since a copy in the training part would be a question whose answer
the model has read. The split is seeded, and stratified for classes. It refuses data that a model
cannot be judged on: one class, a class without rows, or too few rows.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from concord.errors import DataError, TrainingError
from concord.tasks.schema import Rows
from training.data.dataset import Answers, Dataset
from training.task import TEST_SHARE, Task

MIN_ROWS = 10
"""Rows needed of each class, or in all for a value: five folds of calibration and two to be judged on."""


def hashes(rows: Rows) -> list[bytes]:
    """SHA-256 of each row, float32 of shape (rows, features), as a model sees it: −0 is 0."""
    return [hashlib.sha256(row.tobytes()).digest() for row in rows + np.float32(0)]


@dataclass(frozen=True)
class Part:
    """Some rows with their answers."""

    rows: Rows
    answers: Answers

    @property
    def hashes(self) -> frozenset[bytes]:
        """One digest a row, of the bytes that a model sees."""
        return frozenset(hashes(self.rows))


@dataclass(frozen=True)
class Split:
    """The two parts, and how many copies of rows were left out."""

    training: Part
    test: Part
    copies: int


def split(task: Task, data: Dataset, seed: int) -> Split:
    """Parts the data 80/20.

    Raises:
        DataError: One class, a class without enough rows, or too few rows.
    """
    kept = np.sort(np.unique(data.rows, axis=0, return_index=True)[1])
    rows, answers = data.rows[kept], data.answers[kept]
    _check(task, data.name, answers)
    training, test = train_test_split(
        np.arange(len(rows)),
        test_size=TEST_SHARE,
        random_state=seed,
        stratify=None if task.schema.is_regression else answers,
    )
    pinned = np.isin(test, _places(task, rows))
    training, test = np.concatenate([training, test[pinned]]), test[~pinned]
    parts = Split(
        Part(rows[training], answers[training]), Part(rows[test], answers[test]), len(data.rows) - len(kept)
    )
    if parts.training.hashes & parts.test.hashes:
        raise TrainingError(f"{task.name}: a test row is in the training set. This is a defect of the split.")
    return parts


def _places(task: Task, rows: Rows) -> npt.NDArray[np.intp]:
    found = [np.flatnonzero((rows == np.array(row, dtype=np.float32)).all(axis=1)) for row in task.pinned]
    return np.concatenate(found) if found else np.array([], dtype=np.intp)


def _check(task: Task, name: str, answers: Answers) -> None:
    column = task.answers[0].column
    if task.schema.is_regression:
        if len(answers) < MIN_ROWS:
            raise DataError(f"{name} has {len(answers)} distinct rows; add rows until there are {MIN_ROWS}.")
        return
    counts = {label.name: int((answers == place).sum()) for place, label in enumerate(task.schema.labels)}
    present = [label for label, rows in counts.items() if rows]
    if len(present) == 1:
        raise DataError(
            f"{name} holds one class only, {present[0]!r}: column {column!r} says so in all rows. "
            f"Add rows of {', '.join(label for label in counts if label != present[0])}.",
            field=column,
        )
    for label, rows in counts.items():
        if rows < MIN_ROWS:
            raise DataError(
                f"{name} has {rows} distinct rows of class {label!r} in column {column!r}; "
                f"add rows until there are {MIN_ROWS}.",
                field=column,
            )
