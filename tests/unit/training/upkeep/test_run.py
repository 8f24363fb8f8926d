"""What a pass does with its decisions, and what it leaves behind when something is in the way."""

from dataclasses import replace

import pytest

from concord.errors import DataError, Refused, ServiceAway, TrainingError
from tests.unit.training.upkeep.world import BORN, NOW, passed, probation, view

LATER = "2026-11-20T00:00:00+00:00"


def due(world, *nodes):
    """Has these models ask for a retraining, by many labels."""
    world.views = [view(node) for node in nodes]
    world.labels = [LATER] * 10


def test_a_better_challenger_is_promoted_on_the_versions_that_were_seen(world):
    model, world.comparisons["iris.knn"] = probation("better")
    world.views = [model]
    assert world.run()["iris.knn"].done == "promoted"
    assert world.steps == ["promote iris.knn None 1 2"]


def test_a_worse_challenger_is_noted_and_then_dismissed(world):
    model, world.comparisons["iris.knn"] = probation("worse")
    world.views = [model]
    assert world.run()["iris.knn"].done == "dismissed"
    assert world.steps == ["note iris.knn 2", "dismiss iris.knn None 1 2"]
    assert world.kept["iris.knn"].until == NOW


def test_a_new_champion_that_is_worse_is_rolled_back_and_not_brought_in_again(world):
    model, world.comparisons["iris.knn"] = probation("better", phase="watch")
    world.views = [model]
    assert world.run()["iris.knn"].done == "rolled back"
    note = world.kept["iris.knn"]
    assert (note.champion, note.version) == ("2", "1")


def test_a_watch_that_ends_well_leaves_no_note(world):
    model, world.comparisons["iris.knn"] = probation("undecided", rounds=200, phase="watch")
    world.views = [model]
    world.run()
    assert world.steps == ["dismiss iris.knn None 1 2"]


def test_models_of_a_task_are_retrained_together_and_those_that_pass_challenge(world):
    due(world, "knn", "svm")
    world.outcomes = [passed("iris.knn"), passed("iris.svm", None)]
    lines = world.run()
    assert (lines["iris.knn"].done, lines["iris.svm"].done) == ("challenged", "refused")
    assert world.steps[-3:] == ["retrain iris knn svm", "challenge iris.knn 2 1 None", "note iris.svm None"]


def test_a_refusal_is_remembered_until_there_is_news(world):
    due(world, "knn")
    world.outcomes = [passed("iris.knn", None)]
    world.run()
    assert world.run()["iris.knn"].done == "nothing"
    world.labels += ["2026-11-22T00:00:00+00:00"] * 3
    assert world.run()["iris.knn"].done == "refused"


def test_a_note_about_another_champion_counts_no_more(world):
    due(world, "knn")
    world.outcomes = [passed("iris.knn", None)]
    world.run()
    registry = world.views[0].registry
    world.views = [view(champion="2", registry=registry)]
    world.outcomes = [passed("iris.knn", "3")]
    assert world.run()["iris.knn"].done == "challenged"


def test_labels_are_counted_from_when_the_champion_was_registered(world):
    due(world, "knn", "svm")
    world.labels = ["2026-10-01T00:00:00+00:00"] * 10
    assert {line.done for line in world.run().values()} == {"nothing"}
    assert world.steps == [f"count since {BORN}"]


def test_a_pass_that_meets_another_one_succeeds_and_says_so(world):
    model, world.comparisons["iris.knn"] = probation("better")
    world.views = [model]
    world.refusal = Refused("It has champion 2 by now.", status=409, code="conflict")
    line = world.run()["iris.knn"]
    assert (line.done, line.why) == ("too late", "Somebody else was quicker: It has champion 2 by now.")


def test_a_refused_decision_is_a_failure_and_the_next_model_is_looked_at(world):
    model, world.comparisons["iris.knn"] = probation("better")
    world.views = [model, view("svm")]
    world.refusal = Refused("Decisions need a token that administers.", status=403, code="forbidden")
    lines = world.run()
    assert (lines["iris.knn"].done, lines["iris.svm"].done) == ("failed", "nothing")
    assert "needs a token" in lines["iris.knn"].why or "need a token" in lines["iris.knn"].why


def test_a_model_that_cannot_be_looked_at_leaves_the_others_alone(world):
    model, _ = probation()
    world.comparisons["iris.knn"] = Refused("Rounds are read with a token.", status=401, code="unauthorized")
    world.views = [model, view("svm")]
    lines = world.run()
    assert (lines["iris.knn"].done, lines["iris.svm"].done) == ("failed", "nothing")


def test_too_few_rows_to_judge_on_are_waited_for(world):
    due(world, "knn")
    world.outcomes = DataError("Too few of a class.")
    assert world.run()["iris.knn"].done == "nothing"
    assert world.kept == {}


@pytest.mark.parametrize("error", [TrainingError("No node has a champion.")])
def test_a_retraining_that_breaks_is_a_failure(world, error):
    due(world, "knn")
    world.outcomes = error
    line = world.run()["iris.knn"]
    assert line.done == "failed"
    assert error.message in line.why


def test_a_service_that_goes_away_ends_the_pass(world):
    model, _ = probation()
    world.comparisons["iris.knn"] = ServiceAway("Nobody answers.")
    world.views = [model]
    with pytest.raises(ServiceAway):
        world.run()


def test_a_version_that_passed_by_hand_is_brought_in_unless_it_was_refused(world):
    from dataclasses import replace

    world.views = [view()]
    world.views = [replace(world.views[0], registry=replace(world.views[0].registry, challenger="2"))]
    assert world.run()["iris.knn"].done == "challenged"
    model, world.comparisons["iris.knn"] = probation("worse")
    waiting, world.views = world.views, [model]
    world.run()
    world.views = waiting
    assert world.run()["iris.knn"].done == "nothing"


def test_drift_that_cannot_be_seen_is_not_taken_for_none(world):
    world.views = [view("knn"), view("svm")]
    world.report = Refused("The journal is away.", status=503, code="journal_unavailable")
    lines = world.run()
    assert {line.done for line in lines.values()} == {"failed"}
    assert lines["iris.svm"].why == "The journal is away."


def test_a_champion_without_a_name_in_the_registry_is_not_retrained(world):
    due(world, "knn")
    world.views = [replace(one, registry=replace(one.registry, champion=None)) for one in world.views]
    assert "cannot be retrained from here" in world.run()["iris.knn"].why
