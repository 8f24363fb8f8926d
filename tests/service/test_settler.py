"""The settler beside a journal in SQLite and a ledger in files: pace, waiting callers, replicas, faults."""

import asyncio
import logging
import time

import orjson
import pytest

from concord.errors import Conflict, JournalUnavailable, LedgerBroken, LedgerError
from concord.journal.rows import LabelRow
from concord.ledger import events
from concord.ledger.merkle import merkle_root
from concord.policies.stake import MICRO
from concord.settlement import evidence
from concord.settlement.settler import BATCH, PATIENT, URGENT
from tests.service.settling import ACCURACIES, VOTES, World, after_slashes
from tests.service.stack import wait_until


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


class FastTime:
    """Time that passes twenty times as fast, for clock and sleepers alike."""

    def __init__(self):
        self.start = time.monotonic()

    def __call__(self):
        return 10**15 + round((time.monotonic() - self.start) * 20e6)

    def block(self, seconds):
        time.sleep(seconds / 20)

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 20)


def play(settler, scene):
    """Starts a settler, runs it beside a scene, and ends it with the scene."""

    async def run():
        await settler.start()
        running = asyncio.create_task(settler.run())
        try:
            return await asyncio.wait_for(scene(), 20)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return asyncio.run(run())


def test_a_round_is_settled_and_knows_its_block_and_its_record(world):
    settler = world.settler()
    world.open_task(settler)
    (id_,) = world.record()

    async def scene():
        settler.notify()
        return await settler.wait_settled([id_], 10)

    assert play(settler, scene) == {id_: 2}
    stored, block = world.journal.round(id_), world.ledger().block(2)
    record = orjson.loads(stored.record)
    assert (stored.block, stored.block_hash, settler.head.height) == (2, block.hash, 2)
    assert record["deltas"] == {
        "decision_tree": -100_000_000,
        "knn": 0,
        "logistic_regression": 0,
        "random_forest": -100_000_000,
    }
    (settlement,) = block.events.values()
    assert settlement["root"] == merkle_root([stored.record])
    assert world.balances() == {
        "decision_tree": 900,
        "knn": 1000,
        "logistic_regression": 1000,
        "random_forest": 900,
    }


def test_v1_again_and_again_through_journal_and_ledger(world):
    settler = world.settler()
    world.open_task(settler)

    async def scene():
        balances = []
        for _ in range(4):
            await settler.wait_settled(world.record(), 10)
            balances.append(settler.head.state.task("workshop").balances["random_forest"])
        return balances

    assert play(settler, scene) == [900_000_000, 810_000_000, 729_000_000, 656_100_000]


def test_rounds_that_wait_together_share_a_block(world):
    settler = world.settler()
    world.open_task(settler)
    waiting = world.record(25)
    heights = play(settler, lambda: settler.wait_settled(waiting, 10))
    assert set(heights.values()) == {2}
    assert world.balances()["random_forest"] == after_slashes(25)


def test_more_rounds_than_a_block_takes_are_settled_in_several(world):
    settler = world.settler()
    world.open_task(settler)
    waiting = world.record(BATCH + 1)
    heights = play(settler, lambda: settler.wait_settled(waiting, 15))
    assert sorted(set(heights.values())) == [2, 3]


def test_tasks_are_settled_side_by_side_in_one_block(world):
    settler = world.settler()
    world.open_task(settler)
    world.open_task(settler, "workshop_two")
    waiting = [*world.record(2), *world.record(1, "workshop_two")]
    assert set(play(settler, lambda: settler.wait_settled(waiting, 10)).values()) == {3}
    assert (world.balances()["random_forest"], world.balances("workshop_two")["random_forest"]) == (810, 900)


def test_a_node_that_did_not_vote_or_has_no_account_is_left_alone(world):
    settler = world.settler()
    world.open_task(settler)
    votes = {node: vote for node, vote in VOTES.items() if node != "decision_tree"} | {"stranger": 0}
    waiting = world.record(evidence=orjson.dumps({"answer": 2, "votes": votes}))
    play(settler, lambda: settler.wait_settled(waiting, 10))
    assert world.balances()["decision_tree"] == 1000
    assert world.ledger().head().state.task("workshop").account("decision_tree").rounds == 0


