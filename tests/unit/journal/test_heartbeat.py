"""Only a time that hourly heartbeats confirm says what is old enough to be deleted."""

import asyncio
from types import SimpleNamespace

import pytest

from concord import service as service_module
from concord.journal.heartbeat import BEATS, NEAR, Heartbeat
from concord.observability import metrics
from concord.service import Service
from concord.settings import Settings
from concord.util.times import DAY, HOUR
from tests.unit.journal.test_journal import SECRET, row

START = 10**15


def beats(heartbeat, *clocks):
    for clock in clocks:
        heartbeat = heartbeat.at(clock)
    return heartbeat


def hourly(first, count):
    return [first + hour * HOUR for hour in range(count)]


def test_a_clock_that_goes_on_is_believed():
    assert beats(Heartbeat(START), *hourly(START + HOUR, 30)).confirmed == START + 30 * HOUR


def test_a_clock_after_a_weekend_is_believed_at_once():
    assert beats(Heartbeat(START), START + NEAR).confirmed == START + NEAR


def test_a_clock_that_is_far_ahead_is_believed_after_a_day_of_heartbeats():
    ahead = START + 40 * DAY
    waiting = beats(Heartbeat(START), *hourly(ahead, BEATS - 1))
    assert (waiting.confirmed, waiting.beats) == (START, BEATS - 1)
    assert beats(waiting, ahead + BEATS * HOUR) == Heartbeat(ahead + BEATS * HOUR)


def test_heartbeats_of_several_replicas_in_one_hour_are_one():
    ahead = START + 40 * DAY
    together = [clock + minute * HOUR // 60 for clock in hourly(ahead, 12) for minute in (0, 7, 31)]
    assert beats(Heartbeat(START), *together).beats == 12


def test_restarts_in_between_lose_no_heartbeat():
    ahead = START + 40 * DAY
    assert beats(Heartbeat(START), *(ahead + 5 * DAY * n for n in range(BEATS))).confirmed > ahead


def test_a_clock_that_was_put_right_is_followed_and_what_it_said_before_is_forgotten():
    wrong = beats(Heartbeat(START), *hourly(START + 40 * DAY, 20))
    right = beats(wrong, START + 21 * HOUR)
    assert right == Heartbeat(START + 21 * HOUR)
    assert beats(right, START + 50 * DAY).beats == 1


def test_a_clock_that_jumps_back_while_it_is_far_ahead_begins_anew():
    ahead = beats(Heartbeat(START), *hourly(START + 60 * DAY, 9))
    assert beats(ahead, START + 40 * DAY).beats == 1


def test_a_clock_that_is_behind_is_followed_since_less_is_old_then():
    assert beats(Heartbeat(START), START - 9 * DAY).confirmed == START - 9 * DAY


def test_the_first_heartbeat_confirms_the_newest_round_or_in_an_empty_journal_the_clock(journal, clock):
    assert journal.beat() == clock.now
    journal.close()


def test_a_journal_from_before_confirms_the_time_of_its_newest_round(journal, clock):
    journal.record([row(1, time=clock.now - 40 * DAY)])
    assert journal.beat() == clock.now - 40 * DAY
    for _ in range(BEATS):
        clock.now += HOUR
        confirmed = journal.beat()
    assert confirmed == clock.now


def test_what_was_confirmed_is_kept_over_a_restart(journal, clock, open_journal):
    confirmed = journal.beat()
    clock.now += 40 * DAY
    assert open_journal().beat() == confirmed


def test_a_journal_of_the_version_before_gets_the_table_without_a_migration(journal, path):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE heartbeat")
        (before,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    journal.migrate()
    assert journal.beat()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == (before,)


@pytest.mark.parametrize(
    ("days", "kept"), [(30, SECRET), (0, None)], ids=["thirty days", "nothing is to be kept"]
)
def test_a_start_with_a_clock_40_days_ahead_deletes_nothing(journal, clock, monkeypatch, days, kept, caplog):
    journal.record([row(1, time=clock.now)])
    journal.beat()
    clock.now += 40 * DAY
    monkeypatch.setattr(service_module, "now", clock)
    service = SimpleNamespace(settings=Settings(retention_days=days), journal=journal)
    with pytest.raises(TimeoutError), caplog.at_level("WARNING"):
        asyncio.run(asyncio.wait_for(Service._expire(service), 0.5))
    assert journal.round(row(1).id).features == kept
    assert metrics.CLOCK_AHEAD._value.get() == 40 * 86_400
    assert "clock not confirmed" in caplog.text


def test_a_round_that_cannot_be_labelled_any_more_is_removed_and_the_rest_stays(journal, clock, monkeypatch):
    journal.record([row(n, time=clock.now - n * DAY, due=False, policy="wager") for n in (89, 90, 91)])
    monkeypatch.setattr("concord.journal.heartbeat.NEAR", 100 * DAY)
    monkeypatch.setattr(service_module, "now", clock)
    service = SimpleNamespace(settings=Settings(), journal=journal)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(Service._expire(service), 0.5))
    assert [journal.round(row(n).id) is not None for n in (89, 90, 91)] == [True, True, False]
