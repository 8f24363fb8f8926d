"""The ledger as callers use it: keys, sealing, other writers, time, reading back, archive and rebuild."""

import gzip
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.errors import Conflict, LedgerBroken, LedgerConflict, LedgerError, UnknownName
from concord.ledger import events
from concord.ledger.chain import GENESIS, replay
from concord.ledger.head import HEAD_LIMIT
from concord.ledger.ledger import Ledger
from concord.ledger.segments import Segments
from concord.ledger.state import State
from tests.unit.ledger.conformance import MemoryArchive, MemoryStore

OPENING = (events.params("iris", "seed"), events.open_account("iris", "knn", 10**9, 920000))


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, now=10**15):
        self.now, self.slept = now, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += round(seconds * 1e6)


def deposit(key, amount=1):
    return events.deposit("iris", "knn", amount, key)


def open_ledger(store=None, blocks=0, **options):
    ledger = Ledger(store or MemoryStore(), rng=random.Random(7), **options)
    ledger.append(OPENING)
    for i in range(blocks):
        ledger.append([deposit(f"k{i}")])
    return ledger


def rival(store, *batches, **options):
    """Makes a store's next swap come after another writer's appends."""
    swap, other = store.swap_head, Ledger(store, **options)

    def late(data, expected):
        store.swap_head = swap
        for batch in batches:
            other.append(batch)
        return swap(data, expected)

    store.swap_head = late


def test_an_empty_ledger_is_at_height_zero():
    head = Ledger(MemoryStore()).head()
    assert (head.height, head.hash, head.time, head.state) == (0, GENESIS, 0, State())


def test_an_appended_block_is_the_head_that_another_reader_sees():
    store = MemoryStore()
    block = open_ledger(store).append([deposit("a", 5)])
    head = Ledger(store).head()
    assert (head.height, head.hash, head.blocks[-1]) == (2, block.hash, block)
    assert head.state.task("iris").balances == {"knn": 10**9 + 5}


def test_the_same_key_and_body_again_returns_the_block_and_changes_nothing():
    ledger = open_ledger()
    first = ledger.append([deposit("a")])
    before = ledger.head()
    assert ledger.append([deposit("a")]) == first
    assert ledger.head() == before


def test_the_same_key_with_another_body_is_refused():
    ledger = open_ledger()
    ledger.append([deposit("a", 1)])
    with pytest.raises(Conflict):
        ledger.append([deposit("a", 2)])
    with pytest.raises(Conflict):
        ledger.append([deposit("b", 1), deposit("b", 2)])


def test_a_key_is_known_long_after_its_block_was_sealed():
    ledger = open_ledger(blocks=1, limit=1500)
    for i in range(40):
        ledger.append([deposit(f"more{i}")])
    assert ledger.head().segment.first > 2
    assert Ledger(ledger._store).append([deposit("k0")]).height == 2
    with pytest.raises(Conflict):
        ledger.append([deposit("k0", 2)])


def test_a_key_is_looked_for_only_above_the_height_that_is_given():
    ledger = open_ledger(blocks=5)
    assert ledger.append([deposit("k3")], since=3).height == 5
    assert ledger.append([deposit("k0")], since=3).height == 7


def test_of_several_events_only_those_that_are_missing_are_appended():
    ledger = open_ledger(blocks=1)
    block = ledger.append([deposit("k0"), deposit("new")])
    assert list(block.events) == ["deposit:new"]


def test_parameters_that_stand_already_make_no_block_and_former_ones_do():
    ledger = open_ledger()
    assert ledger.append([events.params("iris", "seed")]).height == 1
    assert ledger.append([events.params("iris", "wager")]).height == 2
    assert ledger.append([events.params("iris", "seed")]).height == 3
    assert ledger.head().state.task("iris").policy == "seed"
    assert ledger.verify().ok


def test_an_account_that_is_open_with_another_deposit_is_a_conflict():
    with pytest.raises(Conflict):
        open_ledger().append([events.open_account("iris", "knn", 5, 920000)])


