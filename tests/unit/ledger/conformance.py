"""What every store of a ledger must pass: inherit `StoreSuite` and give it a `make` fixture.

`make()` returns a store over the same place each time, as another process would open it.
"""

import threading

import pytest

from concord.errors import LedgerConflict, LedgerError
from concord.ledger import events
from concord.ledger.ledger import Ledger

SEGMENT = "ledger-1-35-0123abcd"
OTHER = "ledger-36-70-89abcdef"


class MemoryStore:
    """A store in a dictionary: fast, and a second implementation that keeps the suite honest."""

    def __init__(self):
        self.head, self.segments, self.swaps = None, {}, 0
        self.lock = threading.Lock()

    def read_head(self):
        return self.head

    def swap_head(self, data, expected):
        with self.lock:
            if (self.head[1] if self.head else None) != expected:
                raise LedgerConflict("moved")
            self.swaps += 1
            self.head = (data, str(self.swaps))
            return self.head[1]

    def write_segment(self, name, data):
        if not name.startswith("ledger-"):
            raise LedgerError("no name")
        if self.segments.setdefault(name, data) != data:
            raise LedgerConflict("there")

    def read_segment(self, name):
        return self.segments.get(name)

    def list_segments(self):
        return sorted(self.segments)

    def delete_segment(self, name):
        self.segments.pop(name, None)


class MemoryArchive(dict):
    """An archive in a dictionary."""

    def keep_segment(self, name, data):
        self[name] = data

    def kept_segment(self, name):
        return self.get(name)


class StoreSuite:
    """The promises of `concord.ledger.store.Store`."""

    def test_there_is_no_head_at_first(self, make):
        assert make().read_head() is None

    def test_what_is_swapped_in_is_read_by_another_under_the_revision_that_was_returned(self, make):
        revision = make().swap_head(b"one", None)
        assert make().read_head() == (b"one", revision)

    def test_a_revision_changes_with_every_swap(self, make):
        store = make()
        first = store.swap_head(b"one", None)
        assert store.swap_head(b"two", first) != first

    @pytest.mark.parametrize("expected", [None, "another"])
    def test_a_swap_on_another_revision_is_refused_and_changes_nothing(self, make, expected):
        store = make()
        store.swap_head(b"one", None)
        with pytest.raises(LedgerConflict):
            store.swap_head(b"two", expected)
        assert store.read_head()[0] == b"one"

    def test_a_swap_that_expects_a_head_where_there_is_none_is_refused(self, make):
        with pytest.raises(LedgerConflict):
            make().swap_head(b"one", "something")

    def test_of_many_writers_with_one_revision_one_gets_through(self, make):
        revision, won, lost = make().swap_head(b"start", None), [], []

        def write(number):
            try:
                make().swap_head(b"%d" % number, revision)
                won.append(number)
            except LedgerConflict:
                lost.append(number)

        threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(lost)) == (1, 7)
        assert make().read_head()[0] == b"%d" % won[0]

    def test_a_segment_is_read_back_as_written(self, make):
        make().write_segment(SEGMENT, b"\x1f\x8b\x00\xff")
        assert make().read_segment(SEGMENT) == b"\x1f\x8b\x00\xff"

    def test_a_segment_that_is_not_there_is_none(self, make):
        assert make().read_segment(SEGMENT) is None

    def test_the_same_segment_again_is_harmless(self, make):
        make().write_segment(SEGMENT, b"one")
        make().write_segment(SEGMENT, b"one")
        assert make().list_segments() == [SEGMENT]

    def test_a_segment_never_changes(self, make):
        make().write_segment(SEGMENT, b"one")
        with pytest.raises(LedgerConflict):
            make().write_segment(SEGMENT, b"two")
        assert make().read_segment(SEGMENT) == b"one"

    def test_segments_are_listed_and_the_head_is_none_of_them(self, make):
        store = make()
        assert store.list_segments() == []
        store.swap_head(b"head", None)
        store.write_segment(OTHER, b"2")
        store.write_segment(SEGMENT, b"1")
        assert sorted(store.list_segments()) == sorted([SEGMENT, OTHER])

    def test_a_deleted_segment_is_gone_and_deleting_it_again_is_harmless(self, make):
        store = make()
        store.write_segment(SEGMENT, b"1")
        store.delete_segment(SEGMENT)
        store.delete_segment(SEGMENT)
        assert (store.read_segment(SEGMENT), store.list_segments()) == (None, [])

    def test_a_name_that_leads_elsewhere_is_refused(self, make):
        with pytest.raises(LedgerError):
            make().write_segment("../ledger", b"1")

    def test_a_ledger_grows_over_several_segments_on_it(self, make):
        ledger = Ledger(make(), limit=2000)
        ledger.append([events.params("iris", "seed"), events.open_account("iris", "knn", 10**9, 920000)])
        for i in range(12):
            ledger.append([events.deposit("iris", "knn", 1, f"k{i}")])
        report = Ledger(make()).verify()
        assert (report.ok, report.height, report.segments > 1) == (True, 13, True)
