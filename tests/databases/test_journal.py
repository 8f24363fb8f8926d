"""The journal on real servers of Debian's packages: what it promises on SQLite, and replicas at once.

The suites are those of `tests/unit` and `tests/e2e`; there the same runs on servers in containers.
"""

import pytest

from concord.errors import JournalUnavailable
from concord.journal import Journal
from tests.e2e import test_journal_mariadb as shared
from tests.unit.journal import test_journal as suite

pytestmark = [pytest.mark.slow, pytest.mark.guard]

DATABASE = "rows_journal"

globals().update(shared.PORTABLE)

test_ids_and_names_are_told_apart_by_every_letter = shared.test_ids_and_names_are_told_apart_by_every_letter
test_bytes_of_any_kind_and_size_come_back = shared.test_bytes_of_any_kind_and_size_come_back
test_replicas_that_claim_at_once = (
    shared.test_replicas_that_claim_at_once_never_share_a_round_and_wait_for_no_other
)
test_recording_claiming_and_marking = shared.test_recording_claiming_and_marking_at_once_end_in_no_fault
test_three_settlers_settle_every_round_once = shared.test_three_settlers_settle_every_round_once


@pytest.fixture
def url(server):
    return server.empty()


@pytest.fixture(scope="module")
def journal_url():
    """Gives a server a database with the journal's tables when it is first asked for it."""
    urls = {}

    def url_of(server):
        if server not in urls:
            urls[server] = server.empty(DATABASE)
            journal = Journal(urls[server])
            journal.migrate()
            journal.close()
        return urls[server]

    return url_of


@pytest.fixture
def migrated(server, journal_url):
    """A journal without rows, whose tables all tests here share: migrating takes longer than most of them."""
    url = journal_url(server)
    server.delete_rows(DATABASE)
    return url


@pytest.fixture
def clock():
    return suite.Clock()


@pytest.fixture
def open_journal(migrated, clock):
    opened = []

    def make(**options):
        opened.append(Journal(migrated, **({"clock": clock} | options)))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_journal):
    return open_journal()


@pytest.fixture
def world(tmp_path, migrated):
    made = shared.ServerWorld(tmp_path, migrated)
    yield made
    made.close()


def test_three_replicas_that_start_at_once_migrate_once(url):
    assert shared.three_starts_at_once(url) == [0, 0, 0]


def test_migrating_again_changes_nothing(migrated):
    journal = Journal(migrated)
    journal.record([suite.row(1)])
    journal.migrate()
    assert suite.ids(journal.find()[0]) == [1]
    journal.close()


def test_a_database_that_is_not_there_is_unavailable_and_its_state_is_named(server):
    journal = Journal(server.url("rows_nowhere"))
    with pytest.raises(JournalUnavailable):
        journal.ping()
    journal.close()
