"""Decisions about versions in the ledger: what they leave in an account, and whose record goes on."""

import dataclasses

import pytest

from concord.errors import Conflict, InvalidInput
from concord.ledger import events
from concord.ledger.events import Decision, Learned, NodeSums, TrialSums
from concord.ledger.state import State, fold
from concord.policies.scoring import Trial
from concord.policies.stake import MICRO
from concord.policies.voting import PPM

AT = 1_700_000_000_000_000


class Ledger:
    """A task with one node whose version 7 is recorded, event by event."""

    def __init__(self):
        opened = events.open_account("t", "knn", 1000 * MICRO, 900_000, "7")
        self.state = fold(State(), [events.params("t", "wager"), opened])
        self.batch = 0

    @property
    def account(self):
        return self.state.task("t").account("knn")

    def add(self, *made):
        # As a store has it: what is folded was written and read again.
        self.state = State.from_json(fold(self.state, made).to_json())

    def appoint(self, action, version, before, at=AT):
        decision = Decision(action, version, before, "operator", "why")
        self.add(events.appoint("t", "knn", decision, at, self.account.changes))

    def serve(self, version):
        self.add(events.promote("t", "knn", version, self.account.changes))

    def settle(self, rounds=0, score=0, trial=None):
        """Labelled rounds of the version on record, and of one beside it."""
        self.batch += 1
        nodes = {"knn": NodeSums(rounds, 0, 0, score * PPM, 0, rounds)} if rounds else {}
        trials = {"knn": TrialSums(trial[0], trial[1], trial[2] * PPM)} if trial else {}
        self.add(
            events.settle(
                str(self.batch),
                "t",
                "wager",
                rounds=max(rounds, 1),
                root="",
                nodes=nodes,
                learned=Learned(trials, 500),
            )
        )


@pytest.fixture
def ledger():
    return Ledger()


def test_an_account_knows_its_last_decision_and_when_it_was_made(ledger):
    ledger.settle(1, 1)
    ledger.appoint("challenge", "9", "7")
    last = ledger.account.appointment
    assert (last.action, last.version, last.before, last.by, last.at) == (
        "challenge",
        "9",
        "7",
        "operator",
        AT,
    )
    assert (last.challenger, last.previous, last.sigma, last.number) == ("9", None, 500, 0)
    assert ledger.account.changes == 1


def test_what_a_rollback_returns_to_outlives_all_but_a_rollback(ledger):
    seen = []
    for step in (
        ("challenge", "9", "7"),
        ("promote", "9", "7"),
        ("dismiss", "7", "9"),
        ("challenge", "10", "9"),
        ("rollback", "7", "9"),
    ):
        ledger.appoint(*step)
        seen.append(ledger.account.appointment.previous)
    assert seen == [None, "7", "7", "7", None]


def test_two_who_decide_at_once_cannot_both(ledger):
    made = [
        events.appoint("t", "knn", Decision(action, "9", "7", "operator", "why"), AT, 0)
        for action in ("challenge", "promote")
    ]
    assert made[0].key == made[1].key
    assert made[0].body != made[1].body


def test_a_decision_that_is_none_is_refused(ledger):
    with pytest.raises(InvalidInput, match="no decision"):
        ledger.appoint("praise", "9", "7")


def test_the_one_that_is_promoted_goes_on_from_its_trial_and_the_former_from_its_record(ledger):
    ledger.settle(40, 30)
    ledger.appoint("challenge", "9", "7")
    ledger.settle(30, 20, trial=("9", 30, 27))
    seven, nine = ledger.account, ledger.account.trial
    ledger.appoint("promote", "9", "7")
    ledger.serve("9")
    now = ledger.account
    assert (now.version, now.score, now.answered) == ("9", nine.score, nine.answered)
    assert now.trial == Trial("7", seven.labelled, seven.score, seven.answered)


def test_after_a_rollback_the_former_record_goes_on_with_what_it_answered_as_shadow(ledger):
    ledger.settle(40, 30)
    ledger.appoint("promote", "9", "7")
    ledger.serve("9")
    ledger.settle(10, 2, trial=("7", 10, 9))
    shadow = ledger.account.trial
    ledger.appoint("rollback", "7", "9")
    ledger.serve("7")
    now = ledger.account
    assert shadow.rounds == 50
    assert (now.version, now.score, now.answered, now.trial) == ("7", shadow.score, shadow.answered, None)


def test_rounds_while_a_promotion_is_rolled_leave_the_trial_alone(ledger):
    ledger.appoint("challenge", "9", "7")
    ledger.settle(30, 20, trial=("9", 30, 27))
    nine = ledger.account.trial
    ledger.appoint("promote", "9", "7")
    # The pods are new already, and the account's version is not.
    ledger.settle(3, 3, trial=("7", 3, 3))
    assert ledger.account.trial == nine
    ledger.serve("9")
    assert ledger.account.score == nine.score


def test_late_labels_of_a_former_challenger_leave_the_trial_alone(ledger):
    ledger.appoint("challenge", "10", "7")
    ledger.settle(trial=("10", 5, 5))
    ledger.settle(trial=("9", 30, 3))
    assert (ledger.account.trial.version, ledger.account.trial.rounds) == ("10", 5)


def test_an_entry_that_somebody_wrote_by_hand_has_its_trial_all_the_same(ledger):
    ledger.appoint("challenge", "9", "7")
    ledger.appoint("dismiss", "9", "7")
    ledger.settle(trial=("12", 5, 5))
    assert ledger.account.trial.version == "12"


def test_without_a_decision_everything_is_as_it_was(ledger):
    ledger.settle(40, 30, trial=("9", 5, 5))
    ledger.settle(1, 1, trial=("8", 1, 1))
    assert ledger.account.trial.version == "8"
    ledger.serve("9")
    assert ledger.account.trial.version == "8"
    assert "appointment" not in ledger.state.to_json()["tasks"]["t"]["accounts"]["knn"]


def test_a_version_that_is_served_already_is_not_recorded_again(ledger):
    with pytest.raises(Conflict):
        ledger.serve("7")


def test_a_decision_moves_no_stake(ledger):
    before = ledger.account
    ledger.appoint("promote", "9", "7")
    same = dataclasses.replace(ledger.account, appointment=None, changes=0)
    assert same == before
