"""A poll ends by quorum, not by the slowest, and leaves no call that nobody waits for."""

import asyncio

import pytest

from concord.consensus.poll import Poll, PollLimits, Question, Reply, Shadows
from concord.policies.scoring import PPM

QUESTION = Question(b"", 1, "digest", ("request",))
VOTED = Reply("voted", "1", 1.0, [[PPM, 0]])

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Stand:
    """A member that replies when told to, or after a delay."""

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


def poll(*members, quorum=500_000, deadline=2.0, grace=0.05, deposits=None):
    return Poll(members, deposits or [100] * len(members), PollLimits(quorum, deadline, grace))


async def outcomes(*members, **options):
    return [reply.outcome for reply in await poll(*members, **options).replies(QUESTION)]


async def test_all_answers_in_time_are_votes():
    assert await outcomes(Stand(), Stand(), Stand()) == ["voted"] * 3


async def test_a_straggler_is_late_once_the_quorum_and_its_grace_are_over():
    slow = Stand(after=None)
    assert await outcomes(Stand(), Stand(), slow) == ["voted", "voted", "late"]
    assert slow.left == "given up"


async def test_a_straggler_within_the_grace_still_votes():
    assert await outcomes(Stand(), Stand(), Stand(after=0.02), grace=1.0) == ["voted"] * 3


async def test_the_deadline_ends_a_poll_without_quorum():
    assert await outcomes(Stand(), *[Stand(after=None) for _ in range(2)], deadline=0.05) == [
        "voted",
        "late",
        "late",
    ]


async def test_a_quorum_out_of_reach_ends_a_poll_after_the_grace():
    away = [Stand(Reply("unavailable")) for _ in range(2)]
    assert await outcomes(*away, Stand(after=None), deadline=60.0) == ["unavailable", "unavailable", "late"]


async def test_the_quorum_counts_deposits_and_not_heads():
    stands = [Stand(), Stand(after=None), Stand(after=None)]
    assert await outcomes(*stands, deposits=[300, 100, 100], deadline=60.0) == ["voted", "late", "late"]


async def test_the_quorum_is_needed_by_every_row():
    half = Reply("voted", "1", 1.0, [[PPM, 0], [0, 0]], [True, False])
    late = Stand(Reply("voted", "1", 1.0, [[PPM, 0]] * 2), after=0.1)
    members = [Stand(half), Stand(half), late, Stand(after=None)]
    replies = await poll(*members, deadline=0.3).replies(Question(b"", 2, "digest", ("request",)))
    assert replies[2].outcome == "voted"


async def test_an_invalid_answer_does_not_count_for_the_quorum():
    invalid = [Stand(Reply("invalid")) for _ in range(2)]
    assert await outcomes(*invalid, Stand(after=0.02), grace=0.2) == ["invalid", "invalid", "voted"]


async def test_hanging_up_abandons_what_is_open():
    slow = Stand(after=None)
    task = asyncio.create_task(poll(Stand(), slow, deadline=60.0, grace=60.0).replies(QUESTION))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.left == "abandoned"


async def test_a_task_without_members_ends_at_once():
    assert await outcomes(deadline=60.0) == []


async def test_a_row_that_can_have_no_quorum_any_more_does_not_keep_the_others_waiting():
    half = Reply("voted", "1", 1.0, [[PPM, 0], [0, 0]], [True, False])
    members = [*[Stand(half) for _ in range(3)], Stand(after=None)]
    replies = await poll(*members, deadline=60.0).replies(Question(b"", 2, "digest", ("request",)))
    assert [reply.outcome for reply in replies] == ["voted"] * 3 + ["late"]


async def test_the_deadline_counts_the_time_that_a_question_has_waited():
    found = await poll(Stand(after=None), deadline=60.0).replies(QUESTION, 59.98)
    assert [reply.outcome for reply in found] == ["late"]


async def test_it_tells_how_long_the_quorum_took_without_the_grace():
    some = poll(Stand(), Stand(), Stand(after=None), grace=0.2)
    await some.replies(QUESTION)
    assert some.seconds_to_quorum < 0.2


async def test_shadows_that_have_not_answered_at_the_end_are_given_up():
    slow = Stand(after=None)
    shadows = Shadows([("quick", Stand()), ("slow", slow)], QUESTION)
    shadows.end_in(0.02)
    assert (list(await shadows.replies()), slow.left) == (["quick"], "given up")


async def test_shadows_that_nobody_waits_for_any_more_are_abandoned():
    slow = Stand(after=None)
    shadows = Shadows([("slow", slow)], QUESTION)
    shadows.abandon()
    assert (await shadows.replies(), slow.left) == ({}, "abandoned")
