"""Calls to a node: shared by pending replies, cancelled when none is open, and never lost."""

import asyncio

import numpy as np
import pytest

from concord.consensus.node_client import (
    ANSWERS_REMEMBERED,
    CALLS_UNDER_WAY,
    FAILURES_TO_DOWN,
    NodeClient,
    NodeDescription,
    Question,
)
from concord.consensus.node_clients import NodeWatch
from concord.http.client import ClientResponse
from concord.types.nodes import CHALLENGER_HEADER, MODEL_HEADER, VOTES_TYPE, NodeInfo
from tests.service.stack import IRIS, StandInModel, species

pytestmark = pytest.mark.anyio
QUESTION = Question(b"\0" * 16, 1, IRIS.digest, ("request",))


@pytest.fixture
def anyio_backend():
    return "asyncio"


def response(votes, challenger=None):
    headers = {b"content-type": VOTES_TYPE.encode(), MODEL_HEADER.encode(): b"iris.knn/1"}
    if challenger:
        headers[CHALLENGER_HEADER.encode()] = challenger.encode()
    return ClientResponse(200, headers, np.array(votes, "<f4").tobytes())


@pytest.fixture
def client():
    """A client whose node answers when the test lets it."""
    client = NodeClient("iris", "knn", "http://127.0.0.1:1", lambda: None)
    client.description = NodeDescription(StandInModel(IRIS, "knn", species(1)).info, IRIS)
    client.asked, client.open = [], asyncio.Event()

    async def post(questions):
        client.asked.append([name for question in questions for name in question.request_ids])
        await client.open.wait()
        return response([[0, 1, 0]] * sum(question.rows for question in questions))

    client.post = post
    return client


def ask(client, replies=None, question=QUESTION):
    return client.ask(question, (replies if replies is not None else []).append)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_arrives_while_all_calls_are_under_way_goes_with_the_next(client):
    replies = []
    for _ in range(CALLS_UNDER_WAY + 3):
        ask(client, replies)
        await settle()
    assert [len(ids) for ids in client.asked] == [1] * CALLS_UNDER_WAY
    client.open.set()
    await settle()
    assert [len(ids) for ids in client.asked] == [1] * CALLS_UNDER_WAY + [3]
    assert [reply.outcome for reply in replies] == ["voted"] * (CALLS_UNDER_WAY + 3)


async def test_each_pending_reply_gets_its_own_part_of_the_answer(client):
    replies = []
    ask(client, replies, Question(b"\0" * 32, 2, IRIS.digest, ("two",)))
    ask(client, replies)
    client.open.set()
    await settle()
    assert [len(reply.votes) for reply in replies] == [2, 1]


async def test_a_call_goes_on_while_one_pending_reply_is_open(client):
    replies = []
    waiting = [ask(client) for _ in range(CALLS_UNDER_WAY)]
    leaving, _ = ask(client), ask(client, replies)
    for pending in waiting:
        pending.abandon()
    await settle()
    assert [len(ids) for ids in client.asked] == [2]
    leaving.abandon()
    client.open.set()
    await settle()
    assert [reply.outcome for reply in replies] == ["voted"]


@pytest.mark.parametrize("passes", [0, 1, 2, 5], ids=lambda n: f"{n} passes of the loop")
async def test_a_call_that_all_left_frees_its_place_whenever_they_left(client, passes):
    for _ in range(3 * CALLS_UNDER_WAY):
        pending = ask(client)
        for _ in range(passes):
            await asyncio.sleep(0)
        pending.abandon()
        await settle()
    replies = []
    client.open.set()
    ask(client, replies)
    await settle()
    assert [reply.outcome for reply in replies] == ["voted"]


async def test_a_node_whose_answers_come_too_late_for_all_goes_down(client):
    for _ in range(FAILURES_TO_DOWN):
        pending = ask(client)
        await settle()
        pending.give_up()
        await settle()
    replies = []
    assert ask(client, replies) is None
    assert (client.status, replies[0].outcome) == ("down", "unavailable")


async def test_callers_that_hang_up_are_no_failure_of_the_node(client):
    for _ in range(2 * FAILURES_TO_DOWN):
        pending = ask(client)
        await settle()
        pending.abandon()
        await settle()
    assert client.status == "up"


async def test_a_question_that_the_node_refuses_is_no_failure_of_the_node(client):
    async def post(_questions):
        return ClientResponse(422, {b"content-type": b"application/json"}, b"{}")

    client.post = post
    replies = []
    for _ in range(2 * FAILURES_TO_DOWN):
        ask(client, replies)
        await settle()
    assert {reply.outcome for reply in replies} == {"unavailable"}
    assert client.status == "up"


async def test_a_bug_while_reading_an_answer_frees_the_place_too(client):
    def read(*_):
        raise ZeroDivisionError

    client.read = read
    client.open.set()
    replies = []
    for _ in range(CALLS_UNDER_WAY + 1):
        ask(client, replies)
        await settle()
    assert [reply.outcome for reply in replies] == ["unavailable"] * (CALLS_UNDER_WAY + 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "iris.svm"}, "it serves iris.svm and not iris.knn"),
        ({"accuracy": 97.0}, "an accuracy of 97.0"),
        ({"accuracy": float("nan")}, "an accuracy of nan"),
    ],
)
async def test_a_node_that_states_what_cannot_be_is_not_met(client, change, words):
    info = {name: getattr(client.description.info, name) for name in NodeInfo.__slots__} | change
    client.description = None
    with pytest.raises(ValueError, match=words):
        await NodeWatch(client).take_info(NodeInfo(**info))


def answering(votes, challenger="iris.knn/9"):
    async def post(_questions):
        return response(votes, challenger)

    return post


async def test_a_challengers_votes_follow_the_champions(client):
    client.post = answering([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0.5, 0.5, 0]])
    replies = []
    ask(client, replies, Question(b"\0" * 32, 2, IRIS.digest, ("request",)))
    await settle()
    [reply] = replies
    assert (reply.challenger, reply.votes[1], reply.tried.votes[0]) == (
        "9",
        [1_000_000, 0, 0],
        [0, 0, 1_000_000],
    )


async def test_a_challenger_without_a_usable_vote_leaves_the_champions_vote_alone(client):
    client.post = answering([[0, 1, 0], [np.nan, 0, 0]])
    replies = []
    ask(client, replies)
    await settle()
    [reply] = replies
    assert (reply.outcome, reply.tried.usable(0)) == ("voted", False)


async def test_votes_of_no_challenger_that_follow_the_champions_are_no_answer(client):
    client.post = answering([[0, 1, 0], [0, 0, 1]], challenger=None)
    replies = []
    ask(client, replies)
    await settle()
    assert [reply.outcome for reply in replies] == ["invalid"]


async def test_a_node_that_is_malformed_for_good_changes_a_hundred_times_and_no_more():
    changes = []
    client = NodeClient("iris", "knn", "http://127.0.0.1:1", lambda: changes.append(1))
    for _ in range(2 * ANSWERS_REMEMBERED):
        client.note_form(well_formed=False)
    assert len(changes) == ANSWERS_REMEMBERED
