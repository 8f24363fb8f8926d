"""Blocks that a running service has just appended are given time to be noted, and are missing only then."""

import pytest

from concord.settlement.noted_blocks import WAITS, verify_with_notes
from tests.service.labelled_world import LabelledWorld


class SlowNotes:
    """The journal of a service that notes its newest blocks only after the notes were read so often."""

    def __init__(self, notes, newest, reads):
        self._notes, self._newest, self.reads = notes, newest, reads

    def noted_blocks(self):
        self.reads -= 1
        return self._notes if self.reads < 0 or not self._newest else self._notes[: -self._newest]


@pytest.fixture
def world(tmp_path):
    world = LabelledWorld(tmp_path)
    for _ in range(3):
        world.answer(1, 1, 1, 1, label=1)
        world.settle()
    yield world
    world.close()


@pytest.fixture
def verify(world):
    """Verifies beside a journal that notes so many blocks after so many reads."""

    def verify(newest, reads, change=lambda notes: notes):
        journal = SlowNotes(change(world.journal.noted_blocks()), newest, reads)
        waited = []
        return verify_with_notes(world.ledger(), journal, waited.append), waited

    return verify


@pytest.mark.parametrize("newest", [1, 2, 4])
def test_blocks_that_are_noted_meanwhile_are_compared(verify, newest):
    report, waited = verify(newest, 2)
    assert (report.ok, report.noted, report.height) == (True, 4, 4)
    assert waited == [0.0, 0.5]


def test_notes_that_are_whole_are_read_once(verify):
    report, waited = verify(1, 0)
    assert (report.ok, report.noted, waited) == (True, 4, [])


@pytest.mark.parametrize(("newest", "others"), [(1, ""), (4, " and 3 more")])
def test_blocks_that_are_not_noted_in_time_are_missing(verify, newest, others):
    report, waited = verify(newest, 99)
    assert report.problems == (
        f"The journal does not note block {5 - newest}{others}: its notes are incomplete.",
    )
    assert waited == list(WAITS)


def test_a_block_that_is_noted_meanwhile_with_another_hash_is_found(verify):
    report, _ = verify(1, 1, lambda notes: [*notes[:-1], (4, "0" * 64)])
    assert report.problems == ("Block 4 has another hash than the journal noted.",)


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ([2], "block 2"),
        ([1, 3], "block 1 and 1 more"),
        ([1, 4], "block 1 and 1 more"),
        ([1, 2, 3, 4], "block 1 and 3 more"),
    ],
    ids=["one", "two", "one and the newest", "all"],
)
def test_notes_that_are_gone_are_found(verify, lacking, told):
    report, waited = verify(0, 0, lambda notes: [note for note in notes if note[0] not in lacking])
    assert report.problems == (f"The journal does not note {told}: its notes are incomplete.",)
    # Below another note none comes any more, so nothing is waited for.
    assert waited == (list(WAITS) if len(lacking) == 4 else [])
