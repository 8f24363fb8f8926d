"""Groups rows of equal features, so that no split parts them: a model knows the answer to a row's copy.

Every row counts, whatever its copies are labelled. Splits are drawn among groups; a group stands in the class
that most of its rows have. Where no row repeats another one, each row is its own group, and the split is that
of the rows.
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from concord.tasks.schema import Rows
from training.data.dataset import AnswerArray, Times

GroupIndices = npt.NDArray[np.intp]
"""Numbers of groups, counted in the order of their first rows."""

RowIndices = npt.NDArray[np.intp]
"""Places of rows in an array of them."""


class RowGroups:
    """The groups of some rows.

    Args:
        rows: float32 of shape (rows, features).
    """

    def __init__(self, rows: Rows) -> None:
        # What a model sees: −0 is 0.
        _, first, inverse = np.unique(rows + np.float32(0), axis=0, return_index=True, return_inverse=True)
        numbers = np.empty(len(first), dtype=np.intp)
        numbers[np.argsort(first)] = np.arange(len(first))
        self.of_rows: GroupIndices = numbers[inverse.ravel()]
        self._first: RowIndices = np.sort(first)

    def __len__(self) -> int:
        """Groups."""
        return len(self._first)

    @cached_property
    def sizes(self) -> npt.NDArray[np.intp]:
        """Rows of each group."""
        return np.bincount(self.of_rows, minlength=len(self))

    @property
    def copies(self) -> int:
        """Rows with the features of a row before them."""
        return len(self.of_rows) - len(self)

    def count_duplicates(self, answers: AnswerArray) -> int:
        """Rows with the features and the answer of a row before them."""
        order = np.lexsort([answers, self.of_rows])
        same = (np.diff(self.of_rows[order]) == 0) & (np.diff(answers[order]) == 0)
        return int(same.sum())

    def first_rows(self, rows: Rows) -> Rows:
        """One row of each group."""
        return rows[self._first]

    def places(self, groups: GroupIndices) -> RowIndices:
        """The rows of these groups, group by group in this order."""
        order = np.full(len(self), -1, dtype=np.intp)
        order[groups] = np.arange(len(groups))
        ranks = order[self.of_rows]
        found = np.flatnonzero(ranks >= 0)
        return found[np.argsort(ranks[found], kind="stable")]

    def usual_answers(self, answers: AnswerArray) -> AnswerArray:
        """The class that most rows of each group have; of as many the first."""
        width = int(answers.max()) + 1
        pairs, counts = np.unique(self.of_rows * width + answers, return_counts=True)
        groups, classes = np.divmod(pairs, width)
        order = np.lexsort([classes, -counts, groups])
        begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
        usual: AnswerArray = classes[order[begins]]
        return usual

    def middle_times(self, times: Times) -> Times:
        """The time of each group's middle row: its newest one would make large groups the newest."""
        order = np.lexsort([np.arange(len(times)), times, self.of_rows])
        begins = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        middle: Times = times[order[begins + self.sizes // 2]]
        return middle


def draw_strata(usual: AnswerArray, least: int) -> AnswerArray:
    """What groups are drawn alike of: their usual class, where at least so many groups have it.

    Others go with the most frequent class, since scikit-learn draws from no class of fewer.
    """
    classes, counts = np.unique(usual, return_counts=True)
    rare = np.isin(usual, classes[counts < least])
    strata: AnswerArray = np.where(rare, classes[counts.argmax()], usual)
    return strata
