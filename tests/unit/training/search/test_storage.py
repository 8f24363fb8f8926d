"""Where a study lives, and what is said where it can't."""

import pytest
import sqlalchemy as sql

from concord.errors import ConfigurationError, TrainingError
from concord.settings import Settings
from training.search.claims import CLAIMS
from training.search.storage import open_storage


def test_sqlite_keeps_a_write_ahead_log(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 'deep' / 'study.sqlite'}")
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    storage.engine.dispose()


def test_a_study_whose_making_is_interrupted_is_not_there(tmp_path, monkeypatch):
    file = tmp_path / "study.sqlite"

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(CLAIMS.metadata, "create_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_storage(f"sqlite:///{file}")
    assert not file.exists()


def test_another_programs_database_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    engine = sql.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)")
    engine.dispose()
    with pytest.raises(TrainingError, match="a database of its own: CONCORD_STUDY"):
        open_storage(url)


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://ann:secret@127.0.0.1:1/study",
        "mysql+pymysql://ann:se/cret@127.0.0.1:1/study",
        "postgresql+psycopg://ann@127.0.0.1:1/study?password=secret",
    ],
)
def test_a_password_is_in_no_message(url):
    with pytest.raises(TrainingError) as caught:
        open_storage(url)
    assert "cret" not in caught.value.message
    assert "Check CONCORD_STUDY" in caught.value.message


def test_a_driver_that_is_none_is_named():
    with pytest.raises(TrainingError, match="nosuch"):
        open_storage("nosuch://host/study")


def test_the_study_is_below_home_unless_said(tmp_path):
    assert Settings(home=tmp_path, study=None).study_url == f"sqlite:///{tmp_path / 'study.sqlite'}"


def test_a_password_apart_is_put_into_the_url():
    settings = Settings(study="mysql+pymysql://ann@db/study", study_password="p@ss")
    assert settings.study_url == "mysql+pymysql://ann:p%40ss@db/study"


def test_a_password_without_a_user_is_refused():
    with pytest.raises(ConfigurationError, match="CONCORD_STUDY_PASSWORD needs a user in CONCORD_STUDY"):
        _ = Settings(study="sqlite:///x", study_password="p").study_url