def test_an_older_journal_put_back_is_an_alarm_and_settles_nothing_twice(world):
    settler = world.settler()
    world.open_task(settler)
    waiting = world.record()
    world.journal.close()
    old = (world.folder / "journal.sqlite").read_bytes()
    settler = world.settler()
    assert play(settler, lambda: settler.wait_settled(waiting, 10)) == {waiting[0]: 2}
    before = world.balances()
    world.journal.close()
    for rest in world.folder.glob("journal.sqlite-*"):
        rest.unlink()
    (world.folder / "journal.sqlite").write_bytes(old)
    again = world.settler()
    assert play(again, lambda: again.wait_settled(waiting, 1)) == {}
    assert "older than the ledger" in again.alarm
    assert world.balances() == before


def test_rounds_that_were_due_before_the_start_are_settled_without_a_word(world):
    settler = world.settler()
    world.open_task(settler)
    (id_,) = world.record()
    settler = world.settler()
    assert play(settler, lambda: settler.wait_settled([id_], 10)) == {id_: 2}


def test_a_round_that_is_not_due_times_out_and_says_nothing(world):
    settler = world.settler()
    world.open_task(settler)
    waiting = world.record(due=False)
    assert play(settler, lambda: settler.wait_settled(waiting, 0.4)) == {}


@pytest.mark.parametrize(("waits", "least", "most"), [(True, URGENT, PATIENT), (False, PATIENT, 3 * PATIENT)])
def test_blocks_come_at_the_pace_of_who_waits_measured_from_the_heads_time(world, waits, least, most):
    fast = FastTime()
    ledger = world.ledger(clock=fast, sleep=fast.block)
    settler = world.settler(ledger=ledger, clock=fast, sleep=fast.sleep)
    world.open_task(settler)

    async def scene():
        for height in (2, 3):
            waiting = world.record()
            settler.notify()
            while settler.head.height < height:
                await (settler.wait_settled(waiting, 5) if waits else asyncio.sleep(0.01))

    play(settler, scene)
    first, second, third = (block.time for block in ledger.blocks())
    assert least <= second - first <= most
    assert least <= third - second <= most


def test_what_one_block_cannot_hold_is_settled_at_the_pace_of_those_who_wait(world, monkeypatch):
    monkeypatch.setattr("concord.settlement.settler.BATCH", 3)
    fast = FastTime()
    ledger = world.ledger(clock=fast, sleep=fast.block)
    settler = world.settler(ledger=ledger, clock=fast, sleep=fast.sleep)
    world.open_task(settler)
    world.record(8)

    async def scene():
        settler.notify()
        await asyncio.to_thread(wait_until, lambda: settler.head.height == 4)

    play(settler, scene)
    _, *settled = ledger.blocks()
    assert [sum(event["rounds"] for event in block.events.values()) for block in settled] == [3, 3, 2]
    assert URGENT <= settled[1].time - settled[0].time < PATIENT
    assert URGENT <= settled[2].time - settled[1].time < PATIENT


def test_a_caller_who_comes_later_hurries_a_block_that_would_have_waited(world):
    settler = world.settler()
    world.open_task(settler)
    (id_,) = world.record()

    async def scene():
        settler.notify()
        await asyncio.sleep(0.5)
        before = settler.head.height
        return before, await settler.wait_settled([id_], 5)

    assert play(settler, scene) == (1, {id_: 2})


def test_what_another_replica_settles_reaches_who_waits_here(world):
    mine, other = world.settler(), world.settler(journal=world.open_journal())
    world.open_task(mine)
    (id_,) = world.record()

    async def scene():
        await other.start()
        mine._step = lambda: False
        waiting = asyncio.create_task(mine.wait_settled([id_], 10))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(other._step)
        # Whoever hears of the block looks at what it led to, and not a second later.
        return await waiting, mine.head.height

    assert play(mine, scene) == ({id_: 2}, 2)


def test_two_replicas_settle_every_round_once(world):
    settlers = [world.settler(), world.settler(journal=world.open_journal())]
    world.open_task(settlers[0])

    async def scene():
        await settlers[1].start()
        second = asyncio.create_task(settlers[1].run())
        heights = {}
        for turn in range(4):
            waiting = world.record(5)
            heights |= await settlers[turn % 2].wait_settled(waiting, 15)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        return heights

    assert len(play(settlers[0], scene)) == 20
    assert world.balances()["random_forest"] == after_slashes(20)
    assert world.ledger().verify(world.journal.noted_blocks()).ok


