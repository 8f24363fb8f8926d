"""The journal on a real PostgreSQL, where the machine has one: the same promises as on MariaDB."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from concord.errors import JournalUnavailable
from concord.journal import Journal
from tests.e2e import test_journal_mariadb as shared
from tests.unit import test_journal as suite

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not BINARIES, reason="there is no PostgreSQL here"),
]

globals().update(shared.PORTABLE)

test_ids_and_names_are_told_apart_by_every_letter = shared.test_ids_and_names_are_told_apart_by_every_letter
test_bytes_of_any_kind_and_size_come_back = shared.test_bytes_of_any_kind_and_size_come_back
test_replicas_that_claim_at_once = (
    shared.test_replicas_that_claim_at_once_never_share_a_round_and_wait_for_no_other
)
test_recording_claiming_and_marking = shared.test_recording_claiming_and_marking_at_once_end_in_no_fault
test_three_settlers_settle_every_round_once = shared.test_three_settlers_settle_every_round_once


@pytest.fixture(scope="module")
def url():
    """A server of its own in a folder of its own; it runs as another user where the tests are root's."""
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="concord-postgresql-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def control(*arguments):
        command = [BINARIES[-1], "--pgdata", folder / "data", "--wait", *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, **user)

    if user:
        shutil.chown(folder, "postgres")
    control("initdb", "--options=--username=concord --auth=trust")
    control("start", "--log", folder / "log", f"--options=-p {port} -h 127.0.0.1 -k {folder}")
    try:
        yield f"postgresql+psycopg://concord@127.0.0.1:{port}/postgres"
    finally:
        control("stop", "--mode=immediate")
        shutil.rmtree(folder)


@pytest.fixture
def fresh(url):
    """Drops what the test before left."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return url


@pytest.fixture
def migrated(fresh):
    journal = Journal(fresh)
    journal.migrate()
    journal.close()
    return fresh


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


def test_three_replicas_that_start_at_once_migrate_once(fresh):
    assert shared.three_starts_at_once(fresh) == [0, 0, 0]


def test_a_database_that_is_not_there_is_unavailable_and_its_state_is_named(url):
    journal = Journal(url.removesuffix("postgres") + "nowhere")
    with pytest.raises(JournalUnavailable):
        journal.ping()
    journal.close()
