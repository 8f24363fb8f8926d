"""Rounds whose rows are kept come oldest first, in chunks, and none of them twice."""

import pytest

from concord.journal import Journal, streams
from concord.journal.rows import LabelRow, RoundRow


def row(number, time, task="iris", features=b"{}"):
    verdict = b"{}"
    return RoundRow(f"{number:032x}", task, time, "ok", "wager", 1, "r", verdict, features, None, due=False)


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "ROWS", 7)
    journal = Journal(f"sqlite:///{tmp_path}/journal.sqlite")
    journal.migrate()
    # Ten rounds a time, so that chunks end between rounds of one time.
    journal.record([row(place, 1000 + place // 10) for place in range(50)])
    journal.record([row(100, 1000, task="other"), row(101, 1002, features=None)])
    yield journal
    journal.close()


def numbers(journal, since=0, limit=1000):
    return [int(round_.id, 16) for chunk in journal.kept("iris", since, limit) for round_ in chunk]


def test_all_come_once_and_in_order(journal):
    assert numbers(journal) == list(range(50))
    assert [len(chunk) for chunk in journal.kept("iris", 0, 1000)] == [7] * 7 + [1]


@pytest.mark.parametrize("limit", [1, 6, 7, 8, 49, 50, 51])
def test_a_limit_keeps_the_newest(journal, limit):
    assert numbers(journal, limit=limit) == list(range(max(0, 50 - limit), 50))


def test_none_is_older_than_was_asked_for(journal):
    assert numbers(journal, since=1003) == list(range(30, 50))
    assert numbers(journal, since=1003, limit=5) == list(range(45, 50))
    assert numbers(journal, since=2000) == []


def test_labels_come_with_their_rounds(journal):
    journal.label([LabelRow(f"{3:032x}", 2, "crm", 1, "r")])
    labels = [round_.label for chunk in journal.kept("iris", 0, 1000) for round_ in chunk]
    assert (labels[3], labels.count(None)) == (2, 49)
