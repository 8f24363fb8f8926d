"""A poll ends by quorum, not by the slowest node, and leaves no reply pending."""

import asyncio

import pytest

from concord.consensus.node_client import Question, Reply
from concord.consensus.poll import Poll, PollLimits, Shadows
from concord.policies.voting import PPM

QUESTION = Question(b"", 1, "digest", ("request",))
VOTED = Reply("voted", "1", 1.0, [[PPM, 0]])

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class StandIn:
    """A node's client that replies after a delay (None: never), and is its own pending reply."""

    def __init__(self, reply=VOTED, after=0.0):
        self.reply, self.after = reply, after
        self.left = None

    def ask(self, question, on_reply):
        if self.after is not None:
            loop = asyncio.get_running_loop()
            self.timer = loop.call_later(self.after, on_reply, self.reply)
        return self

    def give_up(self):
        self.left = "given up"

    def abandon(self):
        self.left = "abandoned"


def poll(*clients, quorum=500_000, deadline=2.0, grace=0.05, deposits=None):
    return Poll(clients, deposits or [100] * len(clients), PollLimits(quorum, deadline, grace))


async def outcomes(*clients, **options):
    return [reply.outcome for reply in await poll(*clients, **options).replies(QUESTION)]


async def test_all_answers_in_time_are_votes():
    assert await outcomes(StandIn(), StandIn(), StandIn()) == ["voted"] * 3


async def test_a_straggler_is_late_once_the_quorum_and_its_grace_are_over():
    slow = StandIn(after=None)
    assert await outcomes(StandIn(), StandIn(), slow) == ["voted", "voted", "late"]
    assert slow.left == "given up"


async def test_a_straggler_within_the_grace_still_votes():
    assert await outcomes(StandIn(), StandIn(), StandIn(after=0.02), grace=1.0) == ["voted"] * 3


async def test_the_deadline_ends_a_poll_without_quorum():
    assert await outcomes(StandIn(), *[StandIn(after=None) for _ in range(2)], deadline=0.05) == [
        "voted",
        "late",
        "late",
    ]


async def test_a_quorum_out_of_reach_ends_a_poll_after_the_grace():
    away = [StandIn(Reply("unavailable")) for _ in range(2)]
    assert await outcomes(*away, StandIn(after=None), deadline=60.0) == [
        "unavailable",
        "unavailable",
        "late",
    ]


async def test_the_quorum_counts_deposits_and_not_heads():
    clients = [StandIn(), StandIn(after=None), StandIn(after=None)]
    assert await outcomes(*clients, deposits=[300, 100, 100], deadline=60.0) == ["voted", "late", "late"]


async def test_the_quorum_is_needed_by_every_row():
    half = Reply("voted", "1", 1.0, [[PPM, 0], [0, 0]], [True, False])
    late = StandIn(Reply("voted", "1", 1.0, [[PPM, 0]] * 2), after=0.1)
    clients = [StandIn(half), StandIn(half), late, StandIn(after=None)]
    replies = await poll(*clients, deadline=0.3).replies(Question(b"", 2, "digest", ("request",)))
    assert replies[2].outcome == "voted"


async def test_an_invalid_answer_does_not_count_for_the_quorum():
    invalid = [StandIn(Reply("invalid")) for _ in range(2)]
    assert await outcomes(*invalid, StandIn(after=0.02), grace=0.2) == ["invalid", "invalid", "voted"]


async def test_a_node_that_is_not_asked_is_unavailable():
    assert await outcomes(None, StandIn(), StandIn()) == ["unavailable", "voted", "voted"]


async def test_hanging_up_abandons_what_is_open():
    slow = StandIn(after=None)
    task = asyncio.create_task(poll(StandIn(), slow, deadline=60.0, grace=60.0).replies(QUESTION))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.left == "abandoned"


async def test_a_task_without_nodes_ends_at_once():
    assert await outcomes(deadline=60.0) == []


async def test_a_row_that_can_have_no_quorum_any_more_does_not_keep_the_others_waiting():
    half = Reply("voted", "1", 1.0, [[PPM, 0], [0, 0]], [True, False])
    clients = [*[StandIn(half) for _ in range(3)], StandIn(after=None)]
    replies = await poll(*clients, deadline=60.0).replies(Question(b"", 2, "digest", ("request",)))
    assert [reply.outcome for reply in replies] == ["voted"] * 3 + ["late"]


async def test_the_deadline_counts_the_time_that_a_question_has_waited():
    replies = await poll(StandIn(after=None), deadline=60.0).replies(QUESTION, 59.98)
    assert [reply.outcome for reply in replies] == ["late"]


async def test_it_measures_how_long_the_quorum_took_without_the_grace():
    slow = poll(StandIn(), StandIn(), StandIn(after=None), grace=0.2)
    await slow.replies(QUESTION)
    assert slow.seconds_to_quorum < 0.2


async def test_shadows_that_have_not_answered_at_the_end_are_given_up():
    slow = StandIn(after=None)
    shadows = Shadows([("quick", StandIn()), ("slow", slow)], QUESTION)
    shadows.end_in(0.02)
    assert (list(await shadows.replies()), slow.left) == (["quick"], "given up")


async def test_shadows_whose_callers_have_hung_up_are_abandoned():
    slow = StandIn(after=None)
    shadows = Shadows([("slow", slow)], QUESTION)
    shadows.abandon()
    assert (await shadows.replies(), slow.left) == ({}, "abandoned")
