"""Settings and basis are chosen on validation rows, and the test rows have no say."""

from dataclasses import replace

import numpy as np
import pytest

from concord.errors import DataError
from training.data.dataset import generate_rows
from training.data.split import LabelledRows
from training.retraining.evaluation import expected_calibration_error
from training.retraining.holdout import LearnedRows, hold_out
from training.retraining.selection import (
    Candidate,
    build_pipeline,
    choose,
    score_candidates,
    why_not_new_alone,
)
from training.tasks import discover

TASKS = discover()
LOAN, IRIS = TASKS["loan_amount"], TASKS["iris"]
RIDGE = replace(LOAN, settings={"ridge": ({}, {"ridge__alpha": 1e9})})
NOTHING = LearnedRows(frozenset(), "logged")


@pytest.fixture(scope="module")
def holdout():
    return hold_out(LOAN, generate_rows(LOAN, 1), generate_rows(LOAN, 2), NOTHING, 0)


@pytest.fixture(scope="module")
def two_species():
    """Flowers of two species only."""

    def make(seed):
        rows = np.random.default_rng(seed).random((120, 4), dtype=np.float32)
        return replace(generate_rows(IRIS, 0), rows=rows, answers=np.array([0, 1] * 60))

    return make


def tried(holdout, seeds=2):
    return score_candidates(RIDGE, "ridge", holdout, seeds, 0, lambda _: None)


@pytest.mark.slow
def test_every_basis_is_tried_with_every_setting(holdout):
    assert [(trial.basis, dict(trial.settings)) for trial in tried(holdout)] == [
        ("old and new", {}),
        ("old and new", {"ridge__alpha": 1e9}),
        ("new", {}),
        ("new", {"ridge__alpha": 1e9}),
    ]


def test_no_row_is_validated_on_whose_equal_is_learned_from(monkeypatch):
    random = np.random.default_rng(0)
    rows = random.random((120, len(LOAN.schema.features)), dtype=np.float32)
    new = replace(generate_rows(LOAN, 0), rows=np.tile(rows, (3, 1)), answers=random.random(360))
    old = replace(new, answers=random.random(360))
    seen = []
    monkeypatch.setattr("training.retraining.selection.learn", lambda *args: seen.append(args[3]))
    monkeypatch.setattr("training.retraining.selection.vote", lambda *_: np.zeros((1, 1)))
    monkeypatch.setattr("training.retraining.selection.evaluate", lambda *_: {LOAN.metric: 0.0})
    tried(hold_out(LOAN, old, new, NOTHING, 0))
    assert [parts.training.hashes & parts.test.hashes for parts in seen] == [frozenset()] * len(seen)
    assert {len(parts.test.rows) for parts in seen} == {60}


@pytest.mark.slow
def test_other_test_rows_change_no_score(holdout):
    other = replace(holdout, test=LabelledRows(holdout.test.rows[:1] * 0, np.array([1e9])))
    assert tried(other) == tried(holdout)


def test_settings_that_learn_nothing_are_not_chosen(holdout):
    assert dict(choose(RIDGE, tried(holdout)).settings) == {}


def test_dated_rows_are_validated_on_their_newest(holdout):
    """The newest fifth is unlike the rest, and only a look at it can tell."""
    times = np.arange(len(holdout.new.rows))
    turned = np.where(times >= len(times) * 0.8, -holdout.new.answers, holdout.new.answers)
    dated = replace(holdout, new=LabelledRows(holdout.new.rows, turned), times=times)
    assert all(trial.mean < 0 for trial in tried(dated))


def test_a_better_mean_within_a_standard_error_gives_way_to_more_rows():
    trials = (Candidate("old and new", {}, (0.80, 0.90, 0.85)), Candidate("new", {}, (0.83, 0.89, 0.86)))
    assert choose(LOAN, trials).basis == "old and new"


def test_a_better_mean_beyond_it_is_chosen():
    trials = (Candidate("old and new", {}, (0.80, 0.90, 0.85)), Candidate("new", {}, (0.82, 0.92, 0.87)))
    assert choose(LOAN, trials).basis == "new"


def test_of_an_error_less_is_better():
    trials = (Candidate("old and new", {}, (9.0, 9.1)), Candidate("new", {}, (5.0, 5.2)))
    assert choose(replace(LOAN, metric="mse"), trials).basis == "new"


def test_new_rows_that_lack_a_class_are_not_learned_from_alone(two_species):
    found = hold_out(IRIS, generate_rows(IRIS, 0), two_species(1), NOTHING, 0)
    assert "virginica 0" in why_not_new_alone(IRIS, found)
    assert {candidate.basis for candidate in score_candidates(IRIS, "knn", found, 1, 0, lambda _: None)} == {
        "old and new"
    }


def test_a_class_that_is_nowhere_is_an_error(two_species):
    found = hold_out(IRIS, two_species(0), two_species(1), NOTHING, 0)
    with pytest.raises(DataError, match="fewer than 20 of a class"):
        score_candidates(IRIS, "knn", found, 1, 0, lambda _: None)


def test_a_seed_reaches_every_step_that_takes_one():
    parameters = build_pipeline(LOAN, "neural_network", {"mlpregressor__alpha": 0.5}, 7).get_params()
    assert (parameters["mlpregressor__random_state"], parameters["mlpregressor__alpha"]) == (7, 0.5)


def test_a_model_as_sure_as_it_is_right_has_no_calibration_error():
    answers = np.array([0] * 8 + [1] * 2)
    assert expected_calibration_error(np.full((10, 2), [0.8, 0.2]), answers) == pytest.approx(0.0)
    assert expected_calibration_error(np.eye(2)[[0] * 10], answers) == pytest.approx(0.2)
