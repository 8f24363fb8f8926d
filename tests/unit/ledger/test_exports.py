"""An export is taken in whole, into an empty ledger, or not at all."""

import pytest

from concord.errors import Conflict, InvalidInput, LedgerConflict
from concord.ledger import events
from concord.ledger.ledger import Ledger
from tests.unit.ledger.conformance import MemoryStore

LIMIT = 2000


@pytest.fixture(scope="module")
def exported():
    """The lines of a ledger of several segments."""
    ledger = Ledger(MemoryStore(), limit=LIMIT)
    ledger.append([events.params("iris", "seed"), events.open_account("iris", "knn", 10**9, 920000)])
    for i in range(20):
        ledger.append([events.deposit("iris", "knn", 1, f"k{i}")])
    return list(ledger.export())


@pytest.fixture
def store():
    return MemoryStore()


def take_in(store, lines):
    return Ledger(store, limit=LIMIT).import_blocks(lambda: lines)


def test_what_was_exported_is_there_again_byte_by_byte_and_in_segments(store, exported):
    assert take_in(store, exported).height == 21
    ledger = Ledger(store)
    assert list(ledger.export()) == exported
    assert (ledger.verify().ok, len(store.segments) > 1, len(store.head[0]) <= LIMIT) == (True, True, True)


def test_the_ledger_goes_on_from_there(store, exported):
    ledger = Ledger(store, limit=LIMIT)
    ledger.import_blocks(lambda: exported)
    ledger.append([events.deposit("iris", "knn", 1, "k0"), events.deposit("iris", "knn", 1, "new")])
    assert ledger.head().state.task("iris").balances == {"knn": 10**9 + 21}


def test_a_ledger_that_is_not_empty_is_left_alone(store, exported):
    take_in(store, exported[:3])
    before = store.head
    with pytest.raises(Conflict, match="empty"):
        take_in(store, exported)
    assert store.head == before


def test_a_ledger_whose_head_was_lost_is_not_taken_for_an_empty_one(store, exported):
    store.write_segment("ledger-1-5-00000000", b"another's")
    with pytest.raises(Conflict, match="rebuild"):
        take_in(store, exported)
    assert store.head is None


def test_an_import_that_was_broken_off_is_done_again(store, exported):
    swap, store.swap_head = store.swap_head, None
    with pytest.raises(TypeError):
        take_in(store, exported)
    assert store.segments
    store.swap_head = swap
    assert take_in(store, exported).height == 21


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [], "no block"),
        (lambda lines: lines[1:], "Line 1 "),
        (lambda lines: lines[:4] + lines[5:], "Line 5 .*does not follow"),
        (lambda lines: lines[:2] + lines[:2], "Line 3 "),
        (
            lambda lines: [*lines[:6], lines[6].replace(b'"amount":1', b'"amount":2'), *lines[7:]],
            "Line 7 .*state",
        ),
        (lambda lines: [*lines[:6], lines[6].replace(b":", b": ", 1)], "Line 7 .*canonically"),
        (lambda lines: [*lines[:6], lines[6][:40]], "Line 7 .*JSON"),
        (lambda lines: [*lines, b"\n"], "Line 22 "),
    ],
    ids=[
        "empty",
        "no beginning",
        "a gap",
        "twice",
        "another amount",
        "another writing",
        "cut",
        "a blank line",
    ],
)
def test_a_line_that_is_not_as_it_was_written_is_named_and_nothing_is_written(store, exported, change, words):
    with pytest.raises(InvalidInput, match=words):
        take_in(store, change(exported))
    assert (store.head, store.segments) == (None, {})


def test_somebody_who_begins_the_ledger_meanwhile_is_not_overwritten(store, exported):
    write = store.write_segment

    def meanwhile(name, data):
        store.head = (b"theirs", "1")
        write(name, data)

    store.write_segment = meanwhile
    with pytest.raises(LedgerConflict):
        take_in(store, exported)
    assert store.head == (b"theirs", "1")
