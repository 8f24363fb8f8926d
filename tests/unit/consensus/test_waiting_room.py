"""The waiting room is shared: neither a task nor a caller takes all of it, and what is left is given back."""

import contextlib

import pytest

from concord.consensus.waiting_room import WaitingRoom
from concord.errors import Overloaded

SIZE = 1000


@pytest.fixture
def room():
    return WaitingRoom(SIZE)


class Crowd:
    """Requests that wait in a room until its end."""

    def __init__(self, room, stack):
        self._room, self._stack = room, stack

    def fill(self, task, callers=("a",), rows=10):
        """Has callers ask until each is refused; returns the rows that were admitted."""
        admitted = 0
        waiting = list(callers)
        while waiting:
            for caller in tuple(waiting):
                if self.ask(task, caller, rows):
                    admitted += rows
                else:
                    waiting.remove(caller)
        return admitted

    def ask(self, task, caller, rows):
        try:
            self._stack.enter_context(self._room.admit(task, caller, rows))
        except Overloaded:
            return False
        return True


@pytest.fixture
def crowd(room):
    with contextlib.ExitStack() as stack:
        yield Crowd(room, stack)


def test_a_caller_that_is_alone_takes_two_thirds_of_the_room(crowd):
    assert crowd.fill("iris") == pytest.approx(SIZE * 2 / 3, abs=20)


def test_many_callers_of_one_task_take_four_fifths_of_the_room(crowd):
    assert crowd.fill("iris", "abcdefgh") == pytest.approx(SIZE * 4 / 5, abs=20)


def test_a_task_that_takes_all_it_can_leaves_room_for_another(crowd):
    crowd.fill("iris", "abcdefgh")
    assert crowd.fill("loan", "abcdefgh") >= SIZE / 10


def test_a_caller_that_takes_all_it_can_leaves_room_for_another_of_its_task(crowd):
    crowd.fill("iris", "a")
    assert crowd.fill("iris", "b") >= SIZE / 10


def test_tasks_that_ask_for_more_than_there_is_get_equal_shares(crowd):
    tasks = ("iris", "loan", "wine")
    shares = dict.fromkeys(tasks, 0)
    for _ in range(SIZE):
        for task in tasks:
            shares[task] += crowd.ask(task, f"{task}-{_ % 10}", 1)
    assert max(shares.values()) - min(shares.values()) <= 2


def test_one_request_is_admitted_whatever_its_share(room):
    with room.admit("iris", "a", SIZE):
        pass


def test_a_request_of_more_rows_than_are_free_is_refused(room):
    with room.admit("iris", "a", SIZE), pytest.raises(Overloaded), room.admit("loan", "b", 1):
        pass


def test_a_request_that_is_over_gives_its_rows_back(room):
    with contextlib.suppress(ZeroDivisionError), room.admit("iris", "a", SIZE):
        raise ZeroDivisionError
    with room.admit("iris", "a", SIZE):
        pass


def test_callers_that_have_left_are_forgotten(room):
    for caller in range(100):
        with room.admit("iris", str(caller), 1):
            pass
    assert not room._by_caller
