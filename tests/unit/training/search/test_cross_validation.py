"""Settings become pipelines that are measured without leaks, convert, and are the same each time."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import StratifiedKFold

from concord.errors import TrainingError
from training.data.dataset import generate_rows
from training.data.split import LabelledRows, split
from training.search.cross_validation import folds, measure
from training.search.interval import fold_interval, level_with
from training.search.pipelines import build
from training.search.settings import digest
from training.search.space import Space
from training.task import SEED

QUICK = {"n_estimators": 3, "epochs": 3, "width": 4, "max_depth": 2, "n_neighbors": 3}


def part_of(task, rows):
    part = split(task, generate_rows(task, SEED), SEED).training
    chosen = np.random.default_rng(0).permutation(len(part.rows))[:rows]
    return LabelledRows(part.rows[chosen], part.answers[chosen])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iris", "loan_amount"])
def test_every_algorithms_defaults_are_measured_and_convert(task, name):
    found, part = {}, part_of(task(name), 60)
    for settings in Space.of(task(name).schema).defaults:
        quick = {key: QUICK.get(key, value) for key, value in settings.items()}
        found[settings["algorithm"]] = measure(task(name), quick, part, 2, SEED).refusal
    assert found == dict.fromkeys(found)


@pytest.mark.parametrize("name", ["film_rating", "loan_amount"])
@pytest.mark.parametrize("columns", ["spread", "scaled", "rotated", "raw"])
def test_every_view_of_the_columns_converts(task, name, columns):
    algorithm = "decision_tree" if name == "film_rating" else "ridge"
    own = {"max_depth": 3} if name == "film_rating" else {"alpha": 1.0, "degree": 2}
    settings = {"algorithm": algorithm, "columns": columns, "one_hot": True, **own}
    assert measure(task(name), settings, part_of(task(name), 60), 2, SEED).refusal is None


def test_a_row_is_judged_by_a_model_that_has_not_learned_from_it(task):
    part = part_of(task("iris"), 100)
    judged = np.concatenate([judged for _, judged in folds(task("iris"), part, 5, SEED)])
    assert sorted(judged) == list(range(100))
    assert all(not set(one) & set(two) for one, two in folds(task("iris"), part, 5, SEED))


def test_rows_of_equal_features_are_in_one_fold(task):
    part = part_of(task("iris"), 60)
    part = LabelledRows(np.repeat(part.rows, 3, axis=0), np.arange(180) % 3)
    parted = folds(task("iris"), part, 5, SEED)
    assert sorted(np.concatenate([judged for _, judged in parted])) == list(range(180))
    for learned, judged in parted:
        hashes = [
            LabelledRows(part.rows[places], part.answers[places]).hashes for places in (learned, judged)
        ]
        assert not hashes[0] & hashes[1]
        assert set(part.answers[learned]) == {0, 1, 2}


def test_without_equal_rows_the_folds_are_scikit_learns(task):
    rows = np.random.default_rng(0).random((90, 4), dtype=np.float32)
    part = LabelledRows(rows, np.arange(90) % 3)
    usual = StratifiedKFold(5, shuffle=True, random_state=SEED).split(part.rows, part.answers)
    for one, other in zip(folds(task("iris"), part, 5, SEED), usual, strict=True):
        assert all(np.array_equal(*places) for places in zip(one, other, strict=True))


def test_answers_drawn_at_random_are_not_learned(task):
    """A tree that knows its training rows by heart would score 1 if one of them were judged."""
    part = part_of(task("iris"), 100)
    drawn = LabelledRows(part.rows, np.random.default_rng(1).permutation(part.answers))
    settings = {"algorithm": "decision_tree", "columns": "raw", "max_depth": 16, "min_samples_leaf": 1}
    assert np.mean(measure(task("iris"), settings, drawn, 5, SEED).metrics["accuracy"]) < 0.55


def test_what_cannot_be_served_says_why(task, monkeypatch):
    def refuse(*_):
        raise TrainingError("It has no converter.")

    monkeypatch.setattr("training.search.cross_validation.convert", refuse)
    settings = Space.of(task("iris").schema).defaults[0]
    measured = measure(task("iris"), settings, part_of(task("iris"), 60), 2, SEED)
    assert (measured.size, measured.refusal) == (None, "It has no converter.")


def test_an_unknown_algorithm_is_named(task):
    with pytest.raises(TrainingError, match="'oracle' is no algorithm for it; there are logistic_regression"):
        build(task("iris"), {"algorithm": "oracle"}, SEED)


def test_the_same_settings_build_the_same_pipeline(task):
    settings = Space.of(task("iris").schema).defaults[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert str(build(task("iris"), settings, 1)) == str(build(task("iris"), settings, 1))


def test_settings_come_back_from_the_optimisers_names(task):
    space = Space.of(task("loan_amount").schema)
    for settings in space.defaults:
        assert space.settings(space.params(settings)) == settings
        assert space.params(settings).keys() == space.distributions(settings["algorithm"]).keys()


def test_defaults_lie_within_their_ranges(task):
    for name in ("iris", "loan_amount"):
        space = Space.of(task(name).schema)
        for settings in space.defaults:
            drawn = space.distributions(settings["algorithm"])
            assert all(
                drawn[key]._contains(drawn[key].to_internal_repr(value))
                for key, value in space.params(settings).items()
            )


def test_settings_in_another_order_are_the_same():
    assert digest({"algorithm": "knn", "p": 1}) == digest({"p": 1, "algorithm": "knn"})


def test_the_interval_is_nadeau_and_bengios():
    scores = [0.7, 0.8, 0.75, 0.72, 0.78]
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + 1 / 4) * np.var(scores, ddof=1))
    found = fold_interval(scores)
    assert (found.mean, found.low, found.high) == pytest.approx((0.75, 0.75 - half, 0.75 + half))


def test_who_is_better_on_every_fold_by_as_much_is_not_level():
    leader = [0.9, 0.8, 0.85, 0.95, 0.9]
    assert not level_with(leader, [score - 0.1 for score in leader])
    assert level_with(leader, [0.8, 0.9, 0.8, 0.9, 1.0])
