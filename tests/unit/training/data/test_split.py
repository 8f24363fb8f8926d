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


def test_every_copy_of_a_row_is_kept_on_one_side(task):
    data = generate_rows(task("iris"), 0)
    twice = Dataset("twice", np.tile(data.rows, (2, 1)), np.tile(data.answers, 2))
    once, both = split(task("iris"), data, 1), split(task("iris"), twice, 1)
    assert (once.copies, both.copies) == (1, 151)
    assert len(both.training.rows) + len(both.test.rows) == 300
    assert both.test.hashes == once.test.hashes
    assert not both.training.hashes & both.test.hashes


def flowers(random, count=60):
    """Distinct rows, each once of the first class and nine times of another."""
    rows = random.random((count, 4), dtype=np.float32)
    answers = np.array([[0] + [1 + place % 2] * 9 for place in range(count)])
    return Dataset("flowers.csv", np.repeat(rows, 10, axis=0), answers.ravel())


def test_rows_of_equal_features_and_other_labels_all_count(task):
    """`dup_labels.csv`: a model's probabilities are the shares of the labels."""
    parts = split(task("iris"), flowers(np.random.default_rng(0)), 42)
    answers = np.concatenate([parts.training.answers, parts.test.answers])
    assert np.bincount(answers).tolist() == [60, 270, 270]
    assert np.bincount(parts.test.answers).tolist() == [12, 54, 54]
    assert not parts.training.hashes & parts.test.hashes


def test_a_class_that_is_never_usual_is_on_both_sides(task):
    """Ten rows of five flowers, which otherwise are of another class."""
    random = np.random.default_rng(1)
    data = flowers(random, 200)
    answers = np.where(data.answers == 0, 1, data.answers)
    answers[[0, 1, 10, 11, 20, 21, 30, 31, 40, 41]] = 0
    for seed in range(20):
        parts = split(task("iris"), Dataset("rare.csv", data.rows, answers), seed)
        assert {0, 1, 2} == set(parts.training.answers) == set(parts.test.answers)


def test_a_row_that_most_others_repeat_does_not_leave_the_rest_to_learn_from(task):
    rows = np.concatenate([np.zeros((700, 6)), np.arange(300)[:, None] + np.ones(6)]).astype(np.float32)
    data = Dataset("few.csv", rows, np.arange(1000) % 2)
    sizes = [len(split(task("loan_default"), data, seed).test.rows) for seed in range(4)]
    assert max(sizes) < 300


def test_a_class_of_too_few_different_rows_is_refused(task):
    rows = np.concatenate([np.zeros((50, 6)), np.arange(100)[:, None] + np.ones(6)]).astype(np.float32)
    data = Dataset("few.csv", rows, np.array([1] * 50 + [0] * 100))
    with pytest.raises(DataError, match=r"the 50 rows of class 'default'.* differ in 1 way"):
        split(task("loan_default"), data, 0)


def test_the_line_counts_what_repeats_another_row(task):
    data = generate_rows(task("iris"), 0)
    twice = Dataset(
        "twice",
        np.tile(data.rows, (2, 1)),
        np.concatenate([data.answers, data.answers[:50], data.answers[:50], data.answers[100:]]),
    )
    parts = split(task("iris"), twice, 1)
    assert (parts.copies, parts.duplicates) == (151, 101)


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
    with pytest.raises(DataError, match=r"few\.csv has 9 rows; add rows until there are 10"):
        split(task("loan_amount"), few, 0)


@pytest.mark.parametrize(("choices", "classes"), [(6, 3), (9, 3), (10, 3)])
def test_few_different_rows_of_several_classes_are_parted(task, choices, classes):
    random = np.random.default_rng(0)
    rows = np.repeat(np.eye(4, dtype=np.float32)[:1], 1000, axis=0) * random.integers(choices, size=(1000, 1))
    answers = random.integers(classes, size=1000)
    parts = split(task("iris"), Dataset("few.csv", rows.astype(np.float32), answers), 0)
    assert set(parts.test.answers) == set(parts.training.answers) == set(range(classes))
    assert not parts.training.hashes & parts.test.hashes
