"""Rounds whose rows are kept come oldest first from real servers too, labelled ones in pages."""

import pytest

from concord.journal import Journal, streams
from concord.journal.rows import LabelRow
from tests.unit.journal import test_streams as suite

# PyMySQL's sockets close when they are collected.
pytestmark = [pytest.mark.slow, pytest.mark.guard]

globals().update({name: test for name, test in vars(suite).items() if name.startswith("test_")})


@pytest.fixture
def journal(server, monkeypatch):
    monkeypatch.setattr(streams, "ROWS", 7)
    journal = Journal(server.empty())
    journal.migrate()
    journal.record([suite.row(place, 1000 + place // 10) for place in range(50)])
    journal.record([suite.row(100, 1000, task="other"), suite.row(101, 1002, features=None)])
    yield journal
    journal.close()


def test_labelled_rounds_come_in_pages_and_each_once(journal):
    journal.label([LabelRow(f"{place:032x}", 1, "crm", 1, "r") for place in range(0, 50, 3)])
    numbers, after = [], None
    while True:
        page, after = journal.labelled("iris", 0, 4, after)
        numbers += [int(round_.id, 16) for round_ in page]
        if after is None:
            break
    assert numbers == list(range(0, 50, 3))
