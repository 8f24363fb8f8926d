"""No test row has been learned from, by anybody, whatever the data are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.errors import DataError
from training.data.cleaning import UNDATED
from training.data.dataset import Dataset
from training.data.split import hash_rows
from training.retraining.holdout import LearnedRows, digest_of, drawn_fifth, hold_out
from training.tasks import discover

TASKS = discover()
NOTHING = LearnedRows(frozenset(), "logged")


def dataset(rows, answers=None, times=None, name="new.csv"):
    """Rows of `loan_default` or any numbers, with classes by turns unless said."""
    rows = np.asarray(rows, dtype=np.float32)
    answers = np.arange(len(rows)) % 2 if answers is None else np.asarray(answers)
    return Dataset(name, rows, answers, times=None if times is None else np.asarray(times, dtype=np.int64))


def distinct(count, start=0):
    return np.arange(start, start + count)[:, None] + np.zeros(6)


@pytest.fixture
def task():
    return TASKS["loan_default"]


@given(
    seed=st.integers(0, 2**32 - 1),
    values=st.integers(1, 400),
    dated=st.sampled_from(["none", "all", "some"]),
    share=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_hash_is_ever_shared(seed, values, dated, share):
    """Few distinct values make many copies, within a part and between old and new."""
    random = np.random.default_rng(seed)
    old = dataset(random.integers(-values, values, (150, 6)) / 2)
    times = None if dated == "none" else random.integers(0, 50, 300)
    if dated == "some":
        times[random.random(300) < 0.4] = UNDATED
    new = dataset(random.integers(-values, values, (300, 6)) / 2, random.integers(0, 2, 300), times)
    both = np.concatenate([old.rows, new.rows])
    learned = frozenset(hash_rows(both[random.random(len(both)) < share]))
    try:
        found = hold_out(TASKS["loan_default"], old, new, LearnedRows(learned, "logged"), seed % 1000)
    except DataError:
        return
    test = found.test.hashes
    assert not test & (found.old.hashes | found.new.hashes | learned)
    assert len(found.new.rows) + len(found.test.rows) == 300
    assert found.old.hashes | found.new.hashes | test == frozenset(hash_rows(both))
    assert set(found.proof["shared"].values()) == {0}


def test_the_newest_fifth_is_judged_on_where_rows_are_dated(task):
    times = np.random.default_rng(0).permutation(500)
    found = hold_out(task, dataset(distinct(10)), dataset(distinct(500, 100), times=times), NOTHING, 0)
    assert found.by == "time"
    assert sorted(times[found.test.rows[:, 0].astype(int) - 100]) == list(range(400, 500))
    assert found.times.max() == 399


def test_without_dates_a_fifth_is_drawn_and_the_result_says_so(task):
    new = dataset(distinct(500, 100))
    one, same, other = (hold_out(task, dataset(distinct(10)), new, NOTHING, seed) for seed in (1, 1, 2))
    assert (one.by, len(one.test.rows), one.times) == ("random", 100, None)
    assert one.test.hashes == same.test.hashes != other.test.hashes


def test_where_most_rows_say_no_time_the_newest_are_not_known(task):
    times = [UNDATED] * 400 + list(range(100))
    assert (
        hold_out(task, dataset(distinct(9)), dataset(distinct(500), times=times), NOTHING, 0).by == "random"
    )


def test_classes_have_the_same_share_among_the_test_rows(task):
    answers = np.array([1] * 50 + [0] * 450)
    found = hold_out(task, dataset(distinct(10)), dataset(distinct(500, 100), answers), NOTHING, 3)
    assert found.test.answers.sum() == 10


def test_a_class_of_one_row_can_be_drawn_from(task):
    answers = np.array([1] + [0] * 99)
    assert len(drawn_fifth(task, np.arange(100), answers, 0)) == 20


def test_of_a_row_that_is_judged_on_every_copy_is(task):
    new = dataset(np.tile(distinct(200), (2, 1)), [0] * 200 + [1, 0] * 100, np.arange(400))
    found = hold_out(task, dataset(distinct(1, 900)), new, NOTHING, 0)
    assert np.array_equal(found.test.answers, [0] * 40 + [1, 0] * 20)
    assert (len(found.new.rows), len(found.times)) == (320, 320)


def test_an_old_row_that_the_new_data_hold_too_counts_once(task):
    old = dataset(np.tile(distinct(1), (5, 1)), [0, 0, 0, 1, 1])
    new = dataset(np.concatenate([np.tile(distinct(1), (2, 1)), distinct(200, 50)]), [0, 0] + [0, 1] * 100)
    learned = LearnedRows(old_hashes := frozenset(hash_rows(old.rows)), "logged")
    found = hold_out(task, old, new, learned, 0)
    assert old_hashes <= found.new.hashes
    assert found.old.answers.tolist() == [0, 1, 1]


def test_new_data_that_hold_all_old_rows_leave_none_of_them(task):
    rows = np.repeat(distinct(150), 2, axis=0)
    found = hold_out(task, dataset(rows[:100]), dataset(rows), NOTHING, 0)
    assert len(found.old.rows) == 0


def test_zero_and_minus_zero_are_one_row():
    assert hash_rows(np.array([[0.0, 1.0]], dtype=np.float32)) == hash_rows(
        np.array([[-0.0, 1]], dtype=np.float32)
    )


def test_what_the_champion_learned_from_is_learned_from_again_and_not_judged_on(task):
    new = dataset(distinct(500, 100))
    learned = LearnedRows(frozenset(hash_rows(new.rows[:300])), "logged")
    found = hold_out(task, dataset(distinct(10)), new, learned, 0)
    assert len(found.test.rows) == 40
    assert learned.hashes <= found.new.hashes


def test_rows_that_a_task_pins_are_not_judged_on():
    task = TASKS["iris"]
    rows = np.concatenate([np.array(task.pinned), distinct(300)[:, :4]]).astype(np.float32)
    new = dataset(rows, np.arange(301) % 3)
    for seed in range(10):
        found = hold_out(task, dataset(distinct(10, 999)[:, :4]), new, NOTHING, seed)
        assert hash_rows(rows[:1])[0] in found.new.hashes


def test_the_proof_counts_and_names_each_part(task):
    learned = LearnedRows(frozenset(hash_rows(distinct(10).astype(np.float32))), "old data")
    proof = hold_out(task, dataset(distinct(10)), dataset(distinct(500, 100)), learned, 0).proof
    assert {part: rows["rows"] for part, rows in proof["rows"].items()} == {
        "old": 10,
        "new": 400,
        "test": 100,
        "champion": 10,
    }
    assert proof["rows"]["champion"]["digest"] == digest_of(learned.hashes)
    assert proof["shared"] == {"old and test": 0, "new and test": 0, "champion and test": 0}
    assert proof["champion's rows known from"] == "old data"


def test_too_few_new_rows_are_counted_with_those_that_are_no_longer_new(task):
    new = dataset(distinct(150, 100))
    learned = LearnedRows(frozenset(hash_rows(new.rows[:70])), "logged")
    with pytest.raises(DataError, match=r"80 rows .* \(70 more .* until there are 100"):
        hold_out(task, dataset(distinct(10)), new, learned, 0)


def test_one_class_only_is_refused(task):
    new = replace(dataset(distinct(200)), answers=np.zeros(200, dtype=int))
    with pytest.raises(DataError, match="one class only, 'no_default'"):
        hold_out(task, dataset(distinct(10)), new, NOTHING, 0)


def test_newest_rows_of_one_class_are_refused(task):
    new = dataset(distinct(200), [1] * 150 + [0] * 50, np.arange(200))
    with pytest.raises(DataError, match="test rows are all of class 'no_default'"):
        hold_out(task, dataset(distinct(10)), new, NOTHING, 0)


def test_of_fewer_places_than_five_one_is_drawn():
    for seed in range(12):
        assert len(drawn_fifth(TASKS["iris"], np.arange(3), np.zeros(3, dtype=int), seed)) == 1
