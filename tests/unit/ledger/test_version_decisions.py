"""Decisions about versions in the ledger: what they leave in an account, and whose record goes on."""

import dataclasses

import pytest

from concord.errors import Conflict, InvalidInput
from concord.ledger import events
from concord.ledger.events import Decision, Learned, NodeSums, RecordTree, TrialSums
from concord.ledger.state import State, fold
from concord.policies.scoring import Trial
from concord.policies.stake import MICRO
from concord.policies.voting import PPM

D7, D9, D10 = "7" * 64, "9" * 64, "a" * 64

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

    def appoint(self, action, version, before, at=AT, digest=None):
        decision = Decision(action, version, before, "operator", "why", digest)
        self.add(events.appoint("t", "knn", decision, at, self.account.changes))

    def serve(self, version, **more):
        self.add(events.promote("t", "knn", version, self.account.changes, **more))

    def note(self, digest):
        """The node states which file version 7 is."""
        self.serve("7", digest=digest, newcomer=True)

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
                RecordTree(max(rounds, 1), ""),
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


# Newcomers: versions without a record, by an event that says so


def test_an_event_from_before_the_rule_makes_no_newcomer(ledger):
    ledger.serve("9")
    assert not ledger.account.is_newcomer


def test_a_version_that_is_promoted_under_the_rule_is_a_newcomer_for_twenty_labelled_rounds(ledger):
    ledger.serve("9", newcomer=True)
    seen = []
    for _ in range(2):
        ledger.settle(19, 10)
        seen.append((ledger.account.is_newcomer, ledger.account.known_rounds))
    assert seen == [(True, 19), (False, 38)]


def test_rounds_as_a_challenger_count_for_the_twenty(ledger):
    ledger.appoint("challenge", "9", "7")
    ledger.settle(13, 10, trial=("9", 13, 10))
    ledger.appoint("promote", "9", "7")
    ledger.serve("9", newcomer=True)
    assert ledger.account.known_rounds == 13
    ledger.settle(7, 5)
    assert not ledger.account.is_newcomer


def test_a_former_champion_that_comes_back_is_no_newcomer_though_part_of_its_rounds_was_a_trial(ledger):
    ledger.settle(30, 20)
    ledger.appoint("challenge", "9", "7")
    ledger.settle(15, 10, trial=("9", 15, 10))
    ledger.appoint("promote", "9", "7")
    ledger.serve("9", newcomer=True)
    ledger.settle(6, 5)
    ledger.appoint("promote", "10", "9")
    ledger.serve("10", newcomer=True)
    assert (ledger.account.is_newcomer, ledger.account.trial.rounds) == (True, 21)
    ledger.appoint("rollback", "9", "10")
    ledger.serve("9", newcomer=True)
    assert not ledger.account.is_newcomer


def test_an_account_that_is_opened_under_the_rule_begins_as_a_newcomer():
    opened = events.open_account("t", "knn", 1000 * MICRO, 900_000, "7", newcomer=True)
    account = fold(State(), [events.params("t", "wager"), opened]).task("t").account("knn")
    assert (account.is_newcomer, account.known_rounds) == (True, 0)


# Digests: which file was appointed


def test_an_event_without_a_digest_leaves_a_state_without_one(ledger):
    ledger.appoint("promote", "9", "7")
    ledger.serve("9")
    stored = ledger.state.to_json()["tasks"]["t"]["accounts"]["knn"]
    assert not any("digest" in key for key in (*stored, *stored["appointment"]))


def test_the_appointed_file_and_the_one_before_may_answer_and_no_other(ledger):
    ledger.note(D7)
    ledger.appoint("promote", "9", "7", digest=D9)
    account = ledger.account
    assert account.champion == ("9", D9)
    assert [account.admits(version, digest) for version, digest in (("9", D9), ("7", D7))] == [True, True]
    assert not account.admits("9", D10)
    assert not account.admits("10", D10)


def test_where_the_image_decides_any_file_may_answer(ledger):
    ledger.note(D7)
    assert ledger.account.admits("8", D9)
    ledger.appoint("challenge", "9", "7", digest=D9)
    assert ledger.account.admits("8", D10)


def test_after_a_rollback_to_the_image_any_file_may_answer(ledger):
    ledger.note(D7)
    ledger.appoint("promote", "9", "packaged", digest=D9)
    ledger.appoint("rollback", "packaged", "9")
    assert ledger.account.admits("8", D10)


def test_the_appointed_file_is_known_through_challenges_and_dismissals(ledger):
    ledger.note(D7)
    seen = []
    for action, version, before, digest in (
        ("promote", "9", "7", D9),
        ("dismiss", "7", "9", None),
        ("challenge", "10", "9", D10),
        ("dismiss", "10", "9", None),
    ):
        ledger.appoint(action, version, before, digest=digest)
        seen.append((ledger.account.champion, ledger.account.appointment.previous_digest))
    assert seen == [(("9", D9), D7)] * 4


def test_a_champion_whose_tag_was_removed_from_the_registry_stays_appointed(ledger):
    """A decision then calls it packaged, since the registry does not have it."""
    ledger.note(D7)
    ledger.appoint("promote", "9", "7", digest=D9)
    ledger.appoint("challenge", "10", "packaged", digest=D10)
    assert not ledger.account.admits("8", "8" * 64)


def test_a_challengers_file_is_known_before_and_after_its_promotion(ledger):
    ledger.note(D7)
    ledger.appoint("challenge", "9", "7", digest=D9)
    assert (ledger.account.find_digest("9"), ledger.account.appointment.challenger_digest) == (D9, D9)
    ledger.appoint("promote", "9", "7", digest=D9)
    assert (ledger.account.find_digest("7"), ledger.account.appointment.challenger_digest) == (D7, D7)
    assert ledger.account.find_digest("8") is None


def test_the_file_of_a_version_on_record_is_noted_once_and_costs_no_record(ledger):
    ledger.settle(30, 20)
    ledger.note(D7)
    assert (ledger.account.digest, ledger.account.labelled, ledger.account.is_newcomer) == (D7, 30, False)
    with pytest.raises(Conflict, match="serves version 7 already"):
        ledger.note(D7)


def test_another_file_under_the_same_number_is_another_version(ledger):
    ledger.note(D7)
    ledger.settle(30, 20)
    ledger.note(D10)
    assert (ledger.account.labelled, ledger.account.is_newcomer) == (0, True)
