"""A journal that is only read is not changed, and its database tells what of its own tables is damaged."""

import sqlite3
from contextlib import closing

import pytest

from concord.errors import JournalUnavailable
from concord.journal import Journal, integrity
from tests.unit.journal.conftest import closing_all
from tests.unit.journal.test_journal import row

ROUNDS = 500


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "journal.sqlite"
    journal = Journal(f"sqlite:///{file}")
    journal.migrate()
    journal.record([row(number) for number in range(ROUNDS)])
    journal.close()
    return file


@pytest.fixture
def open_to_read(file):
    with closing_all(lambda: Journal(f"sqlite:///{file}", read_only=True)) as open_:
        yield open_


def test_what_is_only_read_can_be_read_and_not_written(file, open_to_read):
    before = file.read_bytes()
    journal = open_to_read()
    assert len(journal.find()[0]) == 50
    with pytest.raises(JournalUnavailable, match="READONLY"):
        journal.record([row(ROUNDS)])
    with pytest.raises(JournalUnavailable, match="READONLY"):
        journal.forget([row(1).id])
    journal.close()
    assert file.read_bytes() == before


def test_what_another_process_writes_meanwhile_is_read(file, open_to_read):
    reader, writer = open_to_read(), Journal(f"sqlite:///{file}")
    assert reader.round(row(ROUNDS).id) is None
    writer.record([row(ROUNDS)])
    assert reader.round(row(ROUNDS).id) is not None
    writer.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path / 'none.sqlite'}", read_only=True)
    with pytest.raises(JournalUnavailable):
        journal.ping()
    assert list(tmp_path.iterdir()) == []


def test_a_sound_database_finds_nothing(open_to_read):
    report = open_to_read().check_integrity()
    assert (report.by, report.problems) == ("integrity_check", ())


def test_an_index_that_lacks_a_row_is_found(file, open_to_read):
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA writable_schema = ON")
        (page,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_rounds_time'"
        ).fetchone()
        # The index is emptied behind its table's back: it points to another, empty one.
        database.execute("CREATE TABLE empty_ (x)")
        database.execute("CREATE INDEX empty_index ON empty_ (x)")
        database.execute(
            "UPDATE sqlite_master SET rootpage = "
            "(SELECT rootpage FROM sqlite_master WHERE name = 'empty_index') WHERE name = 'ix_rounds_time'"
        )
        assert page
    report = open_to_read().check_integrity()
    assert any("ix_rounds_time" in problem for problem in report.problems)
    assert len(report.problems) <= 10


def test_what_a_server_says_of_a_damaged_table_is_told():
    class Connection:
        def exec_driver_sql(self, statement):
            assert "`rounds`" in statement
            return self

        def all(self):
            return [
                ("concord.blocks", "check", "status", "OK"),
                ("concord.claims", "check", "note", "Table is already up to date"),
                ("concord.rounds", "check", "Warning", "1 client is using it"),
                ("concord.rounds", "check", "error", "Index ix_rounds_time is marked as corrupted"),
                ("concord.rounds", "check", "status", "Operation failed"),
            ]

    report = integrity._check_mysql(Connection())
    assert report.problems == (
        "concord.rounds: Index ix_rounds_time is marked as corrupted",
        "concord.rounds: Operation failed",
    )
