"""Rounds reach the journal in groups; no answer says what is not so, and no round is dropped silently."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from concord.consensus import recorder as module
from concord.consensus.batching import BatchResult
from concord.consensus.ensemble import RoundResult
from concord.consensus.node_client import Question, Reply
from concord.consensus.recorder import DecidedRounds, Recorder
from concord.errors import JournalUnavailable
from concord.observability import metrics
from concord.types.answers import Verdict
from tests.homes import ROOT

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def rounds(count, *, due=False, shadows=None):
    """The rounds of one request, which move money if they are due."""
    replies = [Reply("voted", "1", 1.0, [[1_000_000]] * count)]
    ensemble = SimpleNamespace(task="recorded", moves_money=due, evidence=lambda *_: b"{}" if due else None)
    results = [RoundResult(verdict(f"{i:032x}", due=due)) for i in range(count)]
    question = Question(b"", count, "digest", ("request",))
    batch = BatchResult(replies, 0, shadows)
    return DecidedRounds(ensemble, question, [{}] * count, batch, results, [b"{}"] * count, 1, 0.0)


def verdict(round_id, *, due):
    settlement = "due" if due else "none"
    return Verdict(
        round_id, "iris", "ok", "setosa", None, None, None, None, 1.0, "wager", None, 1, due, settlement, []
    )


class FaultyJournal:
    """A journal that raises the given faults, one a write, and then keeps the groups."""

    def __init__(self, *faults):
        self.faults = list(faults)
        self.groups = []

    def record(self, group):
        if self.faults:
            raise self.faults.pop(0)
        self.groups.append(list(group))

    def ping(self):
        self.record([])


@pytest.fixture
async def writing(monkeypatch):
    """Starts recorders that try again soon; closes them."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    started = []

    def start(journal, on_due=lambda: None):
        recorder = Recorder(journal, on_due)
        recorder.start()
        started.append(recorder)
        return recorder

    yield start
    for recorder in started:
        await recorder.close()


async def until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about in time")


async def test_rounds_that_no_answer_waits_for_are_written_as_one_group(writing):
    journal = FaultyJournal()
    recorder = writing(journal)
    await recorder.record(rounds(3))
    await recorder.record(rounds(2))
    await until(lambda: journal.groups)
    assert [len(group) for group in journal.groups] == [5]


async def test_an_answer_that_waits_comes_once_the_group_is_durable(writing):
    journal = FaultyJournal()
    await writing(journal).record_durably(rounds(2))
    assert len(journal.groups) == 1


async def test_the_settler_is_notified_of_due_rounds_after_they_are_durable(writing):
    journal, groups = FaultyJournal(), []
    recorder = writing(journal, lambda: groups.append(len(journal.groups)))
    await recorder.record_durably(rounds(1, due=True))
    assert groups == [1]


async def test_a_group_is_durable_as_a_whole_or_refused_as_a_whole(writing):
    journal = FaultyJournal(JournalUnavailable("away"))
    recorder = writing(journal)
    waiting = [recorder.record_durably(rounds(7, due=True)), recorder.record_durably(rounds(7, due=True))]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert [type(result) for result in results] == [JournalUnavailable] * 2
    assert sum(len(group) for group in journal.groups) == 0


async def test_rounds_that_were_answered_are_written_when_the_journal_is_back(writing):
    journal = FaultyJournal(JournalUnavailable("away"), JournalUnavailable("away"))
    recorder = writing(journal)
    await recorder.record(rounds(3))
    await until(lambda: journal.groups)
    assert len(journal.groups[0]) == 3


async def test_a_bug_in_writing_neither_loses_rounds_nor_hangs_an_answer(writing):
    journal = FaultyJournal(RuntimeError("can't start new thread"))
    recorder = writing(journal)
    await recorder.record(rounds(2))
    with pytest.raises(JournalUnavailable):
        await recorder.record_durably(rounds(1, due=True))
    await until(lambda: journal.groups)
    assert len(journal.groups[0]) == 2