def test_an_event_that_cannot_happen_leaves_the_ledger_as_it_was():
    ledger = open_ledger()
    with pytest.raises(Conflict):
        ledger.append([deposit("a"), events.withdraw("iris", "knn", 10**10, "w")])
    assert (ledger.head().height, ledger.append([deposit("a")]).height) == (1, 2)


def test_a_lost_swap_is_built_again_on_the_new_head():
    store, clock = MemoryStore(), Clock()
    ledger = open_ledger(store, clock=clock, sleep=clock.sleep)
    rival(store, [deposit("theirs")])
    assert ledger.append([deposit("mine")]).height == 3
    assert [list(block.events) for block in ledger.blocks(2)] == [["deposit:theirs"], ["deposit:mine"]]
    assert len(clock.slept) == 1


def test_a_lost_swap_to_the_same_event_finds_it_and_appends_nothing():
    store = MemoryStore()
    ledger = open_ledger(store)
    rival(store, [deposit("same")])
    assert ledger.append([deposit("same")]).height == 2
    assert ledger.head().height == 2


def test_events_are_made_anew_from_the_state_that_they_land_on():
    store = MemoryStore()
    ledger = open_ledger(store)
    rival(store, [deposit("theirs", 7)])

    def double(state):
        return [deposit("double", state.task("iris").balances["knn"])]

    ledger.append(double)
    assert ledger.head().state.task("iris").balances == {"knn": 2 * (10**9 + 7)}
    assert ledger.append(double).height == 3


def test_a_writer_that_always_loses_gives_up():
    store = MemoryStore()
    ledger = open_ledger(store)
    rival(store, [deposit("theirs")])
    with pytest.raises(LedgerConflict):
        ledger.append([deposit("mine")], attempts=1)


def test_a_head_that_would_pass_its_limit_is_sealed_first():
    store = MemoryStore()
    ledger = open_ledger(store, blocks=400)
    assert len(store.head[0]) <= HEAD_LIMIT
    head = ledger.head()
    assert (head.segment.first, head.segment.last + 1) == (1, head.blocks[0].height)
    lines = gzip.decompress(store.segments[head.segment.name]).splitlines()
    assert [orjson.loads(line)["height"] for line in lines[1:]] == list(range(1, head.segment.last + 1))
    assert head.segment.name.endswith(ledger.block(head.segment.last).hash[:8])


def test_a_block_that_fits_into_no_head_is_refused():
    with pytest.raises(LedgerError, match="does not fit"):
        open_ledger().append([deposit(f"{i:0200}") for i in range(400)])


def test_a_segment_of_a_lost_swap_is_an_orphan_and_no_problem():
    store = MemoryStore()
    ledger = open_ledger(store, blocks=3, limit=2000)
    sealed = len(store.segments)
    while len(store.segments) == sealed:
        # The rival's block fits into the head and this writer's does not.
        rival(store, [deposit(f"small{ledger.head().height}")], limit=HEAD_LIMIT)
        ledger.append([deposit(f"large{ledger.head().height}" + "x" * 600)], attempts=50)
    report = ledger.verify()
    assert report.ok
    assert report.orphans


def test_a_segment_that_a_crashed_writer_left_is_used_by_the_next():
    store = MemoryStore()
    ledger = open_ledger(store, blocks=2)
    swap = store.swap_head

    def crash(_data, _expected):
        raise LedgerError("power cut")

    store.swap_head, ledger._limit = crash, 1000
    with pytest.raises(LedgerError):
        ledger.append([deposit("lost")])
    store.swap_head = swap
    (name,) = store.segments
    # As another version of gzip would have packed it.
    store.segments[name] = gzip.compress(gzip.decompress(store.segments[name]), compresslevel=1, mtime=9)
    assert ledger.append([deposit("next")]).height == 4
    assert (ledger.verify().ok, ledger.verify().orphans) == (True, ())


def test_a_segment_of_the_right_name_with_other_blocks_stops_the_writer():
    store, twin = MemoryStore(), MemoryStore()
    ledger = open_ledger(store, blocks=2)
    Ledger(twin, limit=1000, clock=lambda: 5).append([events.params("film", "seed")])
    Ledger(twin, limit=200).append([events.params("loan", "seed")])
    (forged,) = twin.segments.values()
    store.segments[f"ledger-1-3-{ledger.head().hash[:8]}"] = forged
    ledger._limit = 1000
    with pytest.raises(LedgerBroken):
        ledger.append([deposit("more")])
    assert ledger.head().height == 3


