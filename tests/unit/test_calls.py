"""Calls to a node: shared by whoever waits, cancelled when nobody does, and never lost."""

import asyncio

import numpy as np
import pytest

from concord.consensus.node_calls import NodeResponse
from concord.consensus.node_client import (
    ANSWERS_REMEMBERED,
    CALLS_UNDER_WAY,
    FAILURES_TO_DOWN,
    NodeClient,
    NodeDescription,
)
from concord.consensus.poll import Question
from concord.types.nodes import VOTES_TYPE, NodeInfo
from tests.service.stack import IRIS, StandInModel, species

pytestmark = pytest.mark.anyio
QUESTION = Question(b"\0" * 16, 1, IRIS.digest, ("request",))


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def member():
    """A member whose node answers when the test lets it."""
    found = NodeClient("iris", "knn", "http://127.0.0.1:1", lambda: None)
    found.profile = NodeDescription(StandInModel(IRIS, "knn", species(1)).info, IRIS)
    found.asked, found.open = [], asyncio.Event()

    async def post(tickets):
        found.asked.append([name for ticket in tickets for name in ticket.question.request_ids])
        await found.open.wait()
        votes = np.tile(np.array([[0, 1, 0]], "<f4"), (sum(t.question.rows for t in tickets), 1))
        return NodeResponse(200, VOTES_TYPE, "iris.knn/1", None, votes.tobytes())

    found.post = post
    return found


def ask(member, replies=None, question=QUESTION):
    return member.ask(question, (replies if replies is not None else []).append)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_arrives_while_all_calls_are_under_way_goes_with_the_next(member):
    replies = []
    for _ in range(CALLS_UNDER_WAY + 3):
        ask(member, replies)
        await settle()
    assert [len(ids) for ids in member.asked] == [1] * CALLS_UNDER_WAY
    member.open.set()
    await settle()
    assert [len(ids) for ids in member.asked] == [1] * CALLS_UNDER_WAY + [3]
    assert [reply.outcome for reply in replies] == ["voted"] * (CALLS_UNDER_WAY + 3)


async def test_each_ticket_gets_its_own_part_of_the_answer(member):
    replies = []
    ask(member, replies, Question(b"\0" * 32, 2, IRIS.digest, ("two",)))
    ask(member, replies)
    member.open.set()
    await settle()
    assert [len(reply.votes) for reply in replies] == [2, 1]


async def test_a_call_goes_on_while_one_ticket_still_waits(member):
    replies = []
    waiting = [ask(member) for _ in range(CALLS_UNDER_WAY)]
    leaving, _ = ask(member), ask(member, replies)
    for ticket in waiting:
        ticket.abandon()
    await settle()
    assert [len(ids) for ids in member.asked] == [2]
    leaving.abandon()
    member.open.set()
    await settle()
    assert [reply.outcome for reply in replies] == ["voted"]


@pytest.mark.parametrize("passes", [0, 1, 2, 5], ids=lambda n: f"{n} passes of the loop")
async def test_a_call_that_everybody_left_frees_its_place_whenever_they_left(member, passes):
    for _ in range(3 * CALLS_UNDER_WAY):
        ticket = ask(member)
        for _ in range(passes):
            await asyncio.sleep(0)
        ticket.abandon()
        await settle()
    replies = []
    member.open.set()
    ask(member, replies)
    await settle()
    assert [reply.outcome for reply in replies] == ["voted"]


async def test_a_node_whose_answers_come_too_late_for_everybody_goes_down(member):
    for _ in range(FAILURES_TO_DOWN):
        ticket = ask(member)
        await settle()
        ticket.give_up()
        await settle()
    replies = []
    assert ask(member, replies) is None
    assert (member.status, replies[0].outcome) == ("down", "unavailable")


async def test_callers_that_hang_up_are_no_failure_of_the_node(member):
    for _ in range(2 * FAILURES_TO_DOWN):
        ticket = ask(member)
        await settle()
        ticket.abandon()
        await settle()
    assert member.status == "up"


async def test_a_question_that_the_node_refuses_is_no_failure_of_the_node(member):
    async def post(_tickets):
        return NodeResponse(422, "application/json", None, None, b"{}")

    member.post = post
    replies = []
    for _ in range(2 * FAILURES_TO_DOWN):
        ask(member, replies)
        await settle()
    assert {reply.outcome for reply in replies} == {"unavailable"}
    assert member.status == "up"


async def test_a_bug_while_reading_an_answer_frees_the_place_too(member):
    def read(*_):
        raise ZeroDivisionError

    member.read = read
    member.open.set()
    replies = []
    for _ in range(CALLS_UNDER_WAY + 1):
        ask(member, replies)
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
async def test_a_node_that_says_what_cannot_be_is_not_met(member, change, words):
    info = {name: getattr(member.profile.info, name) for name in NodeInfo.__slots__} | change
    member.profile = None
    with pytest.raises(ValueError, match=words):
        await member._meet(NodeInfo(**info))


def answered(body, challenger="iris.knn/9"):
    async def post(_tickets):
        return NodeResponse(200, VOTES_TYPE, "iris.knn/1", challenger, np.array(body, "<f4").tobytes())

    return post


async def test_a_challengers_votes_follow_the_champions(member):
    member.post = answered([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0.5, 0.5, 0]])
    replies = []
    ask(member, replies, Question(b"\0" * 32, 2, IRIS.digest, ("request",)))
    await settle()
    [reply] = replies
    assert (reply.challenger, reply.votes[1], reply.tried.votes[0]) == (
        "9",
        [1_000_000, 0, 0],
        [0, 0, 1_000_000],
    )


async def test_a_challenger_that_says_nothing_usable_leaves_the_champions_vote_alone(member):
    member.post = answered([[0, 1, 0], [np.nan, 0, 0]])
    replies = []
    ask(member, replies)
    await settle()
    [reply] = replies
    assert (reply.outcome, reply.tried.usable(0)) == ("voted", False)


async def test_votes_of_nobody_that_follow_the_champions_are_no_answer(member):
    member.post = answered([[0, 1, 0], [0, 0, 1]], challenger=None)
    replies = []
    ask(member, replies)
    await settle()
    assert [reply.outcome for reply in replies] == ["invalid"]


async def test_a_node_that_is_malformed_for_good_is_news_a_hundred_times_and_no_more():
    news = []
    member = NodeClient("iris", "knn", "http://127.0.0.1:1", lambda: news.append(1))
    for _ in range(2 * ANSWERS_REMEMBERED):
        member.judged(well_formed=False)
    assert len(news) == ANSWERS_REMEMBERED
