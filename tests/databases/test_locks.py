"""One process at a time makes tables, and lets go whatever becomes of it."""

import pytest
import sqlalchemy as sa

from tests.unit.training.data.database.conformance import task
from training.data.database.address import read_address
from training.data.database.bookkeeping import list_tables, make_table, migrate
from training.data.database.engine import RowDatabase

pytestmark = [pytest.mark.slow, pytest.mark.guard]


@pytest.fixture
def open_database(server):
    opened, url = [], server.empty()

    def make():
        opened.append(RowDatabase(read_address(url, "iris")))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


def test_what_was_done_before_an_error_is_undone_and_the_lock_is_free(open_database, monkeypatch):
    one, other = open_database(), open_database()
    migrate(one)

    def fails(*_arguments, **_options):
        raise ArithmeticError

    with monkeypatch.context() as patch:
        patch.setattr(sa.Table, "create", fails)
        with pytest.raises(ArithmeticError):
            make_table(one, task("iris"))
    assert list_tables(other) == []
    monkeypatch.setattr("training.data.database.engine.LOCK_SECONDS", 5)
    make_table(other, task("iris"))
    assert [found["name"] for found in list_tables(one)] == ["iris"]


def test_a_connection_that_is_cut_while_tables_are_made_is_replaced(open_database, server, monkeypatch):
    database, cut = open_database(), []
    migrate(database)
    create = sa.Table.create

    def cutting(table, connection, **options):
        if not cut:
            cut.append(True)
            server.cut()
        create(table, connection, **options)

    monkeypatch.setattr(sa.Table, "create", cutting)
    make_table(database, task("iris"))
    assert cut
    assert [found["name"] for found in list_tables(database)] == ["iris"]
