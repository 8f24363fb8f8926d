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


def search(stack, **filters):
    return {round_.id for round_ in stack.client.rounds(**filters).rounds}


def test_rounds_are_found_by_their_label(stack):
    assert search(stack, label="known") == set(stack.ids[:2])
    assert search(stack, label="unknown") == set(stack.ids[2:])
    assert search(stack, label="disputed") == {stack.ids[1]}


def test_rounds_are_found_by_their_answer(stack):
    answer = stack.client.round(stack.ids[0]).verdict.label
    assert search(stack, answer=answer, task="iris") == set(stack.ids)
    # It stands in each verdict too, as a class of the votes.
    assert search(stack, answer="setosa") == set()
    assert search(stack, answer="no such class") == set()


def test_a_round_is_found_by_the_beginning_of_its_id(stack):
    assert stack.ids[2] in search(stack, id=stack.ids[2][:8])
    assert search(stack, id=stack.ids[2]) == {stack.ids[2]}


def test_rounds_are_found_by_their_time(stack):
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert search(stack, until=later) == set(stack.ids)
    assert search(stack, since=later) == set()
    times = sorted(round_.time for round_ in stack.client.rounds().rounds)
    assert search(stack, until=times[0]) == set()


def test_a_list_shows_each_label_and_its_source(stack):
    truths = {round_.id: round_.truth for round_ in stack.client.rounds().rounds}
    labels = [truths[id_] and (truths[id_].label, truths[id_].source) for id_ in stack.ids]
    assert labels == [("virginica", "crm"), ("setosa", "crm"), None, None]
    assert stack.client.round(stack.ids[1]).truth.label == "setosa"


def test_a_cursor_with_an_impossible_time_is_a_422(start_stack):
    http = start_stack().http
    for cursor in ("f" * 30 + "-x", f"8{'0' * 15}-{'0' * 32}"):
        response = http.get("/v1/rounds", params={"after": cursor})
        assert (response.status_code, response.json()["error"]["field"]) == (422, "after")
