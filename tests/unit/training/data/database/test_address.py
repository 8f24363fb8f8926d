"""Which database is meant, and that nobody sees its password."""

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from concord.errors import ConfigurationError
from training.__main__ import main
from training.data.database.address import read_address
from training.data.database.engine import RowDatabase


@pytest.mark.parametrize(
    ("text", "database", "table"),
    [
        ("sqlite:///rows.sqlite", "sqlite:///rows.sqlite", "iris"),
        ("sqlite:///rows.sqlite#flowers", "sqlite:///rows.sqlite", "flowers"),
        ("mysql://me:s#cret@db/data", "mysql+pymysql://me:***@db/data", "iris"),
        ("mariadb://me:secret@db/data#a_2", "mariadb+pymysql://me:***@db/data", "a_2"),
        ("postgresql://me@db:5433/data?password=secret", "postgresql+psycopg://me@db:5433/data", "iris"),
    ],
)
def test_an_address_is_shown_with_its_driver_and_without_its_password(text, database, table):
    address = read_address(text, "iris")
    assert (address.database, address.table) == (database, table)
    assert address.shown == f"{database}#{table}"
    assert "cret" not in repr(address)


def test_a_password_of_the_environment_stands_in_for_one_that_is_not_said(monkeypatch):
    monkeypatch.setenv("CONCORD_DATA_PASSWORD", "p@ss")
    assert read_address("mysql://me@db/data", "iris").url.password == "p@ss"
    assert read_address("mysql://me:own@db/data", "iris").url.password == "own"
    assert read_address("sqlite:///rows.sqlite", "iris").url.password is None


@pytest.mark.parametrize("text", ["oracle://db/x", "rows.sqlite", "mysql", "http://x", ""])
def test_what_is_no_database_is_told_how_one_is_named(text):
    with pytest.raises(ConfigurationError, match="sqlite:///FILE, mysql://USER@HOST"):
        read_address(text, "iris")


@pytest.mark.parametrize("table", ["", "Iris", "1st", "concord_x", "sqlite_x", "x" * 64, "é"])
def test_a_table_has_a_plain_name(table):
    with pytest.raises(ConfigurationError):
        read_address(f"sqlite:///rows.sqlite#{table}", "iris")


def test_reading_makes_no_file(tmp_path):
    with pytest.raises(ConfigurationError, match=r"There is no file .*rows\.sqlite"):
        RowDatabase(read_address(f"sqlite:///{tmp_path}/rows.sqlite", "iris"))
    assert not (tmp_path / "rows.sqlite").exists()


def test_a_file_that_is_made_is_its_owners_alone(tmp_path):
    RowDatabase(read_address(f"sqlite:///{tmp_path}/a/rows.sqlite", "iris"), make=True).close()
    assert (tmp_path / "a" / "rows.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n" * 100)
    done = CliRunner().invoke(main, ["data", "show", "--from", f"sqlite:///{tmp_path}/rows.csv"])
    assert (done.exit_code, "is no SQLite database, or is damaged." in done.stderr) == (2, True)


def test_a_server_that_is_away_is_told_without_the_password():
    for scheme in ("mysql", "postgresql"):
        done = CliRunner().invoke(main, ["data", "show", "--from", f"{scheme}://me:secret@127.0.0.1:9/data"])
        assert (done.exit_code, "cannot be reached. Check host and port" in done.stderr) == (2, True)
        assert "secret" not in done.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('no pg_hba.conf entry for host "10.0.0.7", user "me", database "data"', "refuses the user or the"),
        ('role "me" does not exist', "refuses the user or the password"),
        ('permission denied for database "data"', "this user may not do that"),
        ('database "data" does not exist', "there is no such database"),
    ],
)
def test_what_postgresql_says_of_a_user_is_not_taken_for_a_missing_database(tmp_path, text, said):
    database = RowDatabase(read_address(f"sqlite:///{tmp_path}/rows.sqlite", "iris"), make=True)
    with pytest.raises(ConfigurationError, match=said), database.reading():
        raise OperationalError("SELECT 1", {}, Exception(text))
    database.close()
