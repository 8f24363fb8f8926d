"""Rounds are found by what is known of them, and a list says what was true."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.service.labelling import Caller, ask, label, write_tokens


@pytest.fixture
def stack(start_stack):
    """Four rounds; the first has a label, the second another one and a dispute."""
    stack = start_stack()
    write_tokens(stack.home, "crm", "all")
    stack.ids = ask(stack, 4)
    Caller(stack).send(label(stack.ids[0]), label(stack.ids[1], "setosa"), query="?settled=true")
    Caller(stack, "all").send(label(stack.ids[1], "versicolor"))
    return stack


def found(stack, **filters):
    return {one.id for one in stack.client.rounds(**filters).rounds}


def test_rounds_are_found_by_their_label(stack):
    assert found(stack, label="known") == set(stack.ids[:2])
    assert found(stack, label="unknown") == set(stack.ids[2:])
    assert found(stack, label="disputed") == {stack.ids[1]}


def test_rounds_are_found_by_their_answer(stack):
    answer = stack.client.round(stack.ids[0]).verdict.label
    assert found(stack, answer=answer, task="iris") == set(stack.ids)
    # It stands in each verdict too, as a class of the votes.
    assert found(stack, answer="setosa") == set()
    assert found(stack, answer="no such class") == set()


def test_a_round_is_found_by_the_beginning_of_its_id(stack):
    assert stack.ids[2] in found(stack, id=stack.ids[2][:8])
    assert found(stack, id=stack.ids[2]) == {stack.ids[2]}


def test_rounds_are_found_by_their_time(stack):
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert found(stack, until=later) == set(stack.ids)
    assert found(stack, since=later) == set()
    times = sorted(one.time for one in stack.client.rounds().rounds)
    assert found(stack, until=times[0]) == set()


def test_a_list_says_what_was_true_and_by_whose_word(stack):
    truths = {one.id: one.truth for one in stack.client.rounds().rounds}
    said = [truths[one] and (truths[one].label, truths[one].source) for one in stack.ids]
    assert said == [("virginica", "crm"), ("setosa", "crm"), None, None]
    assert stack.client.round(stack.ids[1]).truth.label == "setosa"