def test_a_gap_keeps_blocks_apart_measured_from_the_heads_time():
    clock = Clock()
    ledger = open_ledger(clock=clock, sleep=clock.sleep)
    clock.now += 50_000
    block = ledger.append([deposit("a")], gap=200_000)
    assert block.time - ledger.block(1).time == 200_000
    assert clock.slept == [0.15]


def test_a_head_from_the_future_delays_a_block_by_no_more_than_the_gap():
    store, clock = MemoryStore(), Clock()
    open_ledger(store, clock=lambda: clock.now + 10**12)
    ledger = Ledger(store, clock=clock, sleep=clock.sleep)
    block = ledger.append([deposit("a")], gap=200_000)
    assert (sum(clock.slept), block.time > ledger.block(1).time) == (0.2, True)


def test_blocks_are_read_back_by_height_from_segments_and_head_alike():
    ledger = open_ledger(blocks=30, limit=2500)
    assert ledger.head().segment is not None
    reader = Ledger(ledger._store)
    assert [block.height for block in reader.blocks(5, 29)] == list(range(5, 29))
    assert [reader.block(h).height for h in (31, 1, 17)] == [31, 1, 17]
    assert [list(b.events) for b in reader.blocks(2, 3)] == [["deposit:k0"]]


@pytest.mark.parametrize("height", [0, -1, 3])
def test_a_height_that_is_not_there_is_an_unknown_name(height):
    with pytest.raises(UnknownName):
        open_ledger(blocks=1).block(height)


def test_the_state_before_any_block_is_the_fold_of_all_before_it():
    ledger = open_ledger(blocks=25, limit=2500)
    blocks = ledger.blocks()
    for height in range(1, 28):
        assert ledger.state_before(height) == replay(blocks[: height - 1], State())
    with pytest.raises(UnknownName):
        ledger.state_before(28)


def test_an_export_holds_every_block_as_a_line():
    ledger = open_ledger(blocks=25, limit=2500)
    lines = list(ledger.export())
    assert [orjson.loads(line)["height"] for line in lines] == list(range(1, 27))
    assert all(line.endswith(b"\n") for line in lines)


def test_archiving_moves_all_but_the_newest_segments_and_nothing_gets_lost():
    store, archive = MemoryStore(), MemoryArchive()
    ledger = open_ledger(store, blocks=40, limit=2500, archive=archive)
    count = len(store.segments)
    assert ledger.archive(keep=2) == count - 2
    assert (len(store.segments), len(archive)) == (2, count - 2)
    again = Ledger(store, archive=archive)
    assert (again.verify().ok, again.archive(keep=2), again.block(1).height) == (True, 0, 1)
    assert again.append([deposit("k0")]).height == 2
    assert not Ledger(store).verify().ok


def test_archiving_again_reads_nothing_of_what_was_archived(monkeypatch):
    store, archive = MemoryStore(), MemoryArchive()
    ledger = open_ledger(store, blocks=40, limit=2500, archive=archive)
    moved = ledger.archive(keep=3)
    monkeypatch.setattr(archive, "kept_segment", lambda name: pytest.fail(f"{name} was read"))
    again = Ledger(store, archive=archive)
    assert (moved > 2, again.archive(keep=3)) == (True, 0)


def test_an_archiving_that_was_broken_off_goes_on_where_it_stopped(monkeypatch):
    store, archive = MemoryStore(), MemoryArchive()
    ledger = open_ledger(store, blocks=40, limit=2500, archive=archive)
    count, delete = len(store.segments), store.delete_segment

    def refused(name):
        if len(store.segments) < count:
            raise LedgerError("away")
        delete(name)

    monkeypatch.setattr(store, "delete_segment", refused)
    with pytest.raises(LedgerError, match="away"):
        ledger.archive(keep=1)
    monkeypatch.undo()
    assert Ledger(store, archive=archive).archive(keep=1) == count - 2
    assert Ledger(store, archive=archive).verify().ok


