"""The plan of a decision, on every state that node, desired versions and ledger can be in."""

import dataclasses

import pytest

from concord.errors import Conflict, InvalidInput
from concord.ledger.state import PACKAGED
from concord.policies.stake import Appointment
from concord.rollout.planning import RolloutRequest, plan_rollout
from concord.rollout.state import RolloutState
from concord.types.models import DesiredVersions


def decided(action, version, before, previous=None):
    return Appointment(action, version, before, "operator", 10, 0, previous)


def node(champion=None, challenger=None, last=None, **more):
    """A node that serves its desired versions, or version 7 of its image."""
    stated = {"served": champion or "7", "served_challenger": challenger} | more
    return RolloutState("iris.knn", desired=DesiredVersions(champion, challenger), appointment=last, **stated)


SERVING = node("7")
PROBATION = node("7", "9", decided("challenge", "9", "7"))
WATCH = node("9", "7", decided("promote", "9", "7", "7"))
BACK = node("7", None, decided("rollback", "7", "9"))
ENDED = node("9", None, decided("dismiss", "7", "9", "7"))


def plan(state, action, version=None, expect=None, registered="7"):
    made = plan_rollout(state, RolloutRequest(action, version, expect, registered))
    return made.version, made.before, (made.desired.champion, made.desired.challenger), made.is_recorded


@pytest.mark.parametrize(
    ("state", "phase", "since", "rollback_version"),
    [
        (SERVING, "serving", None, None),
        (PROBATION, "probation", 10, None),
        (WATCH, "watch", 10, "7"),
        (BACK, "serving", 10, None),
        (ENDED, "serving", 10, "7"),
        # Desired versions that were written by hand: no decision began the phase.
        (node("7", "9"), "probation", None, None),
        (node("7", "10", decided("challenge", "9", "7")), "probation", None, None),
        # Promoted by a process that died before it wrote to the ledger.
        (node("9", "7", decided("challenge", "9", "7")), "watch", None, None),
    ],
)
def test_a_phase_follows_from_desired_versions_and_last_decision(state, phase, since, rollback_version):
    assert (state.phase, state.since, state.rollback_version) == (phase, since, rollback_version)


@pytest.mark.parametrize(
    ("state", "is_rolling"),
    [
        (SERVING, False),
        (node("9", served="7"), True),
        (node("7", "9", served_challenger=None), True),
        (node("7", None, served_challenger="9"), True),
        (node("7", "9", served_challenger="9"), False),
        (node("7", "9", served_challenger=None, dropped="It failed."), False),
        (node("7", "@challenger", served_challenger="9"), False),
        (node("9", served=None), False),
        (node(None, None, decided("rollback", PACKAGED, "9"), served="9"), True),
        (node(None, None, decided("rollback", PACKAGED, "9"), served="7"), False),
        (node("9", "7", decided("promote", "9", "7"), recorded="7"), True),
        (node("9", "7", decided("promote", "9", "7"), recorded="9"), False),
        (node("9", recorded="7"), False),
    ],
)
def test_a_node_is_rolling_as_long_as_it_serves_other_versions(state, is_rolling):
    assert state.is_rolling is is_rolling


def test_a_node_that_is_away_has_its_desired_version_or_that_of_the_ledger():
    assert node("8", served=None).champion == "8"
    assert node(served=None, recorded="6").champion == "6"
    assert node("@champion", served="5").champion == "5"


@pytest.mark.parametrize(
    ("state", "action", "version", "expected"),
    [
        (SERVING, "challenge", "9", ("9", "7", ("7", "9"), False)),
        (node(), "challenge", "9", ("9", "7", (None, "9"), False)),
        (PROBATION, "promote", None, ("9", "7", ("9", "7"), False)),
        (PROBATION, "promote", "8", ("8", "7", ("8", "7"), False)),
        (SERVING, "promote", "8", ("8", "7", ("8", "7"), False)),
        (WATCH, "rollback", None, ("7", "9", ("7", None), False)),
        (ENDED, "rollback", None, ("7", "9", ("7", None), False)),
        (PROBATION, "dismiss", None, ("9", "7", ("7", None), False)),
        (WATCH, "dismiss", None, ("7", "9", ("9", None), False)),
    ],
)
def test_a_decision_changes_the_desired_versions(state, action, version, expected):
    registered = state.champion
    assert plan(state, action, version, registered=registered) == expected
    assert plan(state, action, version, expect=state.pair, registered=registered) == expected


