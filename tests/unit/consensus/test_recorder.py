"""Rounds reach the journal in groups; nobody is told what is not so, and nothing is dropped silently."""

import asyncio
import threading
import time

import pytest

from concord.consensus import recorder as module
from concord.consensus.recorder import Recorder
from concord.errors import JournalUnavailable
from concord.journal import RoundRow

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def rows(count, *, due=False):
    return [
        RoundRow(f"{i:032x}", "iris", i, "ok", "wager", 1, "request", b"{}", None, None, due)
        for i in range(count)
    ]


class Paper:
    """A journal that fails as told."""

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


async def test_rounds_that_nobody_waits_for_are_written_as_one_group(writing):
    journal = Paper()
    recorder = writing(journal)
    recorder.record(rows(3))
    recorder.record(rows(2))
    await until(lambda: journal.groups)
    assert [len(group) for group in journal.groups] == [5]


async def test_who_waits_hears_once_the_group_is_durable(writing):
    journal = Paper()
    await writing(journal).record_soon(rows(2))
    assert len(journal.groups) == 1


async def test_the_settler_hears_of_due_rounds_after_they_are_durable(writing):
    journal, heard = Paper(), []
    recorder = writing(journal, lambda: heard.append(len(journal.groups)))
    await recorder.record_soon(rows(1, due=True))
    assert heard == [1]


async def test_a_group_is_durable_as_a_whole_or_refused_as_a_whole(writing):
    journal = Paper(JournalUnavailable("away"))
    recorder = writing(journal)
    waiting = [recorder.record_soon(rows(700, due=True)), recorder.record_soon(rows(700, due=True))]
    results = await asyncio.gather(*map(asyncio.shield, waiting), return_exceptions=True)
    await asyncio.sleep(0.05)
    assert [type(result) for result in results] == [JournalUnavailable] * 2
    assert sum(len(group) for group in journal.groups) == 0


async def test_rounds_that_were_answered_are_written_when_the_journal_is_back(writing):
    journal = Paper(JournalUnavailable("away"), JournalUnavailable("away"))
    recorder = writing(journal)
    recorder.record(rows(3))
    await until(lambda: journal.groups)
    assert len(journal.groups[0]) == 3


async def test_a_bug_in_writing_neither_loses_rounds_nor_hangs_who_waits(writing):
    journal = Paper(RuntimeError("can't start new thread"))
    recorder = writing(journal)
    recorder.record(rows(2))
    with pytest.raises(JournalUnavailable):
        await recorder.record_soon(rows(1, due=True))
    await until(lambda: journal.groups)
    assert len(journal.groups[0]) == 2


async def test_beyond_the_bound_rounds_are_refused_and_not_taken(writing, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    journal = Paper()
    recorder = writing(journal)
    recorder.record(rows(4))
    with pytest.raises(JournalUnavailable):
        recorder.record(rows(2))
    with pytest.raises(JournalUnavailable):
        recorder.record_soon(rows(2))
    await until(lambda: journal.groups)
    assert len(journal.groups[0]) == 4


async def test_closing_writes_what_waits(writing):
    journal = Paper()
    recorder = Recorder(journal, lambda: None)
    recorder.record(rows(3))
    await recorder.close()
    assert len(journal.groups[0]) == 3


async def test_closing_in_the_midst_of_a_write_does_not_write_beside_it():
    entered, written = threading.Event(), []

    class Slow(Paper):
        def record(self, group):
            entered.set()
            time.sleep(0.05)
            written.append(threading.current_thread().name)

    recorder = Recorder(Slow(), lambda: None)
    recorder.start()
    recorder.record(rows(1))
    await asyncio.to_thread(entered.wait)
    await recorder.close()
    assert written == ["recorder_0", "recorder_0"]


async def test_while_the_journal_is_away_what_moves_money_is_refused_at_once_and_the_rest_is_kept(writing):
    journal = Paper(*[JournalUnavailable("away")] * 4)
    recorder = writing(journal)
    recorder.record(rows(1))
    await until(lambda: recorder._away)
    refused = [recorder.record_soon(rows(2, due=due)) for due in (True, False)]
    assert [type(one.exception()) for one in refused] == [JournalUnavailable] * 2
    await until(lambda: journal.groups)
    assert [row.due for row in journal.groups[0]] == [False] * 3


async def test_a_journal_that_is_back_is_noticed_though_nothing_waits_for_it(writing):
    journal = Paper(*[JournalUnavailable("away")] * 3)
    recorder = writing(journal)
    with pytest.raises(JournalUnavailable):
        await recorder.record_soon(rows(1, due=True))
    await until(lambda: journal.groups == [[]])
    await recorder.record_soon(rows(1, due=True))
    assert [len(group) for group in journal.groups] == [0, 1]
