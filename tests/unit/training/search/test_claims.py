"""Claims: no trial is run twice, none is lost, and there are exactly as many as were asked for."""

import threading
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import OperationalError

from training.search.agreement import Agreement
from training.search.claims import STALE_SECONDS


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_each_number_is_given_once_and_none_beyond_the_limit(claims):
    one, two = claims(), claims()
    given = [worker.claim(4) for worker in (one, two, one, two, one, two)]
    assert [claim and claim.number for claim in given] == [0, 1, 2, 3, None, None]


def test_workers_that_claim_at_once_share_the_numbers(claims):
    given, start = [], threading.Barrier(4)

    def work():
        mine = claims()
        start.wait()
        while (claim := mine.claim(20)) is not None:
            given.append(claim.number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(20))


def three_at_most(number):
    """A number learns from all before the two right before it."""
    return max(0, number - 2)


def test_a_number_is_given_when_all_before_it_have_their_settings(claims):
    one, two = claims(), claims()
    first = one.claim(None, three_at_most)
    assert two.claim(None, three_at_most) is None
    one.note(first, trial=7)
    assert two.claim(None, three_at_most).number == 1


def test_a_number_is_given_when_all_that_it_learns_from_are_finished(claims):
    one, two = claims(), claims()
    given = []
    for trial in range(3):
        given.append(one.claim(None, three_at_most))
        one.note(given[-1], trial=trial)
    one.finish(given[1])
    one.finish(given[2])
    assert two.claim(None, three_at_most) is None
    one.finish(given[0])
    assert two.claim(None, three_at_most).number == 3


def test_what_a_number_waits_for_is_taken_over_from_a_dead_owner(claims):
    clock, dead = Clock(), claims()
    two = claims(clock)
    dead.claim(None, three_at_most)
    assert two.claim(None, three_at_most) is None
    clock.now = STALE_SECONDS
    assert two.claim(None, three_at_most).number == 0


def test_settings_that_another_trial_has_are_refused(claims):
    one, two = claims(), claims()
    assert one.settle(one.claim(2), "same")
    assert not two.settle(two.claim(2), "same")


def test_a_trial_whose_owner_lives_is_not_taken(claims):
    clock, one = Clock(), claims()
    two = claims(clock)
    one.claim(1)
    for clock.now in (0.0, STALE_SECONDS, 2 * STALE_SECONDS):
        assert two.claim(1) is None
        one.beat()


def test_a_trial_whose_owner_is_silent_is_taken_with_what_is_known_of_it(claims):
    clock, one = Clock(), claims()
    two = claims(clock)
    one.note(one.claim(1), trial=7, run="abc")
    assert two.claim(1) is None
    clock.now = STALE_SECONDS
    taken = two.claim(1)
    assert (taken.number, taken.trial, taken.run, taken.owners) == (0, 7, "abc", 2)


def test_of_two_that_see_an_owner_silent_one_takes_the_trial(claims):
    clock = Clock()
    one, two, three = claims(), claims(clock), claims(clock)
    one.claim(1)
    assert (two.claim(1), three.claim(1)) == (None, None)
    clock.now = STALE_SECONDS
    assert [two.claim(1) is None, three.claim(1) is None] == [False, True]


def test_who_lost_a_trial_neither_holds_nor_finishes_it(claims):
    clock, one = Clock(), claims()
    two = claims(clock)
    lost = one.claim(1)
    two.claim(1)
    clock.now = STALE_SECONDS
    two.claim(1)
    one.finish(lost)
    assert not one.holds(lost)
    assert two.counts() == (0, 1)


def test_what_is_let_go_is_taken_at_once(claims):
    one, two = claims(), claims()
    one.finish(one.claim(2))
    one.claim(2)
    one.release()
    assert two.claim(2).number == 1
    assert two.counts() == (1, 1)


def test_studies_do_not_share_numbers(claims):
    assert claims(study="iris-1").claim(1).number == claims(study="iris-2").claim(1).number == 0


def test_all_hold_by_the_value_that_was_offered_first(storage):
    agreed = [Agreement(storage.engine, "iris-1", "parent") for _ in range(2)]
    assert [one.offer(value) for one, value in zip(agreed, "ab", strict=True)] == ["a", "a"]


def test_a_value_is_replaced_by_the_first_who_finds_it_no_good(storage):
    agreed = Agreement(storage.engine, "iris-1", "parent")
    agreed.offer("gone")
    assert [agreed.offer("new", instead="gone"), agreed.offer("newer", instead="gone")] == ["new", "new"]


class CutEngine:
    """An engine whose connection is cut once, after a commit and before its answer."""

    def __init__(self, engine):
        self.connect, self._begin, self.is_cut = engine.connect, engine.begin, False

    @contextmanager
    def begin(self):
        with self._begin() as connection:
            yield connection
        if not self.is_cut:
            self.is_cut = True
            raise OperationalError("COMMIT", {}, Exception("the connection was lost"))


@pytest.mark.parametrize("is_left_behind", [False, True])
def test_a_trial_that_was_given_in_an_answer_that_was_lost_is_worked_on(claims, is_left_behind):
    one, two = claims(), claims()
    if is_left_behind:
        one.claim(1)
        one.release()
    two._engine = CutEngine(two._engine)
    found = two.claim(1) or two.claim(1)
    assert two._engine.is_cut
    assert (found.number, found.owners) == (0, 1 + is_left_behind)
    assert two.claim(1) is None
