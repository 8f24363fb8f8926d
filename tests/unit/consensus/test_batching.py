"""Concurrent questions share a batch, a lone one departs at once, and each gets its part of the replies."""

import asyncio
from types import SimpleNamespace

import pytest

from concord.consensus import batching
from concord.consensus.batching import Batcher
from concord.consensus.node_client import Question, Reply
from concord.consensus.poll import Poll, PollLimits
from concord.policies.voting import PPM
from concord.util.slices import NEW, next_turn, turns
from tests.service.stack import wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Node:
    """A node's client that answers when the test lets it; a row's vote is its place in the batch."""

    def __init__(self):
        self.open = asyncio.Event()
        self.asked, self.left = [], []

    def ask(self, question, on_reply):
        self.asked.append(question)
        task = asyncio.ensure_future(self._answer(question, on_reply))
        return SimpleNamespace(
            give_up=lambda: self._leave(task, "given up"), abandon=lambda: self._leave(task, "abandoned")
        )

    async def _answer(self, question, on_reply):
        await self.open.wait()
        on_reply(Reply("voted", "1", 1.0, [[row] for row in range(question.rows)]))

    def _leave(self, task, how):
        task.cancel()
        self.left.append(how)


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def ensemble(node):
    return ensemble_of(node)


def ensemble_of(*clients, shadows=(), deadline=60.0):
    policy = SimpleNamespace(limits=PollLimits(PPM // 2, deadline, 60.0))
    return SimpleNamespace(clients=clients, deposits=[100] * len(clients), policy=policy, shadows=shadows)


def question(rows=1, name="a"):
    return Question(b"\0" * rows, rows, "digest", (name,))


def sizes(node):
    return [len(question.request_ids) for question in node.asked]


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_questions_of_one_turn_of_the_loop_share_a_batch(node, ensemble):
    batcher = Batcher()
    tasks = [asyncio.create_task(batcher.ask(ensemble, question(name=name))) for name in "abc"]
    await settle()
    assert [asked.request_ids for asked in node.asked] == [("a", "b", "c")]
    node.open.set()
    await asyncio.gather(*tasks)


async def test_a_batch_waits_for_another_turn_as_long_as_turns_bring_questions(node, ensemble):
    batcher, tasks = Batcher(), []
    for _ in range(4):
        tasks.append(asyncio.create_task(batcher.ask(ensemble, question())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await settle()
    assert sizes(node) == [4]
    node.open.set()
    await asyncio.gather(*tasks)


async def test_a_batch_departs_even_if_every_turn_brings_questions(node, ensemble, monkeypatch):
    monkeypatch.setattr(batching, "GATHERING_SECONDS", 0.0)
    turns().requests = 1
    batcher, tasks = Batcher(), []
    for _ in range(4):
        tasks.append(asyncio.create_task(batcher.ask(ensemble, question())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert node.asked
    node.open.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(("small", "calls"), [(0, 1), (1, 2)])
async def test_a_batch_waits_for_large_requests_that_are_read_unless_a_small_one_waits(
    node, ensemble, small, calls
):
    batcher = Batcher()
    node.open.set()

    async def ask_after(turns_of_loop):
        for _ in range(turns_of_loop):
            await next_turn(NEW)
        await batcher.ask(ensemble, question(64))

    turns().requests = small
    await asyncio.gather(ask_after(0), ask_after(10))
    assert len(node.asked) == calls


async def test_each_question_gets_the_place_of_its_own_rows(node, ensemble):
    batcher = Batcher()
    node.open.set()
    results = await asyncio.gather(*[batcher.ask(ensemble, question(rows)) for rows in (2, 1, 3)])
    assert [result.first for result in results] == [0, 2, 3]
    assert {id(result.replies) for result in results} == {id(results[0].replies)}
    assert len(results[0].replies[0].votes) == 6


async def test_a_second_batch_carries_as_many_questions_as_the_first(node, ensemble):
    batcher, tasks = Batcher(), []
    batcher._slow_after = 60.0
    for count in (3, 2, 1):
        tasks += [asyncio.create_task(batcher.ask(ensemble, question())) for _ in range(count)]
        await settle()
    assert sizes(node) == [3, 3]
    node.open.set()
    await asyncio.gather(*tasks)


async def test_what_waits_goes_when_the_batch_before_is_answered(node, ensemble):
    batcher, tasks = Batcher(), []
    batcher._slow_after = 60.0
    for count in (2, 1):
        tasks += [asyncio.create_task(batcher.ask(ensemble, question())) for _ in range(count)]
        await settle()
    assert sizes(node) == [2]
    node.open.set()
    await asyncio.gather(*tasks)
    assert sizes(node) == [2, 1]


async def test_a_batch_that_takes_longer_than_usual_delays_no_other(node, ensemble):
    batcher, tasks = Batcher(), []
    batcher._slow_after = 0.02
    for count in (3, 1):
        tasks += [asyncio.create_task(batcher.ask(ensemble, question())) for _ in range(count)]
        await settle()
    assert sizes(node) == [3]
    await asyncio.to_thread(wait_until, lambda: sizes(node) == [3, 1])
    node.open.set()
    await asyncio.gather(*tasks)


async def test_a_question_behind_a_batch_that_hangs_has_most_of_the_deadline_left(node):
    batcher = Batcher()
    ensemble = ensemble_of(node, deadline=0.2)
    await batcher.ask(ensemble, question())
    assert batcher._slow_after == 0.2 / 4, "it hung until the deadline, and twice that would be too long"


async def test_more_rows_than_a_batch_takes_go_in_several_batches(node, ensemble, monkeypatch):
    monkeypatch.setattr(batching, "ROWS_PER_BATCH", 4)
    batcher = Batcher()
    node.open.set()
    await asyncio.gather(*[batcher.ask(ensemble, question(rows)) for rows in (3, 1, 2, 9)])
    assert [asked.rows for asked in node.asked] == [4, 2, 9]


async def test_a_batch_has_one_ensemble(node, ensemble):
    other = Node()
    batcher = Batcher()
    node.open.set()
    other.open.set()
    ensembles = (ensemble, ensemble, ensemble_of(other))
    await asyncio.gather(*[batcher.ask(asked, question()) for asked in ensembles])
    assert (sizes(node), sizes(other)) == ([2], [1])


async def test_a_batch_goes_on_while_one_caller_still_waits(node, ensemble):
    batcher = Batcher()
    leaving, staying = [asyncio.create_task(batcher.ask(ensemble, question(name=name))) for name in "ab"]
    await settle()
    leaving.cancel()
    await settle()
    node.open.set()
    result = await staying
    assert (result.first, node.left) == (1, [])


async def test_a_batch_that_all_callers_left_is_abandoned(node, ensemble):
    batcher = Batcher()
    tasks = [asyncio.create_task(batcher.ask(ensemble, question())) for _ in range(2)]
    await settle()
    for task in tasks:
        task.cancel()
    await settle()
    assert node.left == ["abandoned"]


@pytest.mark.parametrize("passes", range(8), ids=lambda n: f"{n} turns of the loop")
async def test_whenever_a_caller_leaves_the_next_one_is_answered(node, ensemble, passes):
    batcher = Batcher()
    batcher._slow_after = 60.0
    leaving = asyncio.create_task(batcher.ask(ensemble, question()))
    for _ in range(passes):
        await asyncio.sleep(0)
    leaving.cancel()
    node.open.set()
    result = await batcher.ask(ensemble, question())
    assert [reply.outcome for reply in result.replies] == ["voted"]
    assert not batcher._under_way


async def test_the_deadline_begins_when_a_question_is_asked(node, ensemble, monkeypatch):
    class TimedPoll(Poll):
        async def replies(self, question, waited=0.0):
            waits.append(waited)
            return await super().replies(question, waited)

    waits = []
    monkeypatch.setattr(batching, "Poll", TimedPoll)
    batcher, tasks = Batcher(), []
    batcher._slow_after = 0.2
    for count in (2, 1):
        tasks += [asyncio.create_task(batcher.ask(ensemble, question())) for _ in range(count)]
        await settle()
    await asyncio.to_thread(wait_until, lambda: len(waits) == 2)
    assert waits[1] > 0.1, "it waited for twice the usual time behind the first batch"
    node.open.set()
    await asyncio.gather(*tasks)


async def test_a_bug_while_a_batch_is_asked_fails_all_its_questions(ensemble):
    def broken(*_):
        raise ZeroDivisionError

    batcher = Batcher()
    ensemble.clients[0].ask = broken
    asking = [batcher.ask(ensemble, question()) for _ in range(2)]
    errors = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 2
    assert not batcher._under_way


async def test_shadows_are_asked_with_the_others_and_no_answer_waits_for_them(node, ensemble, monkeypatch):
    monkeypatch.setattr(batching, "SHADOW_SECONDS", 0.02)
    quick, slow = Node(), Node()
    quick.open.set()
    node.open.set()
    ensemble.shadows = (("quick", quick), ("slow", slow))
    result = await Batcher().ask(ensemble, question())
    assert list(await result.shadows.replies()) == ["quick"]
    assert slow.left == ["given up"]


async def test_a_batch_names_the_first_trace_of_its_questions(node, ensemble):
    batcher = Batcher()
    node.open.set()
    traces = (None, "00-1", "00-2")
    await asyncio.gather(*[batcher.ask(ensemble, question()._replace(traceparent=trace)) for trace in traces])
    assert [asked.traceparent for asked in node.asked] == ["00-1"]
