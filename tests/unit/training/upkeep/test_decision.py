"""What upkeep decides: every way from one phase to the next, and every reason to wait."""

from dataclasses import replace

import pytest

from concord.types.models import Comparison, Contender
from training.upkeep.decision import ModelState, decide, describe_comparison
from training.upkeep.limits import UpkeepLimits
from training.upkeep.notes import Note

LIMITS = UpkeepLimits(
    retrain_labels=100, fresh_labels=1000, pause_labels=50,
    probation_labels=60, probation_most=500, watch_labels=200,
)  # fmt: skip
SERVING = ModelState("iris.knn", "serving", "7")


def compared(verdict, rounds, phase="probation"):
    """A comparison of champion 7 and challenger 8."""
    difference = {"better": 0.2, "worse": -0.2}.get(verdict, 0.01)
    low, high = difference - 0.1, difference + 0.1
    return Comparison(
        "iris.knn", phase, None, "hit", Contender("7", 0.7), Contender("8", 0.7 + difference),
        rounds, difference, low, high, verdict,
    )  # fmt: skip


def tried(verdict, rounds):
    return ModelState("iris.knn", "probation", "7", "8", comparison=compared(verdict, rounds))


def watched(verdict, rounds):
    return ModelState("iris.knn", "watch", "7", "8", comparison=compared(verdict, rounds, "watch"))


@pytest.mark.parametrize(
    ("seen", "action"),
    [
        (tried("better", 60), "promote"),
        (tried("better", 59), "wait"),
        (tried("worse", 40), "dismiss"),
        (tried("undecided", 499), "wait"),
        (tried("undecided", 500), "dismiss"),
        (tried("too_few", 3), "wait"),
        (watched("better", 40), "rollback"),
        (watched("better", 400), "rollback"),
        (watched("worse", 199), "wait"),
        (watched("undecided", 200), "dismiss"),
        (watched("too_few", 0), "wait"),
    ],
)
def test_labels_decide_over_a_challenger_and_over_a_new_champion(seen, action):
    assert decide(seen, LIMITS).action == action


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"drifted": ("age",), "labels": 100}, "retrain"),
        ({"drifted": ("age",), "labels": 99}, "wait"),
        ({"labels": 1000}, "retrain"),
        ({"labels": 999}, "wait"),
        ({"drifted": ("age",), "labels": 100, "can_retrain": False}, "wait"),
        ({"passed": "8"}, "challenge"),
        ({"passed": "8", "drifted": ("age",), "labels": 100}, "challenge"),
    ],
)
def test_drift_or_many_labels_lead_to_a_retraining_and_what_passed_is_brought_in(changes, action):
    assert decide(replace(SERVING, **changes), LIMITS).action == action


@pytest.mark.parametrize(("news", "action"), [(49, "wait"), (50, "retrain")])
def test_after_a_refusal_it_is_tried_again_only_with_news(news, action):
    note = Note("7", "2026-11-21T10:00:00Z", "The gate refused.")
    seen = replace(SERVING, drifted=("age",), labels=400, note=note, labels_since_note=news)
    found = decide(seen, LIMITS)
    assert found.action == action
    assert ("The gate refused." in found.why) == (action == "wait")


def test_no_labels_ever_lead_to_a_retraining_where_that_is_switched_off():
    limits = LIMITS.model_copy(update={"fresh_labels": 0})
    assert decide(replace(SERVING, labels=10**6), limits).action == "wait"


@pytest.mark.parametrize(
    "changes",
    [{"rolling": True}, {"champion": None}, {"problem": "MLflow is away."}],
    ids=["rolling", "unknown", "a problem"],
)
@pytest.mark.parametrize(
    "seen", [tried("better", 400), watched("better", 400), replace(SERVING, drifted=("age",), labels=1000)]
)
def test_nothing_is_done_to_a_model_that_is_not_seen_clearly(seen, changes):
    assert decide(replace(seen, **changes), LIMITS).action == "wait"


@pytest.mark.parametrize("seen", [tried("better", 400), watched("better", 400)])
def test_a_challenger_that_answers_no_more_is_sent_away(seen):
    found = decide(replace(seen, dropped="It failed.", comparison=None), LIMITS)
    assert (found.action, found.why) == ("dismiss", "Version 8 answers no more: It failed.")


def test_a_challenge_names_its_version():
    assert decide(replace(SERVING, passed="8"), LIMITS).version == "8"


def test_a_reason_carries_its_numbers():
    assert decide(tried("better", 60), LIMITS).why == (
        "It is better than version 7: hit 0.900 of the challenger, 0.700 of the champion, +0.200 "
        "(+0.100 to +0.300) on 60 labelled rounds."
    )
    nothing = replace(compared("too_few", 0), difference=None, low=None, high=None)
    assert describe_comparison(nothing) == "no labelled round yet that both answered"