def test_a_claim_is_taken_up_by_two_at_once_and_settled_once(world):
    first, second = world.settler(), world.settler(journal=world.open_journal())
    world.open_task(first)
    (id_,) = world.record()
    world.journal.claim("b1", 1, 10)
    first._recover()
    second._recover()
    assert (first._step(), second._step()) == (False, False)
    assert (world.ledger().head().height, world.journal.round(id_).block) == (2, 2)
    assert world.balances()["random_forest"] == 900


def test_a_claim_that_lost_its_swap_waits_for_its_turn_and_is_settled_on_the_new_state(world):
    settler, rival = world.settler(), world.settler(journal=world.open_journal())
    world.open_task(settler)
    (first,), store = world.record(), settler._ledger._store
    swap = store.swap_head

    def late(data, expected):
        store.swap_head = swap
        rival._append([events.deposit("workshop", "random_forest", 100_000_000, "gift")])
        return swap(data, expected)

    store.swap_head = late
    assert settler._step()
    assert not settler._step()
    assert world.journal.round(first).block == 3
    assert world.balances()["random_forest"] == 990


def test_a_claim_that_nobody_finished_is_taken_up_after_a_while(world, monkeypatch):
    settler = world.settler()
    world.open_task(settler)
    (id_,) = world.record()
    world.open_journal().claim("gone", 1, 10)
    assert not settler._step()
    monkeypatch.setattr("concord.settlement.settler.ABANDONED", 0)
    settler._step()
    assert world.journal.round(id_).block == 2


def test_appended_events_are_noted_in_the_journal_and_returned_as_their_block(world):
    settler = world.settler()
    opening = [events.params("workshop", "seed"), events.open_account("workshop", "knn", 10, 1)]

    async def scene():
        first = await settler.append(opening)
        return first, await settler.append(opening), settler.head

    first, again, head = play(settler, scene)
    assert (first, head.hash) == (again, first.hash)
    assert world.journal.noted_documents() == [(1, first.hash, first.data)]


def test_a_block_that_another_process_wrote_is_seen_and_noted_within_a_second_or_so(world):
    settler = world.settler()
    world.open_task(settler)

    async def scene():
        world.ledger().append([events.params("other", "seed")])
        await asyncio.to_thread(wait_until, lambda: settler.head.height > 1, 5)
        return settler.head.height

    assert play(settler, scene) == 2
    assert [height for height, _ in world.journal.noted_blocks()] == [1, 2]


def test_an_event_that_cannot_happen_is_the_callers_error_and_no_alarm(world):
    settler = world.settler()
    world.open_task(settler)

    async def scene():
        with pytest.raises(Conflict):
            await settler.append([events.withdraw("workshop", "knn", 10**12, "w")])

    play(settler, scene)
    assert settler.alarm is None


def test_a_journal_that_fails_for_a_while_is_tried_again(world, caplog):
    settler = world.settler()
    world.open_task(settler)
    waiting, mark, failures = world.record(), world.journal.mark_settled, [1, 2]

    def failing(*args):
        if failures:
            failures.pop()
            raise JournalUnavailable("disk full")
        mark(*args)

    world.journal.mark_settled = failing
    with caplog.at_level(logging.WARNING):
        assert play(settler, lambda: settler.wait_settled(waiting, 10)) == {waiting[0]: 2}
    assert [record.message for record in caplog.records] == ["settling_failed"] * 2
    assert (world.balances()["random_forest"], settler.alarm) == (900, None)


def test_a_store_that_fails_for_a_while_is_tried_again(world):
    settler = world.settler()
    world.open_task(settler)
    waiting, store = world.record(), settler._ledger._store
    swap, failures = store.swap_head, [1]

    def failing(data, expected):
        revision = swap(data, expected)
        if failures:
            failures.pop()
            raise LedgerError("the disk went away just after the rename")
        return revision

    store.swap_head = failing
    assert play(settler, lambda: settler.wait_settled(waiting, 10)) == {waiting[0]: 2}
    assert world.balances()["random_forest"] == 900


