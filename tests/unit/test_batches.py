"""Who asks at once shares a batch, who asks alone waits for nobody, and everybody gets its own part."""

import asyncio
from types import SimpleNamespace

import pytest

from concord.consensus import batching as batches
from concord.consensus.batching import Batcher
from concord.consensus.poll import Poll, PollLimits, Question, Reply
from concord.policies.scoring import PPM

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Node:
    """A member that answers when the test lets it; a row's vote is its place in the batch."""

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
def panel(node):
    return panel_of(node)


def panel_of(*members, shadows=(), deadline=60.0):
    terms = SimpleNamespace(patience=PollLimits(PPM // 2, deadline, 60.0))
    return SimpleNamespace(members=members, deposits=[100] * len(members), terms=terms, shadows=shadows)


def question(rows=1, name="a"):
    return Question(b"\0" * rows, rows, "digest", (name,))


def sizes(node):
    return [len(one.request_ids) for one in node.asked]


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_questions_of_one_turn_of_the_loop_share_a_batch(node, panel):
    lines = Batcher()
    tasks = [asyncio.create_task(lines.ask(panel, question(name=name))) for name in "abc"]
    await settle()
    assert [one.request_ids for one in node.asked] == [("a", "b", "c")]
    node.open.set()
    await asyncio.gather(*tasks)


async def test_a_batch_waits_for_another_turn_as_long_as_turns_bring_questions(node, panel):
    lines, tasks = Batcher(), []
    for _ in range(4):
        tasks.append(asyncio.create_task(lines.ask(panel, question())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await settle()
    assert sizes(node) == [4]
    node.open.set()
    await asyncio.gather(*tasks)


async def test_turns_that_bring_questions_without_an_end_are_not_waited_for(node, panel, monkeypatch):
    monkeypatch.setattr(batches, "GATHERING_SECONDS", 0.0)
    lines, tasks = Batcher(), []
    for _ in range(4):
        tasks.append(asyncio.create_task(lines.ask(panel, question())))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert node.asked
    node.open.set()
    await asyncio.gather(*tasks)


async def test_each_question_gets_the_place_of_its_own_rows(node, panel):
    lines = Batcher()
    node.open.set()
    found = await asyncio.gather(*[lines.ask(panel, question(rows)) for rows in (2, 1, 3)])
    assert [one.first for one in found] == [0, 2, 3]
    assert {id(one.replies) for one in found} == {id(found[0].replies)}
    assert len(found[0].replies[0].votes) == 6


async def test_a_second_batch_carries_as_many_questions_as_the_first(node, panel):
    lines, tasks = Batcher(), []
    lines._patience = 60.0
    for asked in (3, 2, 1):
        tasks += [asyncio.create_task(lines.ask(panel, question())) for _ in range(asked)]
        await settle()
    assert sizes(node) == [3, 3]
    node.open.set()
    await asyncio.gather(*tasks)


async def test_what_waits_goes_when_the_batch_before_is_answered(node, panel):
    lines, tasks = Batcher(), []
    lines._patience = 60.0
    for asked in (2, 1):
        tasks += [asyncio.create_task(lines.ask(panel, question())) for _ in range(asked)]
        await settle()
    assert sizes(node) == [2]
    node.open.set()
    await asyncio.gather(*tasks)
    assert sizes(node) == [2, 1]


async def test_a_batch_that_takes_longer_than_usual_holds_nobody_back(node, panel):
    lines, tasks = Batcher(), []
    lines._patience = 0.02
    for asked in (3, 1):
        tasks += [asyncio.create_task(lines.ask(panel, question())) for _ in range(asked)]
        await settle()
    assert sizes(node) == [3]
    await asyncio.sleep(0.1)
    assert sizes(node) == [3, 1]
    node.open.set()
    await asyncio.gather(*tasks)


async def test_who_waits_behind_a_batch_that_hangs_has_most_of_the_deadline_left(node):
    lines = Batcher()
    panel = panel_of(node, deadline=0.2)
    await lines.ask(panel, question())
    assert lines._patience == 0.2 / 4, "it hung until the deadline, and twice that would be no patience"


async def test_more_rows_than_a_call_takes_go_in_several_batches(node, panel, monkeypatch):
    monkeypatch.setattr(batches, "ROWS_PER_CALL", 4)
    lines = Batcher()
    node.open.set()
    await asyncio.gather(*[lines.ask(panel, question(rows)) for rows in (3, 1, 2, 9)])
    assert [one.rows for one in node.asked] == [4, 2, 9]


async def test_a_batch_has_one_panel(node, panel):
    other = Node()
    lines = Batcher()
    for one in (node, other):
        one.open.set()
    await asyncio.gather(*[lines.ask(some, question()) for some in (panel, panel, panel_of(other))])
    assert (sizes(node), sizes(other)) == ([2], [1])


async def test_a_batch_goes_on_while_one_caller_still_waits(node, panel):
    lines = Batcher()
    leaving, staying = [asyncio.create_task(lines.ask(panel, question(name=name))) for name in "ab"]
    await settle()
    leaving.cancel()
    await settle()
    node.open.set()
    answered = await staying
    assert (answered.first, node.left) == (1, [])


async def test_a_batch_that_everybody_left_is_abandoned(node, panel):
    lines = Batcher()
    tasks = [asyncio.create_task(lines.ask(panel, question())) for _ in range(2)]
    await settle()
    for task in tasks:
        task.cancel()
    await settle()
    assert node.left == ["abandoned"]


@pytest.mark.parametrize("passes", range(8), ids=lambda n: f"{n} turns of the loop")
async def test_whenever_a_caller_leaves_the_next_one_is_answered(node, panel, passes):
    lines = Batcher()
    lines._patience = 60.0
    leaving = asyncio.create_task(lines.ask(panel, question()))
    for _ in range(passes):
        await asyncio.sleep(0)
    leaving.cancel()
    node.open.set()
    answered = await lines.ask(panel, question())
    assert [reply.outcome for reply in answered.replies] == ["voted"]
    assert not lines._under_way


async def test_the_deadline_begins_when_a_question_is_asked(node, panel, monkeypatch):
    class Watched(Poll):
        async def replies(self, question, waited=0.0):
            seen.append(waited)
            return await super().replies(question, waited)

    seen = []
    monkeypatch.setattr(batches, "Poll", Watched)
    lines, tasks = Batcher(), []
    lines._patience = 0.2
    for asked in (2, 1):
        tasks += [asyncio.create_task(lines.ask(panel, question())) for _ in range(asked)]
        await settle()
    await asyncio.sleep(0.3)
    assert len(seen) == 2
    assert seen[1] > 0.1, "it waited for twice the usual time behind the first batch"
    node.open.set()
    await asyncio.gather(*tasks)


async def test_a_bug_while_a_batch_is_asked_is_told_to_all_who_asked(panel):
    def broken(*_):
        raise ZeroDivisionError

    lines = Batcher()
    panel.members[0].ask = broken
    found = await asyncio.gather(*[lines.ask(panel, question()) for _ in range(2)], return_exceptions=True)
    assert [type(error) for error in found] == [ZeroDivisionError] * 2
    assert not lines._under_way


async def test_shadows_are_asked_with_the_others_and_waited_for_by_nobody(node, panel, monkeypatch):
    monkeypatch.setattr(batches, "SHADOW_SECONDS", 0.02)
    quick, slow = Node(), Node()
    quick.open.set()
    node.open.set()
    panel.shadows = (("quick", quick), ("slow", slow))
    answered = await Batcher().ask(panel, question())
    assert list(await answered.shadows.replies()) == ["quick"]
    assert slow.left == ["given up"]


async def test_a_call_names_the_trace_of_the_first_who_has_one(node, panel):
    lines = Batcher()
    node.open.set()
    asked = [question(), question()._replace(traceparent="00-1"), question()._replace(traceparent="00-2")]
    await asyncio.gather(*[lines.ask(panel, one) for one in asked])
    assert [one.traceparent for one in node.asked] == ["00-1"]
