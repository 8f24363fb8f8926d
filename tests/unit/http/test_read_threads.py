"""Pages are read in threads of their own, with a bounded queue that no caller fills alone."""

import asyncio
import threading

import pytest

from concord.errors import Overloaded
from concord.http.read_threads import THREADS, ReadThreads
from tests.service.stack import wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Gate:
    """A read that lasts until it is opened."""

    def __init__(self):
        self.open, self.under_way, self.most = threading.Event(), 0, 0
        self._lock = threading.Lock()

    def read(self):
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        self.open.wait(30)
        with self._lock:
            self.under_way -= 1
        return threading.current_thread().name


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def threads():
    threads = ReadThreads("test", most=12)
    yield threads
    threads.close()


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_they_are_read_in_threads_of_their_own(threads, gate):
    gate.open.set()
    assert (await threads.run("a", gate.read)).startswith("test")


async def test_a_few_are_read_at_once(threads, gate):
    reads = [asyncio.create_task(threads.run(caller, gate.read)) for caller in "abcdefgh"]
    await asyncio.to_thread(wait_until, lambda: gate.under_way == THREADS)
    gate.open.set()
    await asyncio.gather(*reads)
    assert gate.most == THREADS


async def test_beyond_the_bound_a_read_is_refused_at_once(threads, gate):
    reads = [asyncio.create_task(threads.run(str(caller), gate.read)) for caller in range(12)]
    await settle()
    with pytest.raises(Overloaded):
        await threads.run("another", gate.read)
    gate.open.set()
    await asyncio.gather(*reads)


async def test_one_caller_leaves_places_for_others(threads, gate):
    reads = [asyncio.create_task(threads.run("a", gate.read)) for _ in range(50)]
    await settle()
    reads.append(asyncio.create_task(threads.run("b", gate.read)))
    gate.open.set()
    results = await asyncio.gather(*reads, return_exceptions=True)
    assert isinstance(results[-1], str)
    assert sum(isinstance(result, str) for result in results) == 9


async def test_what_is_read_alone_is_read_one_after_the_other(threads, gate):
    lock = asyncio.Lock()
    reads = [asyncio.create_task(threads.run_alone(lock, caller, gate.read)) for caller in "abcd"]
    await asyncio.to_thread(wait_until, lambda: gate.under_way)
    gate.open.set()
    await asyncio.gather(*reads)
    assert gate.most == 1


async def test_an_answer_is_written_as_json_in_the_thread(threads):
    assert (await threads.answer("a", lambda: {"n": 1})).body == b'{"n":1}'
