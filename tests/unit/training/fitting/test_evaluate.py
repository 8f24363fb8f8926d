"""Metrics are what their names say, on numbers that can be counted by hand."""

import numpy as np
import pytest

from training.fitting.evaluate import evaluate


def test_two_classes_are_judged_by_the_second(task):
    votes = np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.2, 0.8]])
    found = evaluate(task("loan_default").schema, votes, np.array([0, 1, 0, 1]))
    assert found["accuracy"] == found["precision"] == found["recall"] == found["f1"] == 0.5
    assert found["roc_auc"] == 0.75
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.04) / 4)


def test_three_classes_are_judged_by_their_plain_mean(task):
    votes = np.eye(3)[[0, 1, 1]] * 0.7 + 0.1
    found = evaluate(task("iris").schema, votes, np.array([0, 1, 2]))
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.8, 0.1]).mean())


def test_values_are_judged_by_their_distance(task):
    found = evaluate(task("loan_amount").schema, np.array([[1.0], [2.0], [6.0]]), np.array([1.0, 2.0, 3.0]))
    assert (found["mae"], found["mse"], found["r2"]) == (1.0, 3.0, pytest.approx(1 - 9 / 2))
