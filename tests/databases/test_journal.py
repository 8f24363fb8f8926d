"""The journal on real servers of Debian's packages: what it promises on SQLite, and several replicas at once.

The functions of `tests/unit/journal/test_journal.py` that need nothing of SQLite's run here as they are.
"""

import asyncio
import inspect
import secrets
import threading

import pytest
import sqlalchemy as sa

from concord.errors import JournalUnavailable
from concord.journal import Journal
from concord.journal.search import RoundFilters
from concord.ledger import FileStore, Ledger
from concord.settlement.settler import Settler
from tests.databases.servers import MariaDb
from tests.service.settling import World, after_slashes
from tests.unit.journal import test_journal as suite
from tests.unit.journal.conftest import Clock, closing_all

pytestmark = [pytest.mark.slow, pytest.mark.guard]

DATABASE = "rows_journal"

PORTABLE = {
    name: test
    for name, test in vars(suite).items()
    if name.startswith("test_")
    and {"journal"} <= inspect.signature(test).parameters.keys() <= {"journal", "clock", "wanted", "found"}
}
globals().update(PORTABLE)


class ServerWorld(World):
    """A ledger in files and a journal on the server."""

    def __init__(self, folder, url):
        self.url = url
        self.folder, self.limit, self.journals = folder, 64 * 1024, []
        self.journal = self.open_journal()

    def open_journal(self):
        self.journals.append(Journal(self.url))
        return self.journals[-1]


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
    return Clock()


@pytest.fixture
def open_journal(migrated, clock):
    with closing_all(lambda **options: Journal(migrated, **({"clock": clock} | options))) as open_:
        yield open_


@pytest.fixture
def journal(open_journal):
    return open_journal()


@pytest.fixture
def world(tmp_path, migrated):
    made = ServerWorld(tmp_path, migrated)
    yield made
    made.close()


def test_ids_and_names_are_told_apart_by_every_letter(journal):
    journal.record([suite.row(0xAB), suite.row(1, task="Iris")])
    assert journal.round(suite.row(0xAB).id.upper()) is None
    assert suite.ids(journal.find(RoundFilters(task="iris"))[0]) == [0xAB]


def test_bytes_of_any_kind_and_size_come_back(journal):
    verdict = bytes(range(256)) * 1024
    journal.record([suite.row(n, verdict=verdict) for n in range(64)])
    assert journal.round(suite.row(63).id).verdict == verdict


def three_starts_at_once(url):
    """Due rounds as each of three replicas sees them that migrate one database at the same time."""
    ended = []

    def start():
        journal = Journal(url)
        journal.migrate()
        ended.append(journal.due_count())
        journal.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ended


def test_three_replicas_that_start_at_once_migrate_once(url):
    assert three_starts_at_once(url) == [0, 0, 0]


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


def test_replicas_that_claim_at_once_never_share_a_round_and_wait_for_no_other(open_journal):
    open_journal().record([suite.row(n) for n in range(2000)])
    claimed, lock = [], threading.Lock()

    def work(name):
        journal, turn = open_journal(), 0
        while some := journal.claim(f"{name}-{turn}", 0, 7):
            turn += 1
            with lock:
                claimed.extend(suite.ids(some))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(2000))


def test_recording_claiming_and_marking_at_once_end_in_no_fault(open_journal):
    faults, done = [], threading.Event()

    def record(journal):
        for _ in range(30):
            journal.record([suite.row(secrets.randbits(120), time=1) for _ in range(70)])

    def settle(journal):
        height = 0
        while not done.is_set() or journal.due_count():
            height += 1
            settle_some(journal, height)

    writers = [threading.Thread(target=guarded, args=(record, open_journal(), faults)) for _ in range(3)]
    settlers = [threading.Thread(target=guarded, args=(settle, open_journal(), faults)) for _ in range(3)]
    for thread in writers + settlers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in settlers:
        thread.join()
    assert faults == []
    assert open_journal().due_count() == 0


def settle_some(journal, height):
    batch, known = secrets.token_hex(16), f"{height:064x}"
    claimed = journal.claim(batch, 0, 50)
    journal.note_blocks([(height, known, b"block")], height - 1)
    journal.mark_settled(batch, height, known, {one.id: b"{}" for one in claimed})


def guarded(work, journal, faults):
    try:
        work(journal)
    except JournalUnavailable as error:
        faults.append(error.message)


def test_three_settlers_settle_every_round_once(world):
    replicas = [
        Settler(Ledger(FileStore(world.folder / "ledger"), archive=journal), journal)
        for journal in (world.open_journal() for _ in range(3))
    ]
    world.open_task(replicas[0])

    async def scene():
        for one in replicas:
            await one.start()
        running = [asyncio.create_task(one.run()) for one in replicas]
        found = {}
        for turn in range(9):
            waiting = world.record(40, journal=replicas[turn % 3]._journal)
            replicas[turn % 3].notify()
            found |= await replicas[turn % 3].wait_settled(waiting, 15)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return found

    assert len(asyncio.run(scene())) == 360
    assert world.balances()["random_forest"] == after_slashes(360)
    assert world.ledger().verify(world.journal.noted_blocks()).ok


def test_the_server_checks_its_own_tables(server, journal):
    report = journal.check_integrity()
    assert report.problems == ()
    assert report.by == ("CHECK TABLE" if isinstance(server, MariaDb) else None)


def test_a_row_that_an_index_lacks_is_found_where_postgresql_has_amcheck(start_server):
    server = start_server("postgresql")
    url = server.empty("rows_damaged")
    journal = Journal(url)
    journal.migrate()
    journal.record([suite.row(1)])
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    index = "indexrelid = 'ix_rounds_task'::regclass"
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE EXTENSION amcheck")
        assert (journal.check_integrity().by, journal.check_integrity().problems) == ("amcheck", ())
        connection.exec_driver_sql("SET allow_system_table_mods = on")
        connection.exec_driver_sql(f"UPDATE pg_index SET indisready = false WHERE {index}")
        for statement in (
            "CREATE TEMP TABLE one AS SELECT * FROM rounds",
            "UPDATE one SET id = repeat('f', 32)",
            "INSERT INTO rounds SELECT * FROM one",
        ):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"UPDATE pg_index SET indisready = true WHERE {index}")
    (problem,) = journal.check_integrity().problems
    journal.close()
    assert "ix_rounds_task" in problem


def test_a_journal_that_is_only_read_is_not_written(server, journal, journal_url):
    journal.record([suite.row(1)])
    reader = Journal(journal_url(server), read_only=True)
    assert reader.round(suite.row(1).id) is not None
    with pytest.raises(JournalUnavailable):
        reader.record([suite.row(2)])
    with pytest.raises(JournalUnavailable):
        reader.expire(2**60)
    reader.close()
    assert journal.round(suite.row(2).id) is None
