"""Each condition of the gate can fail, and says with its numbers why."""

from dataclasses import replace

import pytest

from training.retraining.bootstrap import ImprovementInterval
from training.retraining.evaluation import Judgement, RowGroup, SideMetrics
from training.retraining.gate import Cost, GateLimits, decide, number, same_schema

COST = Cost(10_000, 0.1, 0.5)


def group(choice, rows, before, after, metric="mae"):
    better = ImprovementInterval(before - after, 0, 1) if rows >= 30 else None
    return RowGroup(
        "sexe",
        choice,
        rows,
        None,
        SideMetrics({metric: before}, None),
        SideMetrics({metric: after}, None),
        better,
    )


@pytest.fixture
def amounts():
    """A regression whose challenger passes."""
    return Judgement(
        metric="mse",
        rows=400,
        champion=SideMetrics({"mse": 100.0}, None),
        challenger=SideMetrics({"mse": 80.0}, None),
        better=ImprovementInterval(20.0, 8.0, 31.0),
        groups=(group("F", 200, 10, 9), group("H", 190, 10, 10.5), group("X", 10, 10, 99)),
        calibration={"bias": (-3.0, 2.5)},
        spread=40.0,
    )


@pytest.fixture
def classes():
    """A classification whose challenger passes."""
    return Judgement(
        metric="accuracy",
        rows=400,
        champion=SideMetrics({"accuracy": 0.8}, None),
        challenger=SideMetrics({"accuracy": 0.85}, None),
        better=ImprovementInterval(0.05, 0.01, 0.09),
        groups=(group("F", 200, 0.8, 0.86, "accuracy"), group("H", 200, 0.8, 0.76, "accuracy")),
        calibration={"brier": (0.2, 0.205), "ece": (0.05, 0.07)},
        spread=1.0,
    )


def failed(found, champion=COST, challenger=COST, **limits):
    return {
        one.name: one.reason
        for one in decide(found, champion, challenger, GateLimits(**limits))
        if not one.passed
    }


def test_a_better_model_passes(amounts, classes):
    assert failed(amounts) == failed(classes) == {}


def test_the_lower_end_of_the_interval_decides_and_not_its_middle(amounts):
    reason = failed(replace(amounts, better=ImprovementInterval(20.0, -1.5, 41.0)))["better"]
    assert "mse changes by -20" in reason
    assert "-1.5 to 41" in reason


def test_an_equal_model_is_not_better(classes):
    assert "better" in failed(replace(classes, better=ImprovementInterval(0.0, 0.0, 0.0)))


def test_an_interval_that_is_no_number_is_above_nothing(classes):
    nan = float("nan")
    assert "better" in failed(replace(classes, better=ImprovementInterval(nan, nan, nan)))


def test_the_margin_of_an_error_is_a_share_of_the_champions(amounts):
    assert failed(amounts, margin=0.07) == {}
    assert "its lower end must be above 9" in failed(amounts, margin=0.09)["better"]


def test_the_margin_of_a_share_is_in_its_own_unit(classes):
    assert failed(classes, margin=0.009) == {}
    assert "better" in failed(classes, margin=0.01)


def test_a_group_that_does_worse_refuses_by_its_name(amounts):
    worse = (group("F", 200, 10, 9), group("H", 190, 10, 11.2))
    assert (
        "Worse by more than 10%: sexe=H by 12.0% (190 rows)"
        in failed(replace(amounts, groups=worse))["groups"]
    )


def test_a_groups_accuracy_may_fall_by_half_as_much(classes):
    worse = (group("F", 200, 0.8, 0.9, "accuracy"), group("H", 200, 0.8, 0.74, "accuracy"))
    assert "sexe=H by 6.0%" in failed(replace(classes, groups=worse))["groups"]


def test_every_group_that_does_worse_is_named(amounts):
    worse = (group("F", 200, 10, 12), group("H", 190, 10, 13))
    reason = failed(replace(amounts, groups=worse))["groups"]
    assert "sexe=F by 20.0%" in reason
    assert "sexe=H by 30.0%" in reason


def test_a_group_of_few_rows_is_said_to_be_so_and_decides_nothing(amounts):
    (condition,) = [one for one in decide(amounts, COST, COST, GateLimits()) if one.name == "groups"]
    assert condition.passed
    assert "Too few rows (below 30) to judge sexe=X (10)" in condition.reason


def test_a_group_in_which_the_champion_made_no_error_may_get_none(amounts):
    perfect = (group("F", 200, 0.0, 0.1),)
    assert "groups" in failed(replace(amounts, groups=perfect))


def test_amounts_that_lean_to_one_side_refuse(amounts):
    reason = failed(replace(amounts, calibration={"bias": (-1.0, 2.5)}))["bias"]
    assert reason == "The mean error is +2.5 (the champion's -1); it may be up to 2 either way."


def test_a_lean_no_larger_than_the_champions_passes(amounts):
    assert failed(replace(amounts, calibration={"bias": (-30.0, 29.0)})) == {}


@pytest.mark.parametrize("name", ["brier", "ece"])
def test_probabilities_that_are_further_off_refuse(classes, name):
    worse = dict(classes.calibration) | {name: (0.1, 0.14)}
    assert "0.1400 (the champion's 0.1000)" in failed(replace(classes, calibration=worse))[name]


def test_a_model_that_is_too_large_refuses(amounts):
    assert failed(amounts, challenger=replace(COST, size=5_000_000)) == {}
    reason = failed(amounts, challenger=replace(COST, size=5_000_001))["size"]
    assert "5,000,001 bytes (the champion's 10,000)" in reason


@pytest.mark.parametrize(("name", "field"), [("latency_one", "one"), ("latency_batch", "batch")])
def test_a_model_that_is_too_slow_refuses(amounts, name, field):
    slow = replace(COST, **{field: 3 * getattr(COST, field) + 1.01})
    assert set(failed(amounts, challenger=slow)) == {name}


def test_another_schema_refuses():
    assert same_schema("a" * 64, "a" * 64).passed
    found = same_schema("a" * 64, "b" * 64)
    assert not found.passed
    assert "aaaaaaaaaaaa" in found.reason


def test_all_that_failed_is_said_and_not_the_first_alone(amounts):
    bad = replace(amounts, better=ImprovementInterval(-9, -20, 1), calibration={"bias": (0.0, 50.0)})
    assert set(failed(bad, challenger=replace(COST, size=9_000_000, one=9.0))) == {
        "better",
        "bias",
        "size",
        "latency_one",
    }


def test_large_numbers_have_separators_and_small_ones_four_digits():
    assert [number(value) for value in (13_291_218.4, 0.0091812, -2.0)] == ["13,291,218", "0.009181", "-2"]
    assert number(120.0, signed=True) == "+120"
