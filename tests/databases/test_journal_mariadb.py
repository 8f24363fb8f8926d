"""What the journal promises on MariaDB, the chart's own database: crashes, locks, hangs and its passwords."""

import threading
import time

import pytest
import sqlalchemy as sa

from concord.errors import JournalUnavailable
from concord.journal import Journal
from concord.settings import Settings
from tests.databases.servers import PASSWORD
from tests.service.settling import due_round
from tests.unit.journal import test_journal as suite
from tests.unit.journal.conftest import Clock

pytestmark = [
    pytest.mark.slow,
    pytest.mark.guard,
    # PyMySQL's sockets close when they are collected; a server that hangs leaves some.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DATABASE = "rows_mariadb"


@pytest.fixture(scope="module")
def url(mariadb):
    url = mariadb.empty(DATABASE)
    journal = Journal(url)
    journal.migrate()
    journal.close()
    return url


@pytest.fixture
def journal(mariadb, url):
    mariadb.delete_rows(DATABASE)
    journal = Journal(url, clock=Clock())
    yield journal
    journal.close()


def test_a_migration_that_a_crash_cut_short_is_finished_by_the_next(mariadb):
    journal = Journal(mariadb.empty("rows_cut"))
    journal.migrate()
    mariadb.run(
        "DROP TABLE rows_cut.schemas",
        "DROP INDEX ix_rounds_kept ON rows_cut.rounds",
        "DELETE FROM rows_cut.alembic_version",
    )
    journal.migrate()
    assert journal.schemas() == {}
    journal.close()


def test_the_migrations_lead_to_the_tables_of_the_code(journal):
    with journal._database.reading() as connection:
        context = suite.MigrationContext.configure(connection, opts={"compare_type": True})
        assert suite.compare_metadata(context, suite.NAMES) == []


def test_a_connection_that_the_server_closed_is_not_noticed(mariadb, journal):
    journal.ping()
    mariadb.cut()
    journal.record([suite.row(1)])
    assert journal.round(suite.row(1).id) is not None


def test_a_lock_that_somebody_holds_is_waited_for_and_then_got(url, journal):
    journal.record([suite.row(1)])
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM rounds FOR UPDATE").all()
        release = threading.Timer(2.5, connection.commit)
        release.start()
        assert journal.forget([suite.row(1).id]).rounds == 1
        release.join()
    engine.dispose()


def test_a_server_that_hangs_is_unavailable_within_seconds_and_serves_again(mariadb, journal):
    journal.ping()
    with mariadb.paused():
        for most in (8, 5):
            began = time.monotonic()
            with pytest.raises(JournalUnavailable):
                journal.record([suite.row(1)])
            assert time.monotonic() - began < most
    journal.record([suite.row(1)])
    assert journal.round(suite.row(1).id) is not None


def test_a_wrong_password_is_an_error_that_names_the_code_and_no_password(mariadb):
    journal = Journal(mariadb.url(DATABASE, password="wrong"))
    with pytest.raises(JournalUnavailable, match="1045") as caught:
        journal.ping()
    assert "wrong" not in caught.value.message
    journal.close()


def test_a_large_batch_is_marked_at_once(journal):
    journal.record([due_round() for _ in range(1000)])
    claimed = journal.claim("b1", 0, 1000)
    journal.mark_settled("b1", 7, f"{7:064x}", {one.id: b'{"deltas":{}}' * 20 for one in claimed})
    assert journal.due_count() == 0


def test_a_large_group_of_rounds_is_recorded_at_once(journal):
    journal.record([due_round(verdict=bytes(2000)) for _ in range(640)])
    assert journal.due_count() == 640


def test_nothing_here_needs_more_than_the_variables_of_the_chart(mariadb, url, monkeypatch):
    """The address is a value of the chart, and the password comes from a Secret."""
    monkeypatch.setenv("CONCORD_JOURNAL", f"mysql+pymysql://concord@127.0.0.1:{mariadb.port}/{DATABASE}")
    monkeypatch.setenv("CONCORD_JOURNAL_PASSWORD", PASSWORD)
    settings = Settings.read()
    journal = Journal(settings.journal_url)
    journal.ping()
    journal.close()
    assert PASSWORD not in repr(settings)
