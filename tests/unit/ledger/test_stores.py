"""Each store of a ledger passes the suite of all stores; what is special to one stands below it."""

import os
import signal

import pytest

from concord.errors import LedgerError
from concord.ledger import events
from concord.ledger.file_store import FileStore
from concord.ledger.ledger import Ledger
from tests.unit.ledger.conformance import MemoryStore, StoreSuite


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def make(self):
        store = MemoryStore()
        return lambda: store


class TestFileStore(StoreSuite):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda: FileStore(tmp_path / "ledger")

    def test_a_folder_that_cannot_be_written_is_an_error_that_says_so(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(LedgerError, match="does not serve"):
            FileStore(tmp_path / "file" / "ledger").swap_head(b"1", None)

    def test_new_files_are_their_owners_alone(self, make, tmp_path):
        make().swap_head(b"1", None)
        make().write_segment("ledger-1-2-01234567", b"2")
        folder = tmp_path / "ledger"
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        assert folder.stat().st_mode & 0o777 == 0o700
        assert modes == {"head.json": 0o600, "lock": 0o600, "ledger-1-2-01234567.jsonl.gz": 0o600}

    def test_a_file_of_another_name_is_no_segment(self, make, tmp_path):
        make().swap_head(b"1", None)
        (tmp_path / "ledger" / "ledger-copy.jsonl.gz").write_bytes(b"")
        assert make().list_segments() == []

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    @pytest.mark.parametrize("step", range(1, 8))
    def test_a_writer_killed_at_any_call_of_the_file_system_leaves_the_old_head_or_the_new_one(
        self, make, step
    ):
        revision = make().swap_head(b"old", None)
        child = os.fork()
        if not child:
            die_at_call(step)
            make().swap_head(b"new", revision)
            os._exit(0)
        os.waitpid(child, 0)
        data, revision = make().read_head()
        assert data in {b"old", b"new"}
        assert make().swap_head(b"next", revision)

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_what_several_processes_append_at_once_lands_once_each(self, make):
        Ledger(make()).append([events.params("iris", "seed"), events.open_account("iris", "knn", 0, 920000)])
        children = [fork_appender(make, number, appends=12) for number in range(4)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
        ledger = Ledger(make())
        written = sorted(key for block in ledger.blocks(2) for key in block.events)
        assert written == sorted(f"deposit:{p}-{i}" for p in range(4) for i in range(12))
        assert ledger.head().state.task("iris").balances == {"knn": 48}
        assert ledger.verify().ok


def die_at_call(number):
    """Kills this process before its n-th call that changes the disk."""
    import pathlib

    left = [number]

    def counted(call):
        def wrapper(*args, **kwargs):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapper

    os.fsync = counted(os.fsync)
    os.open = counted(os.open)
    pathlib.Path.replace = counted(pathlib.Path.replace)
    pathlib.Path.open = counted(pathlib.Path.open)


def fork_appender(make, number, appends):
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        # A small limit makes the writers seal, and lose segments to one another.
        ledger = Ledger(make(), limit=3000)
        for i in range(appends):
            ledger.append([events.deposit("iris", "knn", 1, f"{number}-{i}")])
            ledger.append([events.deposit("iris", "knn", 1, f"{number}-{i}")])
        status = 0
    finally:
        os._exit(status)
