"""A log is of bounded size while its process writes to it, and what it has written is found beside it."""

import os
import signal
import sys

import pytest

from concord.cli.up import log_files
from concord.cli.up.log_files import open_log, rotate, rotate_all
from concord.cli.up.processes import Program
from tests.service.stack import wait_until

WRITER = "import itertools\nfor n in itertools.count(): print(n, 'x' * 60, flush=True)"


@pytest.fixture(autouse=True)
def small_logs(monkeypatch):
    monkeypatch.setattr(log_files, "LOG_BYTES", 50_000)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "logs" / "node.log"


@pytest.fixture
def older(log):
    return log.with_name("node.log.1")


def write(log, size):
    with open_log(log) as file:
        file.write(b"x" * size)


def test_a_log_that_has_grown_large_is_emptied_into_the_older_one(log, older):
    write(log, 60_000)
    rotate(log)
    assert (log.stat().st_size, older.stat().st_size) == (0, 60_000)


def test_a_log_that_is_not_large_stays(log, older):
    write(log, 40_000)
    rotate(log)
    assert (log.stat().st_size, older.exists()) == (40_000, False)


def test_a_log_that_is_not_there_gets_its_folder(log):
    rotate(log)
    assert log.parent.is_dir()


def test_one_older_log_is_kept(log, older):
    for size in (60_000, 70_000):
        write(log, size)
        rotate(log)
    assert older.stat().st_size == 70_000
    assert sorted(path.name for path in log.parent.iterdir()) == ["node.log", "node.log.1"]


def test_an_older_log_is_its_owners_alone(log, older):
    write(log, 60_000)
    rotate(log)
    assert older.stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_copied_is_emptied(log, monkeypatch):
    def is_full(*_):
        raise OSError(28, "No space left on device")

    write(log, 60_000)
    monkeypatch.setattr(log_files.shutil, "copyfileobj", is_full)
    rotate(log)
    assert log.stat().st_size == 0


def test_every_log_of_a_folder_is_rotated(log):
    other = log.with_name("consensus.log")
    for path in (log, other):
        write(path, 60_000)
    rotate_all(log.parent)
    assert [path.stat().st_size for path in (log, other)] == [0, 0]


def test_a_process_that_runs_goes_on_at_the_new_beginning(log, older):
    program = Program([sys.executable, "-c", WRITER], log, os.environ)
    try:
        wait_until(lambda: log.stat().st_size > 50_000)
        rotate(log)
        wait_until(lambda: log.stat().st_size > 1_000)
    finally:
        program.end(signal.SIGKILL)
        wait_until(lambda: program.poll() is not None)
    first = log.read_bytes()[:200].split(b"\n")[1]
    assert int(first.split()[0]) > int(older.read_bytes().rsplit(b"\n", 2)[1].split()[0])
