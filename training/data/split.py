"""Splits the rows into a training and a test part that share no row.

That is proved by hashes of what a model sees. Rows with equal features stay on one side, since a model would
know the answer to a test row from its copy in the training part; all of them count, whatever the label. The
split is seeded, and stratified for classes. Data that a model cannot be judged on are refused: one class, a
class without rows, or too few rows.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from sklearn.model_selection import train_test_split

from concord.errors import DataError, TrainingError
from concord.tasks.schema import Rows
from training.data.dataset import AnswerArray, Dataset
from training.data.groups import GroupIndices, RowGroups, RowIndices, draw_strata
from training.task import TEST_SHARE, Task

MIN_ROWS = 10
"""Rows needed of each class, or in all for a value: five folds of calibration and two to be judged on."""

LEAST_DIFFERENT: Final = 5
"""Of those, rows that differ in a feature: fewer cannot be on both sides of a split."""

LEAST_LEARNED: Final = 5
"""Rows of each class in the training part: a calibration has five folds."""

DRAWS: Final = 20
"""Draws of which the best is taken, where rows repeat others and the first is not good enough."""

TOLERANCE: Final = 0.05
"""How far the share of test rows may be off, in a draw that is good enough."""


def hash_rows(rows: Rows) -> list[bytes]:
    """SHA-256 of each row, float32 of shape (rows, features), as a model sees it: −0 is 0."""
    return [hashlib.sha256(row.tobytes()).digest() for row in rows + np.float32(0)]


@dataclass(frozen=True)
class LabelledRows:
    """Some rows with their answers."""

    rows: Rows
    answers: AnswerArray

    @cached_property
    def groups(self) -> RowGroups:
        """The rows of equal features."""
        return RowGroups(self.rows)

    @property
    def duplicates(self) -> int:
        """Rows with the features and the answer of a row before them."""
        return self.groups.count_duplicates(self.answers)

    @property
    def hashes(self) -> frozenset[bytes]:
        """One digest a row, of the bytes that a model sees."""
        return frozenset(hash_rows(self.rows))


@dataclass(frozen=True)
class Split:
    """The two parts: rows to learn from, and rows to be judged on."""

    training: LabelledRows
    test: LabelledRows

    @property
    def copies(self) -> int:
        """Rows with the features of a row before them; they are kept, on its side."""
        return self.training.groups.copies + self.test.groups.copies

    @property
    def duplicates(self) -> int:
        """Those of them that have its answer too."""
        return self.training.duplicates + self.test.duplicates


def split(task: Task, data: Dataset, seed: int) -> Split:
    """Splits the data 80/20.

    Raises:
        DataError: One class, a class without enough rows, or too few rows.
    """
    groups = RowGroups(data.rows)
    _check(task, data, groups)
    drawn = _draw(task, data, groups, seed)
    training, test = _keep_pinned(task, groups.first_rows(data.rows), drawn)
    learned, tested = (
        LabelledRows(data.rows[places], data.answers[places])
        for places in (groups.places(training), groups.places(test))
    )
    parts = Split(learned, tested)
    if parts.training.hashes & parts.test.hashes:
        raise TrainingError(f"{task.name}: a test row is in the training set. This is a defect of the split.")
    return parts


def _draw(task: Task, data: Dataset, groups: RowGroups, seed: int) -> tuple[GroupIndices, GroupIndices]:
    """The groups of both parts: the first draw, unless copies make it a bad one."""
    is_regression = task.schema.is_regression
    strata = None if is_regression else draw_strata(groups.usual_answers(data.answers), 2)
    if strata is not None and len(np.unique(strata)) > math.ceil(TEST_SHARE * len(groups)):
        # scikit-learn draws no fewer groups than classes; whether all classes are there is judged below.
        strata = None
    drawn: list[tuple[int, float, GroupIndices, GroupIndices]] = []
    for random_state in _seeds(seed):
        training, test = train_test_split(
            np.arange(len(groups)), test_size=TEST_SHARE, random_state=random_state, stratify=strata
        )
        places = groups.places(test)
        off = abs(len(places) / len(data.rows) - TEST_SHARE)
        lacking = 0 if is_regression else len(_lacking(task, data.answers, places))
        if not lacking and (off <= TOLERANCE or len(groups) == len(data.rows)):
            return training, test
        drawn.append((lacking, off, training, test))
    lacking, _, training, test = min(drawn, key=lambda one: one[:2])
    if lacking:
        raise _cannot_be_parted(task, data, groups, _lacking(task, data.answers, groups.places(test)))
    return training, test


def _seeds(seed: int) -> Iterator[int]:
    yield seed
    yield from map(int, np.random.default_rng(seed).integers(2**32, size=DRAWS - 1))


def _lacking(task: Task, answers: AnswerArray, test: RowIndices) -> list[int]:
    """Classes that a part has too few rows of."""
    width = task.schema.width
    tested = np.bincount(answers[test], minlength=width)
    learned = np.bincount(answers, minlength=width) - tested
    return [place for place in range(width) if not tested[place] or learned[place] < LEAST_LEARNED]


def _keep_pinned(
    task: Task, rows: Rows, drawn: tuple[GroupIndices, GroupIndices]
) -> tuple[GroupIndices, GroupIndices]:
    """Moves the rows that the task pins to the training part."""
    training, test = drawn
    places = [np.flatnonzero((rows == np.array(row, dtype=np.float32)).all(axis=1)) for row in task.pinned]
    pinned = np.isin(test, np.concatenate(places)) if places else np.zeros(len(test), dtype=bool)
    return np.concatenate([training, test[pinned]]), test[~pinned]


def _check(task: Task, data: Dataset, groups: RowGroups) -> None:
    name, answers, column = data.name, data.answers, task.answers[0].column
    if task.schema.is_regression:
        _check_enough(name, len(answers), len(groups))
        return
    labels = [label.name for label in task.schema.labels]
    counts = dict(zip(labels, np.bincount(answers, minlength=len(labels)).tolist(), strict=True))
    present = [label for label, rows in counts.items() if rows]
    if len(present) == 1:
        raise DataError(
            f"{name} holds one class only, {present[0]!r}: column {column!r} says so in all rows. "
            f"Add rows of {', '.join(label for label in counts if label != present[0])}.",
            field=column,
        )
    for place, (label, rows) in enumerate(counts.items()):
        different = len(np.unique(groups.of_rows[answers == place]))
        _check_enough(name, rows, different, f" of class {label!r} in column {column!r}", column)


def _check_enough(name: str, rows: int, different: int, of_what: str = "", field: str | None = None) -> None:
    if rows < MIN_ROWS:
        raise DataError(f"{name} has {rows} rows{of_what}; add rows until there are {MIN_ROWS}.", field=field)
    if different < LEAST_DIFFERENT:
        raise DataError(
            f"{name}: the {rows} rows{of_what} differ in {different} way{'s'[: different - 1]} only. Rows of "
            f"equal features stay on one side of a split; add rows until there are {LEAST_DIFFERENT} "
            "different ones.",
            field=field,
        )


def _cannot_be_parted(task: Task, data: Dataset, groups: RowGroups, lacking: list[int]) -> DataError:
    label, column = task.schema.labels[lacking[0]].name, task.answers[0].column
    different = len(np.unique(groups.of_rows[data.answers == lacking[0]]))
    return DataError(
        f"{data.name}: the rows of class {label!r} in column {column!r} are copies of {different} different "
        "ones, and no split gives both parts enough of them. Add other rows of this class.",
        field=column,
    )
