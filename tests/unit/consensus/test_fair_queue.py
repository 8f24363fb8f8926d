"""Callers take turns in filling batches; within a caller's questions the order is that of their arrival."""

from dataclasses import dataclass

import pytest

from concord.consensus.fair_queue import ROWS_PER_TURN, FairQueue
from concord.consensus.node_client import Question

MOST = 1024


@dataclass(eq=False)
class Asked:
    """A question that waits."""

    caller: str
    question: Question
    ensemble: str = "first"


def asked(caller, rows=1, ensemble="first"):
    return Asked(caller, Question(b"", rows, "digest", ("id",)), ensemble)


@pytest.fixture
def queue():
    return FairQueue()


def fill(queue, *waiting):
    for one in waiting:
        queue.add(one)
    return waiting


def callers(batch):
    return [one.caller for one in batch]


def test_one_caller_is_served_in_the_order_of_its_questions(queue):
    waiting = fill(queue, *[asked("a") for _ in range(200)])
    assert queue.take(MOST) == list(waiting)


def test_a_caller_with_large_questions_delays_no_small_one(queue):
    fill(queue, *[asked("a", 1000) for _ in range(9)], asked("b"))
    assert callers(queue.take(MOST)) == ["b", "a"]


def test_a_caller_with_many_questions_takes_no_more_than_its_turn(queue):
    fill(queue, *[asked("a") for _ in range(1000)], *[asked("b") for _ in range(200)])
    assert callers(queue.take(ROWS_PER_TURN * 2)).count("b") == ROWS_PER_TURN


def test_large_questions_of_two_callers_alternate(queue):
    fill(queue, *[asked("a", 1000) for _ in range(3)], *[asked("b", 1000) for _ in range(3)])
    batches = [callers(queue.take(MOST)) for _ in range(6)]
    assert batches == [["a"], ["b"]] * 3


def test_rows_are_shared_evenly_whatever_the_size_of_questions(queue):
    fill(queue, *[asked("a", 300) for _ in range(40)], *[asked("b", 100) for _ in range(120)])
    rows = {"a": 0, "b": 0}
    for _ in range(10):
        for one in queue.take(MOST):
            rows[one.caller] += one.question.rows
    assert abs(rows["a"] - rows["b"]) <= 300 + ROWS_PER_TURN


def test_a_batch_takes_no_more_rows_than_it_may(queue):
    fill(queue, *[asked(caller, 100) for caller in "abcdefghijklmn"])
    assert len(queue.take(MOST)) == 10


def test_one_question_goes_however_large(queue):
    fill(queue, asked("a", 4096))
    assert callers(queue.take(MOST)) == ["a"]


def test_a_batch_has_one_ensemble_and_the_next_begins_with_the_other(queue):
    fill(queue, asked("a"), asked("b", ensemble="second"), asked("c"))
    assert [callers(queue.take(MOST)) for _ in range(2)] == [["a", "c"], ["b"]]


def test_a_question_that_left_is_not_taken(queue):
    first, second = fill(queue, asked("a"), asked("a"))
    queue.remove(first)
    assert (queue.take(MOST), len(queue)) == ([second], 0)


def test_nothing_of_a_caller_remains_when_its_questions_are_gone(queue):
    fill(queue, asked("a"), asked("b"))
    queue.take(MOST)
    assert (len(queue), queue._callers) == (0, {})
