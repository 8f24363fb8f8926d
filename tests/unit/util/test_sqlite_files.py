"""SQLite files are made whole or not at all, and named so that every library opens the same file."""

import sqlite3
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from concord.util.sqlite_files import find_fault, move_aside, new_file, sqlite_url


def make_table(file, name="t"):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE {name} (x)")


def tables(file):
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]


def test_a_file_that_was_made_whole_is_there(tmp_path):
    file = tmp_path / "deep" / "a.db"
    with new_file(file) as new:
        make_table(new)
    assert tables(file) == ["t"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_interrupted_file_is_not_there_and_the_next_one_is_made(tmp_path):
    file = tmp_path / "a.db"

    def interrupted():
        with new_file(file) as new:
            make_table(new, "half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not file.exists()
    with new_file(file) as new:
        make_table(new)
    assert tables(file) == ["t"]


def test_what_a_killed_process_left_is_not_used(tmp_path):
    file = tmp_path / "a.db"
    make_table(tmp_path / ".a.db.new", "half")
    (tmp_path / ".a.db.new-journal").write_bytes(b"half")
    with new_file(file) as new:
        assert not new.exists() or new.stat().st_size == 0
        make_table(new)
    assert tables(file) == ["t"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.db.lock", "a.db"]


def test_a_file_that_somebody_filled_meanwhile_is_left_to_them(tmp_path):
    file = tmp_path / "a.db"
    with new_file(file) as new:
        make_table(new)
        with closing(sqlite3.connect(file)) as other:
            other.execute("PRAGMA journal_mode=WAL")
            inode = file.stat().st_ino
    assert (file.stat().st_ino, tables(file)) == (inode, [])
    assert not list(tmp_path.glob(".a.db.new*"))


def test_a_file_that_is_there_is_left_alone(tmp_path):
    file = tmp_path / "a.db"
    make_table(file)
    with new_file(file) as new:
        assert new is None


def test_an_empty_file_counts_as_missing(tmp_path):
    file = tmp_path / "a.db"
    file.touch()
    with new_file(file) as new:
        make_table(new)
    assert tables(file) == ["t"]


def test_of_two_at_once_one_makes_it_and_the_other_waits(tmp_path):
    file, made = tmp_path / "a.db", []

    def make():
        with new_file(file) as new:
            if new is not None:
                second.start()
                make_table(new)
                made.append(threading.current_thread().name)

    second = threading.Thread(target=make, name="second")
    make()
    second.join()
    assert len(made) == 1
    assert tables(file) == ["t"]


@pytest.mark.parametrize("folder", ["plain", "with blank", "a?b", "a%25b", "a#b", "a&b=c", "a;b", "é+1"])
def test_a_url_opens_the_file_whatever_its_folder_is_called(folder, tmp_path):
    file = tmp_path / folder / "a.db"
    file.parent.mkdir()
    engine = sa.create_engine(sqlite_url(file))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    engine.dispose()
    assert tables(file) == ["t"]
    assert [path.name for path in tmp_path.iterdir()] == [folder]


def test_moving_aside_takes_the_files_logs_along(tmp_path):
    file = tmp_path / "a.db"
    for suffix in ("", "-journal", "-wal"):
        (tmp_path / f"a.db{suffix}").write_text("x")
    moved = move_aside(file)
    assert not file.exists()
    assert moved.parent == tmp_path
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        moved.name, f"{moved.name}-journal", f"{moved.name}-wal",
    ]  # fmt: skip


def test_a_file_that_cannot_be_opened_has_no_fault_of_its_own(tmp_path):
    folder = tmp_path / "a.db"
    folder.mkdir()
    (folder / "x").touch()
    assert find_fault(folder) is None
