"""Splits the rows into a training and a test part that share no row.

That is proved by hashes of what a model sees: rows with the same features count once, since a model would
know the answer to a test row from its copy in the training part. The split is seeded, and stratified for
classes. Data that a model cannot be judged on are refused: one class, a class without rows, or too few rows.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from concord.errors import DataError, TrainingError
from concord.tasks.schema import Rows
from training.data.dataset import AnswerArray, Dataset
from training.task import TEST_SHARE, Task

RowIndices = npt.NDArray[np.intp]
"""Places of rows in an array of them."""

MIN_ROWS = 10
"""Rows needed of each class, or in all for a value: five folds of calibration and two to be judged on."""


def hash_rows(rows: Rows) -> list[bytes]:
    """SHA-256 of each row, float32 of shape (rows, features), as a model sees it: −0 is 0."""
    return [hashlib.sha256(row.tobytes()).digest() for row in rows + np.float32(0)]


@dataclass(frozen=True)
class LabelledRows:
    """Some rows with their answers."""

    rows: Rows
    answers: AnswerArray

    @property
    def hashes(self) -> frozenset[bytes]:
        """One digest a row, of the bytes that a model sees."""
        return frozenset(hash_rows(self.rows))


@dataclass(frozen=True)
class Split:
    """The two parts, and how many copies of rows were left out."""

    training: LabelledRows
    test: LabelledRows
    copies: int


def split(task: Task, data: Dataset, seed: int) -> Split:
    """Splits the data 80/20.

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
    pinned = np.isin(test, _pinned_places(task, rows))
    training, test = np.concatenate([training, test[pinned]]), test[~pinned]
    parts = Split(
        LabelledRows(rows[training], answers[training]),
        LabelledRows(rows[test], answers[test]),
        len(data.rows) - len(kept),
    )
    if parts.training.hashes & parts.test.hashes:
        raise TrainingError(f"{task.name}: a test row is in the training set. This is a defect of the split.")
    return parts


def _pinned_places(task: Task, rows: Rows) -> RowIndices:
    places = [np.flatnonzero((rows == np.array(row, dtype=np.float32)).all(axis=1)) for row in task.pinned]
    return np.concatenate(places) if places else np.array([], dtype=np.intp)


def _check(task: Task, name: str, answers: AnswerArray) -> None:
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