def test_a_segment_that_has_changed_is_not_archived():
    store, archive = MemoryStore(), MemoryArchive()
    ledger = open_ledger(store, blocks=40, limit=2500, archive=archive)
    name = min(store.segments, key=lambda n: int(n.split("-")[1]))
    store.segments[name] = store.segments[name][:-1] + b"x"
    with pytest.raises(LedgerBroken):
        ledger.archive(keep=0)
    assert name in store.segments


def notes(ledger):
    sealed = ledger.head().sealed
    return [(b.height, b.hash, b.data if b.height > sealed else None) for b in ledger.blocks()]


@pytest.mark.parametrize("blocks", [1, 9, 40])
def test_a_deleted_head_is_rebuilt_to_the_byte(blocks):
    store = MemoryStore()
    ledger = open_ledger(store, blocks=blocks, limit=2500)
    noted, before = notes(ledger), store.head[0]
    store.head = None
    assert Ledger(store).rebuild(noted).height == blocks + 1
    assert store.head[0] == before


def test_a_head_is_rebuilt_beside_orphans_and_archived_segments():
    store, archive = MemoryStore(), MemoryArchive()
    ledger = open_ledger(store, blocks=40, limit=2500, archive=archive)
    noted, before = notes(ledger), store.head[0]
    ledger.archive(keep=1)
    store.segments["ledger-1-99-00000000"] = b"junk"
    store.head = None
    Ledger(store, archive=archive).rebuild(noted)
    assert store.head[0] == before


def test_a_head_whose_last_blocks_nobody_noted_is_rebuilt_as_far_as_it_was_sealed():
    store = MemoryStore()
    ledger = open_ledger(store, blocks=20, limit=2500)
    sealed, hashes = ledger.head().sealed, [(b.height, b.hash) for b in ledger.blocks()]
    store.head = None
    again = Ledger(store)
    assert again.rebuild([(h, block_hash, None) for h, block_hash in hashes if h <= sealed]).height == sealed
    assert again.append([deposit("next")]).height == sealed + 1
    assert again.verify(hashes[:sealed]).ok


def test_a_ledger_that_cannot_be_rebuilt_whole_is_not_rebuilt():
    store = MemoryStore()
    ledger = open_ledger(store, blocks=20, limit=2500)
    noted = [(h, block_hash, None) for h, block_hash, _ in notes(ledger)]
    store.head = None
    with pytest.raises(LedgerBroken, match="cannot be found"):
        Ledger(store).rebuild(noted)
    assert store.head is None


def test_a_rebuilt_chain_that_differs_from_the_notes_is_not_written():
    store = MemoryStore()
    noted = notes(open_ledger(store, blocks=20, limit=2500))
    noted[0] = (1, "0" * 64, None)
    store.head = None
    with pytest.raises(LedgerBroken):
        Ledger(store).rebuild(noted)
    assert store.head is None


@pytest.mark.parametrize("replace", [False, True])
def test_there_is_nothing_to_rebuild_where_there_is_a_sound_head(replace):
    with pytest.raises(Conflict):
        open_ledger().rebuild([], replace=replace)


def test_a_head_that_is_not_what_was_written_is_replaced_only_where_that_is_asked_for():
    store = MemoryStore()
    noted, before = notes(open_ledger(store, blocks=20, limit=2500)), store.head
    store.head = (before[0].replace(b"knn", b"kmm", 1), "changed")
    with pytest.raises(Conflict):
        Ledger(store).rebuild(noted)
    assert Ledger(store).rebuild(noted, replace=True).height == 21
    assert store.head[0] == before[0]


def test_an_old_head_that_was_put_back_is_replaced_by_what_was_noted():
    store = MemoryStore()
    ledger = open_ledger(store, blocks=3)
    old = store.head
    ledger.append([deposit("late")])
    noted, newest = notes(ledger), store.head[0]
    store.head = old
    assert Ledger(store).rebuild(noted, replace=True).height == 5
    assert store.head[0] == newest


def test_a_head_cannot_be_made_of_nothing():
    with pytest.raises(LedgerBroken, match="Neither"):
        Ledger(MemoryStore()).rebuild([])


