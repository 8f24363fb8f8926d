"""What a decision comes to, on every state that the node, its entry and the ledger can be in."""

import dataclasses

import pytest

from concord.errors import Conflict, InvalidInput
from concord.policies.stake import Appointment
from concord.rollout.desired import Entry
from concord.rollout.planning import RolloutRequest, decide
from concord.rollout.state import PACKAGED, RolloutState


def decided(action, version, before, previous=None):
    return Appointment(action, version, before, "operator", 10, 0, previous)


def node(champion=None, challenger=None, last=None, **more):
    """A node that serves what its entry says, or version 7 of its image."""
    stated = {"served": champion or "7", "tried": challenger} | more
    return RolloutState("iris.knn", entry=Entry(champion, challenger), appointment=last, **stated)


SERVING = node("7")
PROBATION = node("7", "9", decided("challenge", "9", "7"))
WATCH = node("9", "7", decided("promote", "9", "7", "7"))
BACK = node("7", None, decided("rollback", "7", "9"))
ENDED = node("9", None, decided("dismiss", "7", "9", "7"))


def plan(seen, action, version=None, expect=None, shadow="7"):
    found = decide(seen, RolloutRequest(action, version, expect, shadow))
    return found.version, found.before, (found.entry.champion, found.entry.challenger), found.is_said


@pytest.mark.parametrize(
    ("seen", "phase", "since", "returns_to"),
    [
        (SERVING, "serving", None, None),
        (PROBATION, "probation", 10, None),
        (WATCH, "watch", 10, "7"),
        (BACK, "serving", 10, None),
        (ENDED, "serving", 10, "7"),
        # An entry that somebody wrote by hand: nobody said since when.
        (node("7", "9"), "probation", None, None),
        (node("7", "10", decided("challenge", "9", "7")), "probation", None, None),
        # Promoted by a process that died before it could say so.
        (node("9", "7", decided("challenge", "9", "7")), "watch", None, None),
    ],
)
def test_a_phase_follows_from_what_is_wanted_and_what_was_decided(seen, phase, since, returns_to):
    assert (seen.phase, seen.since, seen.returns_to) == (phase, since, returns_to)


@pytest.mark.parametrize(
    ("seen", "rolls"),
    [
        (SERVING, False),
        (node("9", served="7"), True),
        (node("7", "9", tried=None), True),
        (node("7", None, tried="9"), True),
        (node("7", "9", tried="9"), False),
        (node("7", "9", tried=None, dropped="It failed."), False),
        (node("7", "@challenger", tried="9"), False),
        (node("9", served=None), False),
        (node(None, None, decided("rollback", PACKAGED, "9"), served="9"), True),
        (node(None, None, decided("rollback", PACKAGED, "9"), served="7"), False),
        (node("9", "7", decided("promote", "9", "7"), recorded="7"), True),
        (node("9", "7", decided("promote", "9", "7"), recorded="9"), False),
        (node("9", recorded="7"), False),
    ],
)
def test_a_node_rolls_as_long_as_it_serves_something_else(seen, rolls):
    assert seen.rolls is rolls


def test_a_node_that_is_away_has_the_version_of_its_entry_or_of_the_ledger():
    assert node("8", served=None).champion == "8"
    assert node(served=None, recorded="6").champion == "6"
    assert node("@champion", served="5").champion == "5"


@pytest.mark.parametrize(
    ("seen", "action", "version", "expected"),
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
def test_a_decision_changes_the_entry(seen, action, version, expected):
    shadow = seen.champion
    assert plan(seen, action, version, shadow=shadow) == expected
    assert plan(seen, action, version, expect=seen.pair, shadow=shadow) == expected


def test_a_champion_that_the_registry_does_not_know_is_no_shadow():
    assert plan(node(), "promote", "9", shadow=None) == ("9", PACKAGED, ("9", None), False)
    # Nor is its number the registry's.
    assert plan(node(), "promote", "7", shadow=None) == ("7", PACKAGED, ("7", None), False)
    promoted = node("9", None, decided("promote", "9", PACKAGED, PACKAGED))
    assert promoted.phase == "serving"
    assert plan(promoted, "rollback") == (PACKAGED, "9", (None, None), False)


@pytest.mark.parametrize(
    ("seen", "action", "version", "error"),
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
def test_what_does_not_fit_is_refused(seen, action, version, error):
    with pytest.raises(error):
        plan(seen, action, version)


STEPS = [
    (SERVING, "challenge", "9", "9"),
    (PROBATION, "promote", None, "9"),
    (PROBATION, "promote", "9", "9"),
    (WATCH, "rollback", None, "7"),
    (PROBATION, "dismiss", None, "9"),
    (WATCH, "dismiss", None, "7"),
]


@pytest.mark.parametrize(("seen", "action", "version", "about"), STEPS)
def test_the_same_call_finds_that_it_was_carried_out(seen, action, version, about):
    """With what it expected: after the entry alone, and after the ledger heard of it too."""
    wish = RolloutRequest(action, version, seen.pair, seen.champion)
    first = decide(seen, wish)
    half = dataclasses.replace(seen, entry=first.entry)
    again = decide(half, wish)
    assert (again.entry, again.version, again.before, again.is_said) == (
        first.entry,
        about,
        first.before,
        False,
    )
    previous = {"promote": "7", "rollback": None}.get(action, seen.returns_to)
    whole = dataclasses.replace(half, appointment=decided(action, about, first.before, previous))
    third = decide(whole, wish)
    assert (third.entry, third.version, third.is_said) == (first.entry, about, True)


@pytest.mark.parametrize(("seen", "action", "version", "about"), STEPS)
def test_without_an_expectation_it_is_found_too_and_never_undone(seen, action, version, about):
    wish = RolloutRequest(action, version, None, seen.champion)
    first = decide(seen, wish)
    again = decide(dataclasses.replace(seen, entry=first.entry), wish)
    assert (again.entry, again.version, again.is_said) == (first.entry, about, False)


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