def test_a_champion_that_the_registry_does_not_have_does_not_become_challenger():
    assert plan(node(), "promote", "9", registered=None) == ("9", PACKAGED, ("9", None), False)
    # Nor is its number the registry's.
    assert plan(node(), "promote", "7", registered=None) == ("7", PACKAGED, ("7", None), False)
    promoted = node("9", None, decided("promote", "9", PACKAGED, PACKAGED))
    assert promoted.phase == "serving"
    assert plan(promoted, "rollback") == (PACKAGED, "9", (None, None), False)


@pytest.mark.parametrize(
    ("state", "action", "version", "error"),
    [
        (SERVING, "challenge", None, InvalidInput),
        (SERVING, "challenge", "7", Conflict),
        (PROBATION, "challenge", "10", Conflict),
        (WATCH, "challenge", "7", Conflict),
        (SERVING, "promote", None, Conflict),
        (WATCH, "promote", None, Conflict),
        # Champion already: by an older decision than the last one, or by a rollback.
        (PROBATION, "promote", "7", Conflict),
        (BACK, "promote", "7", Conflict),
        (node("9", None, decided("dismiss", "10", "9")), "promote", "9", Conflict),
        (SERVING, "rollback", None, Conflict),
        (PROBATION, "rollback", None, Conflict),
        (SERVING, "dismiss", None, Conflict),
        (node(served=None), "challenge", "9", Conflict),
    ],
)
def test_what_does_not_fit_is_refused(state, action, version, error):
    with pytest.raises(error):
        plan(state, action, version)


STEPS = [
    (SERVING, "challenge", "9", "9"),
    (PROBATION, "promote", None, "9"),
    (PROBATION, "promote", "9", "9"),
    (WATCH, "rollback", None, "7"),
    (PROBATION, "dismiss", None, "9"),
    (WATCH, "dismiss", None, "7"),
]


@pytest.mark.parametrize(("state", "action", "version", "about"), STEPS)
def test_the_same_call_finds_that_it_was_carried_out(state, action, version, about):
    """With what it expected: after the desired versions alone were written, and after the event too."""
    request = RolloutRequest(action, version, state.pair, state.champion)
    first = plan_rollout(state, request)
    half = dataclasses.replace(state, desired=first.desired)
    again = plan_rollout(half, request)
    assert (again.desired, again.version, again.before, again.is_recorded) == (
        first.desired,
        about,
        first.before,
        False,
    )
    previous = {"promote": "7", "rollback": None}.get(action, state.rollback_version)
    whole = dataclasses.replace(half, appointment=decided(action, about, first.before, previous))
    third = plan_rollout(whole, request)
    assert (third.desired, third.version, third.is_recorded) == (first.desired, about, True)


@pytest.mark.parametrize(("state", "action", "version", "about"), STEPS)
def test_without_an_expectation_it_is_found_too_and_never_undone(state, action, version, about):
    request = RolloutRequest(action, version, None, state.champion)
    first = plan_rollout(state, request)
    again = plan_rollout(dataclasses.replace(state, desired=first.desired), request)
    assert (again.desired, again.version, again.is_recorded) == (first.desired, about, False)


def test_a_rollback_that_died_half_way_came_from_the_champion_and_not_from_who_was_tried():
    half = node("7", None, decided("challenge", "10", "9", "7"))
    assert plan(half, "rollback") == ("7", "9", ("7", None), False)


def test_what_was_expected_and_is_not_is_a_conflict_and_names_both():
    with pytest.raises(Conflict, match="has champion 9 and challenger 7 by now, and not champion 6 and no"):
        plan(WATCH, "dismiss", expect=("6", None))
    with pytest.raises(Conflict):
        plan(ENDED, "dismiss", expect=("9", "8"))
    with pytest.raises(Conflict):
        plan(BACK, "rollback", expect=("7", "9"))
