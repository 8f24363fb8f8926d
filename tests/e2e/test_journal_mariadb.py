"""The journal on a real MariaDB: what it promises on SQLite, several replicas at once, a server that goes.

The functions of `tests/unit/journal/test_journal.py` that need nothing of SQLite's run here as they are.
"""

import asyncio
import inspect
import secrets
import shutil
import subprocess
import threading
import time

import pytest
import sqlalchemy as sa

from concord.errors import JournalUnavailable
from concord.journal import Journal
from concord.journal.search import RoundFilters
from concord.ledger import FileStore, Ledger
from concord.settings import Settings
from concord.settlement.settler import Settler
from tests.service.settling import World, after_slashes, due_round
from tests.unit.journal import test_journal as suite

IMAGE = "mariadb:10.11"
PASSWORD = "p@ss/w:rd%"
TABLES = ("rounds", "claims", "blocks", "segments", "schemas", "labels", "disputes")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("docker") is None, reason="there is no Docker here"),
    # PyMySQL's sockets close when they are collected; a server that dies leaves some.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PORTABLE = {
    name: test
    for name, test in vars(suite).items()
    if name.startswith("test_")
    and {"journal"} <= inspect.signature(test).parameters.keys() <= {"journal", "clock", "wanted", "found"}
}
globals().update(PORTABLE)


def docker(*arguments):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


class Server:
    """One MariaDB in a container."""

    def __init__(self):
        self.name = f"concord-test-journal-{secrets.token_hex(4)}"
        settings = {"ROOT_PASSWORD": "x", "DATABASE": "concord", "USER": "concord", "PASSWORD": PASSWORD}
        variables = [f"--env=MARIADB_{name}={value}" for name, value in settings.items()]
        docker("run", "--detach", "--rm", "--name", self.name, *variables, "-p", "127.0.0.1::3306", IMAGE)
        self.port = docker("port", self.name, "3306").split(":")[-1]
        # As the chart gives it to the service: the address here, the password from a Secret.
        url = f"mysql+pymysql://concord@127.0.0.1:{self.port}/concord"
        self.url = Settings(journal=url, journal_password=PASSWORD).journal_url

    def wait(self, seconds=90):
        until, journal = time.monotonic() + seconds, Journal(self.url)
        while True:
            try:
                journal.ping()
            except JournalUnavailable:
                assert time.monotonic() < until, "MariaDB did not come"
                time.sleep(0.5)
            else:
                break
        journal.close()

    def run(self, sql):
        """As root, from inside: a row a line."""
        return docker("exec", self.name, "mariadb", "-uroot", "-px", "-Ne", sql).splitlines()


@pytest.fixture(scope="module")
def running():
    server = Server()
    try:
        server.wait()
        journal = Journal(server.url)
        journal.migrate()
        journal.close()
        yield server
    finally:
        subprocess.run(["docker", "rm", "--force", server.name], check=False, capture_output=True)


@pytest.fixture
def server(running):
    running.run("; ".join(f"TRUNCATE concord.{table}" for table in TABLES))
    return running


@pytest.fixture
def clock():
    return suite.Clock()


@pytest.fixture
def open_journal(server, clock):
    opened = []

    def make(**options):
        opened.append(Journal(server.url, **({"clock": clock} | options)))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_journal):
    return open_journal()


@pytest.fixture
def world(tmp_path, server):
    made = ServerWorld(tmp_path, server.url)
    yield made
    made.close()


class ServerWorld(World):
    """A ledger in files and a journal on the server."""

    def __init__(self, folder, url):
        self.url = url
        self.folder, self.limit, self.journals = folder, 64 * 1024, []
        self.journal = self.open_journal()

    def open_journal(self):
        self.journals.append(Journal(self.url))
        return self.journals[-1]


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


def test_three_replicas_that_start_at_once_migrate_once(server):
    server.run("CREATE OR REPLACE DATABASE fresh; GRANT ALL ON fresh.* TO concord")
    assert three_starts_at_once(server.url.removesuffix("concord") + "fresh") == [0, 0, 0]


def test_a_migration_that_a_crash_cut_short_is_finished_by_the_next(server):
    server.run("CREATE OR REPLACE DATABASE cut; GRANT ALL ON cut.* TO concord")
    journal = Journal(server.url.removesuffix("concord") + "cut")
    journal.migrate()
    server.run(
        "DROP TABLE cut.schemas; DROP INDEX ix_rounds_kept ON cut.rounds; DELETE FROM cut.alembic_version"
    )
    journal.migrate()
    assert journal.schemas() == {}
    journal.close()


def test_the_migrations_lead_to_the_tables_of_the_code(journal):
    with journal._database.reading() as connection:
        context = suite.MigrationContext.configure(connection, opts={"compare_type": True})
        assert suite.compare_metadata(context, suite.NAMES) == []


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


def test_a_connection_that_the_server_closed_is_not_noticed(server, journal):
    journal.ping()
    server.run("KILL USER concord")
    journal.record([suite.row(1)])
    assert journal.round(suite.row(1).id) is not None


def test_a_lock_that_somebody_holds_is_waited_for_and_then_got(server, journal):
    journal.record([suite.row(1)])
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM rounds FOR UPDATE").all()
        release = threading.Timer(2.5, connection.commit)
        release.start()
        assert journal.forget([suite.row(1).id]) == 1
        release.join()
    engine.dispose()


def test_a_server_that_hangs_is_unavailable_within_seconds_and_serves_again(server, journal):
    journal.ping()
    docker("pause", server.name)
    try:
        for most in (8, 5):
            began = time.monotonic()
            with pytest.raises(JournalUnavailable):
                journal.record([suite.row(1)])
            assert time.monotonic() - began < most
    finally:
        docker("unpause", server.name)
    journal.record([suite.row(1)])
    assert journal.round(suite.row(1).id) is not None


def test_a_wrong_password_is_an_error_that_names_the_code_and_no_password(server):
    journal = Journal(f"mysql+pymysql://concord:wrong@127.0.0.1:{server.port}/concord")
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


def test_nothing_here_needs_more_than_the_variables_of_the_chart(server, monkeypatch):
    monkeypatch.setenv("CONCORD_JOURNAL", f"mysql+pymysql://concord@127.0.0.1:{server.port}/concord")
    monkeypatch.setenv("CONCORD_JOURNAL_PASSWORD", PASSWORD)
    settings = Settings.read()
    journal = Journal(settings.journal_url)
    journal.ping()
    journal.close()
    assert PASSWORD not in repr(settings)