def test_a_broken_ledger_raises_the_alarm_once_and_nothing_is_appended(world, caplog):
    settler = world.settler()
    world.open_task(settler)
    head = world.folder / "ledger" / "head.json"

    async def scene():
        broken = head.read_bytes().replace(b"1000000000", b"1000000001", 1)
        head.write_bytes(broken)
        waiting = world.record()
        settler.notify()
        assert await settler.wait_settled(waiting, 5) == {}
        with pytest.raises(LedgerBroken):
            await settler.append([events.params("more", "seed")])
        return broken

    assert play(settler, scene) == head.read_bytes()
    assert "seal" in settler.alarm
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "ledger_broken"
    ]


def test_an_old_head_put_back_while_nobody_ran_is_an_alarm_at_the_start(world):
    settler, head = world.settler(), world.folder / "ledger" / "head.json"
    world.open_task(settler)
    old = head.read_bytes()
    world.open_task(settler, "another")
    head.write_bytes(old)
    settler = world.settler()
    asyncio.run(settler.start())
    assert "old head" in settler.alarm


def test_an_old_head_put_back_while_another_replica_noted_more_is_an_alarm(world):
    settler, head = world.settler(), world.folder / "ledger" / "head.json"
    world.open_task(settler)
    old = head.read_bytes()
    world.settler(journal=world.open_journal())._append([events.params("another", "seed")])
    head.write_bytes(old)
    world.record()
    with pytest.raises(LedgerBroken, match="old head"):
        settler._step()
    assert head.read_bytes() == old


def test_a_ledger_that_is_gone_is_an_alarm_and_no_new_one_is_begun(world):
    settler = world.settler()
    world.open_task(settler)
    (world.folder / "ledger" / "head.json").unlink()
    settler = world.settler()
    asyncio.run(settler.start())
    assert settler.alarm
    assert not (world.folder / "ledger" / "head.json").exists()


@pytest.mark.parametrize(
    "fields",
    [{"evidence": None}, {"evidence": b'{"answer":1}'}, {"policy": "wager"}, {"task": "nobodys"}],
    ids=["no evidence", "half of it", "a policy that needs labels", "an unknown task"],
)
def test_a_round_that_cannot_be_settled_is_an_alarm_and_stays_due(world, fields):
    settler = world.settler()
    world.open_task(settler)
    waiting = world.record(**fields)
    play(settler, lambda: settler.wait_settled(waiting, 5))
    assert settler.alarm
    assert world.journal.due_count() == 1


def test_a_labelled_round_of_a_task_that_is_not_opened_yet_waits_for_its_accounts(world):
    settler = world.settler()
    votes = {node: ["1", 0, 1_000_000] for node in ACCURACIES}
    (id_,) = world.record(task="late", policy="wager", due=False, evidence=evidence.write(1, votes))
    world.journal.label([LabelRow(id_, 1, "crm", 10, "r")])

    async def scene():
        await settler.wait_settled([id_], 0.5)
        opened = [events.open_account("late", node, 1000 * MICRO, 900_000) for node in ACCURACIES]
        await settler.append([events.params("late", "wager"), *opened])
        return await settler.wait_settled([id_], 10)

    assert play(settler, scene) == {id_: 2}
    assert settler.alarm is None


def test_a_deleted_head_is_rebuilt_from_what_the_settler_noted(world):
    world.limit = 4000
    settler = world.settler()
    world.open_task(settler)
    for _ in range(8):
        world.record()
        settler._step()
    head = world.folder / "ledger" / "head.json"
    before = head.read_bytes()
    head.unlink()
    assert world.ledger().rebuild(world.journal.noted_documents()).sealed > 0
    assert head.read_bytes() == before


def test_being_cancelled_ends_the_run_between_two_steps(world):
    settler = world.settler()
    world.open_task(settler)

    async def scene():
        world.record()
        settler.notify()
        await settler.wait_settled(["nobody"], 0.15)

    play(settler, scene)
    assert world.journal.open_claims() == [] or world.journal.due_count() == 1


def test_a_new_journal_beside_a_long_ledger_takes_its_blocks_in_some_at_a_time(world, monkeypatch):
    monkeypatch.setattr("concord.settlement.noted_blocks.NOTED_AT_ONCE", 3)
    ledger, groups = world.ledger(), []
    for number in range(8):
        ledger.append([events.params(f"task{number}", "seed")])
    note = world.journal.note_blocks
    monkeypatch.setattr(
        world.journal, "note_blocks", lambda some, sealed: (groups.append(len(some)), note(some, sealed))
    )
    world.settler()._recover()
    assert (groups, world.journal.newest_block()[0]) == ([3, 3, 2], 8)
