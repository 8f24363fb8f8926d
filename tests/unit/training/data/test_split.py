"""No row of a test set is in a training set."""

import numpy as np
import pytest

from concord.errors import DataError
from training.data.dataset import Dataset, generate_rows
from training.data.split import split
from training.tasks import discover
from training.tasks.iris import WORKSHOP_ROW

TASKS = discover()
every_generator = pytest.mark.parametrize(
    "each", [task for task in TASKS.values() if task.generate], ids=lambda task: task.name
)


@every_generator
@pytest.mark.parametrize("seed", [0, 42])
def test_no_row_is_in_both_parts(each, seed):
    parts = split(each, generate_rows(each, seed), seed)
    assert parts.training.hashes
    assert parts.test.hashes
    assert not parts.training.hashes & parts.test.hashes


def test_copies_of_a_row_count_once(task):
    data = generate_rows(task("iris"), 0)
    twice = Dataset("twice", np.tile(data.rows, (2, 1)), np.tile(data.answers, 2))
    once, both = split(task("iris"), data, 1), split(task("iris"), twice, 1)
    assert (once.copies, both.copies) == (1, 151)
    assert np.array_equal(once.test.rows, both.test.rows)


def test_four_fifths_are_learned_from(task):
    parts = split(task("loan_default"), generate_rows(task("loan_default"), 0), 0)
    assert len(parts.test.rows) / (len(parts.test.rows) + len(parts.training.rows)) == pytest.approx(
        0.2, abs=0.001
    )


def test_classes_have_the_same_share_in_both_parts(task):
    parts = split(task("loan_default"), generate_rows(task("loan_default"), 0), 0)
    assert parts.training.answers.mean() == pytest.approx(parts.test.answers.mean(), abs=0.002)


@pytest.mark.parametrize("seed", range(20))
def test_the_workshops_row_is_learned_from_whatever_the_seed(task, seed):
    parts = split(task("iris"), generate_rows(task("iris"), 0), seed)
    row = np.array(WORKSHOP_ROW, dtype=np.float32)
    assert (parts.training.rows == row).all(axis=1).sum() == 1
    assert not (parts.test.rows == row).all(axis=1).any()


def test_the_same_seed_parts_the_same(task):
    data = generate_rows(task("film_rating"), 0)
    one, two = (split(task("film_rating"), data, 5) for _ in range(2))
    assert np.array_equal(one.test.rows, two.test.rows)


def test_a_regression_needs_ten_rows(task):
    data = generate_rows(task("loan_amount"), 0)
    few = Dataset("few.csv", data.rows[:9], data.answers[:9])
    with pytest.raises(DataError, match=r"few\.csv has 9 distinct rows; add rows until there are 10"):
        split(task("loan_amount"), few, 0)