async def test_beyond_the_bound_rounds_are_refused_and_not_taken(writing, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    journal = FaultyJournal()
    recorder = writing(journal)
    await recorder.record(rounds(4))
    with pytest.raises(JournalUnavailable):
        await recorder.record(rounds(2))
    with pytest.raises(JournalUnavailable):
        await recorder.record_durably(rounds(2))
    await until(lambda: journal.groups)
    assert len(journal.groups[0]) == 4


async def test_many_that_wait_are_written_in_groups_and_each_caller_is_answered_by_its_own(
    writing, monkeypatch
):
    monkeypatch.setattr(module, "MOST_IN_A_GROUP", 10)
    journal = FaultyJournal(JournalUnavailable("away"))
    recorder = writing(journal)
    await recorder.record(rounds(25))
    waiting = [recorder.record_durably(rounds(4, due=True)) for _ in range(5)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    # All that wait are told of the outage at once, and what was answered is written when it is over.
    assert [type(result) for result in results] == [JournalUnavailable] * 5
    await until(lambda: sum(map(len, journal.groups)) == 25)
    assert (
        await asyncio.gather(*[recorder.record_durably(rounds(4, due=True)) for _ in range(5)]) == [True] * 5
    )
    assert [len(group) for group in journal.groups] == [10, 10, 5, 8, 8, 4]


async def test_the_backlog_is_counted_once_whoever_holds_it(writing):
    journal = FaultyJournal(*[JournalUnavailable("away")] * 3)
    recorder = writing(journal)

    def counted():
        ((sample,),) = [metric.samples for metric in metrics.JOURNAL_WAITING.collect()]
        return sample.value

    await recorder.record(rounds(3))
    assert counted() == 3
    await until(lambda: recorder.is_away)
    assert await recorder.record_durably(rounds(2)) is False
    assert counted() == 5
    await until(lambda: journal.groups)
    assert counted() == 0


async def test_as_many_rounds_wait_as_the_documentation_says(writing):
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    assert f"{module.MOST_WAITING:,} rounds wait, beyond that 503" in text
    recorder = writing(FaultyJournal(*[JournalUnavailable("away")] * 10_000))
    for _ in range(50):
        await recorder.record(rounds(module.MOST_WAITING // 50))
    with pytest.raises(JournalUnavailable):
        await recorder.record(rounds(1))


async def test_closing_writes_all_that_waits_in_groups(writing, monkeypatch):
    monkeypatch.setattr(module, "MOST_IN_A_GROUP", 10)
    journal = FaultyJournal()
    recorder = Recorder(journal, lambda: None)
    await recorder.record(rounds(31))
    await recorder.close()
    assert [len(group) for group in journal.groups] == [10, 10, 10, 1]


async def test_closing_writes_what_waits(writing):
    journal = FaultyJournal()
    recorder = Recorder(journal, lambda: None)
    await recorder.record(rounds(3))
    await recorder.close()
    assert len(journal.groups[0]) == 3


async def test_closing_in_the_midst_of_a_write_does_not_write_beside_it():
    entered, written = threading.Event(), []

    class Slow(FaultyJournal):
        def record(self, group):
            entered.set()
            time.sleep(0.05)
            written.append(threading.current_thread().name)

    recorder = Recorder(Slow(), lambda: None)
    recorder.start()
    await recorder.record(rounds(1))
    await asyncio.to_thread(entered.wait)
    await recorder.close()
    assert written == ["recorder_0", "recorder_0"]


async def test_while_the_journal_is_away_what_moves_money_is_refused_at_once_and_the_rest_is_kept(writing):
    journal = FaultyJournal(*[JournalUnavailable("away")] * 4)
    recorder = writing(journal)
    await recorder.record(rounds(1))
    await until(lambda: recorder.is_away)
    with pytest.raises(JournalUnavailable):
        await recorder.record_durably(rounds(2, due=True))
    assert await recorder.record_durably(rounds(2)) is False
    await until(lambda: journal.groups)
    assert [row.due for row in journal.groups[0]] == [False] * 3


async def test_a_journal_that_is_back_is_noticed_though_no_round_waits_for_it(writing):
    journal = FaultyJournal(*[JournalUnavailable("away")] * 3)
    recorder = writing(journal)
    with pytest.raises(JournalUnavailable):
        await recorder.record_durably(rounds(1, due=True))
    await until(lambda: journal.groups == [[]])
    await recorder.record_durably(rounds(1, due=True))
    assert [len(group) for group in journal.groups] == [0, 1]
