"""The interval of a paired difference is what the definitions, and SciPy, say it is."""

import numpy as np
import pytest
from scipy import stats

from training.fitting.evaluate import evaluate
from training.retraining.bootstrap import improvement, measure
from training.tasks import discover

TASKS = discover()
VALUES = ("r2", "mae", "mse")
CLASSES = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")


@pytest.fixture
def random():
    return np.random.default_rng(3)


@pytest.fixture
def votes_of_classes(random):
    """Votes of two or three classes with ties among them, and true answers."""
    return lambda classes, rows=60: (
        np.round(random.dirichlet(np.ones(classes), rows) + 0.01, 1) + 0.01,
        random.integers(classes, size=rows),
    )


def repeated(votes, answers, counts):
    places = np.repeat(np.arange(len(answers)), counts.astype(int))
    return votes[places], answers[places]


@pytest.mark.parametrize("metric", VALUES)
def test_a_draw_of_amounts_measures_as_its_rows_written_out_do(random, metric):
    votes, answers = random.normal(9000, 4000, (50, 1)), random.normal(9000, 4000, 50)
    counts = random.multinomial(50, np.full(50, 1 / 50), size=4).astype(float)
    found = measure(metric, votes, answers, counts)
    for value, draw in zip(found, counts, strict=True):
        expected = evaluate(TASKS["loan_amount"].schema, *repeated(votes, answers, draw))[metric]
        assert value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric", CLASSES)
@pytest.mark.parametrize(("name", "classes"), [("loan_default", 2), ("iris", 3)])
def test_a_draw_of_classes_measures_as_its_rows_written_out_do(
    random, votes_of_classes, metric, name, classes
):
    votes, answers = votes_of_classes(classes)
    counts = random.multinomial(60, np.full(60, 1 / 60), size=4).astype(float)
    found = measure(metric, votes, answers, counts)
    for value, draw in zip(found, counts, strict=True):
        expected = evaluate(TASKS[name].schema, *repeated(votes, answers, draw))[metric]
        assert value == pytest.approx(expected, rel=1e-9)


def test_the_interval_is_scipys(random):
    answers = random.normal(size=300)
    champion = (answers + random.normal(0, 1.0, 300)).reshape(-1, 1)
    challenger = (answers + random.normal(0, 0.8, 300)).reshape(-1, 1)
    ours = improvement("mse", champion, challenger, answers, 1)
    gains = (champion[:, 0] - answers) ** 2 - (challenger[:, 0] - answers) ** 2
    theirs = stats.bootstrap((gains,), np.mean, n_resamples=9999, method="percentile", rng=2)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.estimate == pytest.approx(gains.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=width / 20)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=width / 20)


def test_a_model_is_no_better_than_itself(votes_of_classes):
    votes, answers = votes_of_classes(3)
    found = improvement("accuracy", votes, votes, answers, 0)
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)


def test_less_error_and_more_accuracy_are_both_above_zero():
    answers = np.array([0, 1] * 20)
    good, bad = np.eye(2)[answers] * 0.8 + 0.1, np.full((40, 2), [0.6, 0.4])
    assert improvement("accuracy", bad, good, answers, 0).low > 0
    assert improvement("log_loss", bad, good, answers, 0).low > 0
    assert improvement("log_loss", good, bad, answers, 0).high < 0


def test_hard_rows_cancel_out_because_both_models_meet_the_same_draw(random):
    answers = random.normal(0, 1000, 200)
    noise = random.standard_cauchy(200) * 100
    champion, challenger = (answers + noise + 5).reshape(-1, 1), (answers + noise).reshape(-1, 1)
    found = improvement("mae", champion, challenger, answers, 0)
    alone = np.abs(noise).std() / np.sqrt(200)
    assert found.high - found.low < alone


def test_the_same_seed_draws_the_same(votes_of_classes):
    (one, answers), (other, _) = votes_of_classes(2), votes_of_classes(2)
    assert improvement("roc_auc", one, other, answers, 5) == improvement("roc_auc", one, other, answers, 5)
    assert improvement("roc_auc", one, other, answers, 5) != improvement("roc_auc", one, other, answers, 6)


def test_draws_in_chunks_are_the_draws_at_once(votes_of_classes, monkeypatch):
    (one, answers), (other, _) = votes_of_classes(2), votes_of_classes(2)
    whole = improvement("accuracy", one, other, answers, 5)
    monkeypatch.setattr("training.retraining.bootstrap.AT_ONCE", 60 * 7)
    assert improvement("accuracy", one, other, answers, 5) == whole


def test_an_area_without_a_second_class_is_no_number_and_no_margin_is_below_it(votes_of_classes):
    votes, _ = votes_of_classes(2)
    found = improvement("roc_auc", votes, votes, np.zeros(60, dtype=int), 0)
    assert np.isnan([found.estimate, found.low, found.high]).all()
