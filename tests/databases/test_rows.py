"""A task's rows on real servers: what SQLite keeps, and what goes wrong with a server, said in a sentence."""

import importlib

import pytest

from concord.errors import ConfigurationError
from tests.databases.servers import PASSWORD
from tests.unit.training.data.database import conformance
from training.data.database.address import read_address
from training.data.database.inspection import list_tables

pytestmark = [pytest.mark.slow, pytest.mark.guard]

globals().update({name: test for name, test in vars(conformance).items() if name.startswith("test_")})
csv_file = importlib.import_module("tests.unit.training.conftest").csv_file


@pytest.fixture
def url(server):
    return server.empty()


def complaint(url):
    with pytest.raises(ConfigurationError) as caught:
        list_tables(read_address(url, "iris"))
    assert PASSWORD not in caught.value.message
    assert "secret" not in caught.value.message
    return caught.value.message


def test_a_wrong_password_is_told_without_it(server):
    server.empty()
    assert "refuses the user or the password" in complaint(server.url(password="secret"))


def test_a_database_that_is_not_there_is_told_with_what_to_do(server):
    # MariaDB says nothing of a database to a user who has no right to it.
    assert "no such database on this server. Make it first" in complaint(server.url("rows_nowhere"))


def test_a_server_that_cannot_be_reached_is_told(server):
    url = server.url().replace(f":{server.port}/", ":9/")
    assert "cannot be reached. Check host and port" in complaint(url)
    assert "cannot be reached" in complaint(server.url().replace("127.0.0.1", "nowhere.invalid"))


def test_the_password_may_stand_apart_from_the_url(server, monkeypatch):
    server.empty()
    monkeypatch.setenv("CONCORD_DATA_PASSWORD", PASSWORD)
    assert list_tables(read_address(server.url(password=None), "iris")) == []


def test_a_user_who_may_not_make_tables_is_told_which_rights_are_needed(server, csv_file):
    url = server.empty()
    if server.DRIVER.startswith("mysql"):
        server.run(
            "CREATE OR REPLACE USER reader@'127.0.0.1' IDENTIFIED BY 'r'",
            "GRANT SELECT ON `rows`.* TO reader@'127.0.0.1'",
        )
    else:
        server.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN PASSWORD 'r'")
    theirs = url.replace("concord:", "reader:").replace(url.split("concord:")[1].split("@")[0], "r")
    with pytest.raises(ConfigurationError, match="Reading needs SELECT"):
        conformance.load("iris", csv_file(conformance.IRIS, *conformance.flowers(3)), theirs)


def test_a_transaction_whose_connection_was_cut_is_tried_again(server, csv_file, monkeypatch):
    url, cut = server.empty(), []
    monkeypatch.setattr("training.data.database.load_file.BATCH", 10)
    path = csv_file(conformance.IRIS, *conformance.flowers(30))

    def tell(_done):
        # All connections, as a restart of the server would.
        if not cut:
            cut.append(True)
            server.cut()

    from training.data.database.load_file import load_file

    summary, _ = load_file(
        conformance.task("iris"), path, read_address(url, "iris"), report=tell, show_note=print, refused=None
    )
    assert cut
    assert (summary.loaded, len(conformance.lines_of(url, "iris", "row_key"))) == (30, 30)