class CountingStore(MemoryStore):
    """Counts the segments that are read."""

    def __init__(self):
        super().__init__()
        self.read = 0

    def read_segment(self, name):
        self.read += 1
        return super().read_segment(name)


def test_what_is_kept_of_a_long_chain_is_bounded_and_everything_is_still_found(monkeypatch):
    store = MemoryStore()
    ledger = open_ledger(store, blocks=150, limit=1500)
    monkeypatch.setattr("concord.ledger.segments.INDEXED", 3)
    monkeypatch.setattr("concord.ledger.segments.WAYPOINTS", 8)
    segments = Segments(store, cached=2)
    newest = ledger.head().segment
    assert len(store.segments) > 30
    heights = [segments.segment_at(newest, height).height_before for height in range(1, newest.last + 1)]
    assert heights == sorted(heights)
    assert [segments.height_of(f"deposit:k{i}", newest, 0) for i in (0, 70, 100)] == [2, 72, 102]
    assert segments.height_of("deposit:none", newest, 0) is None
    assert segments.height_of("deposit:k0", newest, 2) is None
    assert [b.height for b in segments.blocks(newest, 1, newest.last + 1)] == list(range(1, newest.last + 1))
    assert (len(segments._cache), len(segments._indices)) == (2, 3)
    assert 4 <= len(segments._waypoints._refs) <= 8


def test_a_key_above_a_recent_height_is_looked_for_in_the_newest_segments_only():
    store = CountingStore()
    newest = open_ledger(store, blocks=100, limit=1500).head().segment
    store.read = 0
    assert Segments(store).height_of("deposit:none", newest, newest.first) is None
    assert store.read == 1


def test_an_old_block_is_found_again_without_reading_all_that_came_after_it():
    store = CountingStore()
    newest = open_ledger(store, blocks=100, limit=1500).head().segment
    segments = Segments(store, cached=1)
    segments.segment_at(newest, 3)
    store.read = 0
    segments.segment_at(newest, 60)
    segments.segment_at(newest, 4)
    assert store.read <= 2


def test_a_reader_with_an_older_head_beside_one_with_a_newer_head_is_no_fork():
    store = MemoryStore()
    ledger = open_ledger(store, blocks=40, limit=1500)
    older = ledger.head().segment
    for i in range(40):
        ledger.append([deposit(f"later{i}")])
    segments = Segments(store)
    assert segments.segment_at(ledger.head().segment, 2).blocks
    assert segments.segment_at(older, older.last).blocks[-1].height == older.last
    assert segments.height_of("deposit:k0", older, 0) == 2


def test_a_chain_that_is_not_the_one_read_before_is_a_broken_ledger():
    store, twin = MemoryStore(), MemoryStore()
    newest = open_ledger(store, blocks=40, limit=1500).head().segment
    other = open_ledger(twin, blocks=60, limit=1500, clock=lambda: 10**15).head().segment
    store.segments.update(twin.segments)
    for first, second in ((newest, other), (other, newest)):
        segments = Segments(store)
        segments.segment_at(first, 1)
        with pytest.raises(LedgerBroken, match="no part of the chain"):
            segments.segment_at(second, 1)


def test_a_range_of_old_blocks_is_read_from_its_own_segments_alone():
    store = CountingStore()
    ledger = open_ledger(store, blocks=100, limit=1500)
    ledger.block(1)
    store.read = 0
    assert [block.height for block in ledger.stream(1, 3)] == [1, 2]
    assert store.read <= 1
    assert list(ledger.stream(1, 1)) == []


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=25), st.integers(1200, 4000))
def test_events_that_come_again_and_again_by_two_writers_count_once(arrivals, limit):
    store = MemoryStore()
    writers = {which: Ledger(store, limit=limit) for which in (True, False)}
    writers[True].append(OPENING)
    for key, which in arrivals:
        writers[which].append([deposit(f"k{key}", key + 1)])
    expected = sum(key + 1 for key in {key for key, _ in arrivals})
    assert writers[True].head().state.task("iris").balances == {"knn": 10**9 + expected}
    assert writers[False].verify().ok
