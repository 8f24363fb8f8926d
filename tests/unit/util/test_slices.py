"""Long work goes on in slices, one a turn of the loop for all of it together, and short work at once."""

import asyncio
import math

import pytest

from concord.util import slices
from concord.util.slices import (
    FEW_ITEMS,
    GOING_ON,
    ITEMS_AT_ONCE,
    LARGE_BYTES,
    NEW,
    URGENT,
    in_slices,
    long_work,
    next_turn,
    turn_for,
    turns,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Turns:
    """Counts the turns of the loop while it is open."""

    async def __aenter__(self):
        self.count, self._is_open = 0, True
        self._count()
        return self

    async def __aexit__(self, *_):
        self._is_open = False

    def _count(self):
        if self._is_open:
            self.count += 1
            asyncio.get_running_loop().call_soon(self._count)


@pytest.fixture
def short_slices(monkeypatch):
    """Each item is a slice of its own."""
    monkeypatch.setattr(slices, "LONG_SLICE_SECONDS", 0.0)
    monkeypatch.setattr(slices, "ITEMS_AT_ONCE", 1)


async def test_few_items_are_done_at_once():
    async with Turns() as loop:
        assert await in_slices(range(FEW_ITEMS), str) == [str(item) for item in range(FEW_ITEMS)]
    assert loop.count == 1


@pytest.mark.usefixtures("short_slices")
async def test_many_items_are_done_in_as_many_turns_as_they_have_slices():
    async with Turns() as loop:
        await in_slices(range(100), str)
    assert loop.count >= 100


@pytest.mark.usefixtures("short_slices")
async def test_many_items_keep_their_order():
    assert await in_slices(range(100), lambda item: item * 2) == [item * 2 for item in range(100)]


@pytest.mark.usefixtures("short_slices")
async def test_all_long_work_together_gets_one_slice_a_turn():
    worked = []

    async def work():
        await in_slices(range(20), lambda _: worked.append(loop.count))

    async with Turns() as loop:
        await asyncio.gather(*[work() for _ in range(5)])
    assert len(worked) == len(set(worked)) == 100


@pytest.mark.usefixtures("short_slices")
async def test_long_works_take_turns():
    order = []
    await asyncio.gather(*[in_slices([name] * 9, order.append) for name in "ab"])
    assert "".join(order) == "ab" * 9


async def test_what_is_urgent_goes_first_and_what_is_new_last():
    done = []

    async def go(name, order):
        await next_turn(order)
        done.append(name)

    await asyncio.gather(go("a", NEW), go("b", GOING_ON), go("c", GOING_ON), go("d", URGENT))
    assert done == ["d", "b", "c", "a"]


async def take_up(slice_seconds, monkeypatch, *, small):
    """The turns of the loop in which 40 items were done that take a quarter of a millisecond each."""
    now = turns().slice_end

    def work(_):
        nonlocal now
        now += 0.00025

    monkeypatch.setattr(slices, "LONG_SLICE_SECONDS", slice_seconds)
    monkeypatch.setattr(slices.time, "perf_counter", lambda: now)
    here = turns()
    here.requests += 1 + small
    async with Turns() as loop:
        with long_work(40):
            await in_slices(range(40), work)
    here.requests -= 1 + small
    assert not here.large
    return loop.count


@pytest.mark.parametrize("slice_seconds", [0.004, 0.008])
async def test_a_slice_is_long_while_all_that_is_long_work_is_long_work(slice_seconds, monkeypatch):
    long = await take_up(slice_seconds, monkeypatch, small=0)
    short = await take_up(slice_seconds, monkeypatch, small=1)
    assert short >= 40 / ITEMS_AT_ONCE
    # A slice is given in one turn, and taken in the next.
    assert long <= 2 * math.ceil(0.01 / slice_seconds) + 2


async def test_work_goes_on_within_the_slice_that_was_given():
    await in_slices(range(FEW_ITEMS + 1), str)
    async with Turns() as loop:
        await in_slices(range(FEW_ITEMS + 1), str)
    assert loop.count == 1


async def test_a_small_request_is_not_long_work():
    with long_work(FEW_ITEMS):
        assert not turns().large


async def test_work_that_is_cancelled_takes_no_turn():
    leaving = asyncio.create_task(next_turn())
    await asyncio.sleep(0)
    leaving.cancel()
    async with Turns() as loop:
        await next_turn()
    assert loop.count <= 3


async def test_a_short_text_is_parsed_without_waiting_for_a_turn():
    async with Turns() as loop:
        await turn_for(LARGE_BYTES - 1)
    assert loop.count == 1
