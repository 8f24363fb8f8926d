"""Long work goes on in slices, one a turn of the loop for all of it together, and short work at once."""

import asyncio

import pytest

from concord.util import slices
from concord.util.slices import FEW_ITEMS, LARGE_BYTES, in_slices, next_turn, turn_for

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
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)


async def test_few_items_are_done_at_once():
    async with Turns() as turns:
        assert await in_slices(range(FEW_ITEMS), str) == [str(item) for item in range(FEW_ITEMS)]
    assert turns.count == 1


@pytest.mark.usefixtures("short_slices")
async def test_many_items_are_done_in_as_many_turns_as_they_have_slices():
    async with Turns() as turns:
        await in_slices(range(100), str)
    assert turns.count >= 100


@pytest.mark.usefixtures("short_slices")
async def test_many_items_keep_their_order():
    assert await in_slices(range(100), lambda item: item * 2) == [item * 2 for item in range(100)]


@pytest.mark.usefixtures("short_slices")
async def test_all_long_work_together_gets_one_slice_a_turn():
    worked = []

    async def work():
        await in_slices(range(20), lambda _: worked.append(turns.count))

    async with Turns() as turns:
        await asyncio.gather(*[work() for _ in range(5)])
    assert len(worked) == len(set(worked)) == 100


@pytest.mark.usefixtures("short_slices")
async def test_long_works_take_turns():
    order = []
    await asyncio.gather(*[in_slices([name] * 9, order.append) for name in "ab"])
    assert "".join(order) == "ab" * 9


async def test_what_is_urgent_goes_first():
    order = []

    async def go(name, *, urgent):
        await next_turn(urgent=urgent)
        order.append(name)

    await asyncio.gather(go("a", urgent=False), go("b", urgent=False), go("c", urgent=True))
    assert order == ["c", "a", "b"]


async def test_work_that_is_cancelled_takes_no_turn():
    leaving = asyncio.create_task(next_turn())
    await asyncio.sleep(0)
    leaving.cancel()
    async with Turns() as turns:
        await next_turn()
    assert turns.count <= 3


async def test_a_short_text_is_parsed_without_waiting_for_a_turn():
    async with Turns() as turns:
        await turn_for(LARGE_BYTES - 1)
    assert turns.count == 1
