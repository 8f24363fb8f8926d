"""Trained homes are made once, handed out as copies that stand alone, and made again of other sources."""

import sqlite3
from contextlib import closing

import pytest

from tests import homes
from tests.homes import IRIS, Recipe, TrainedHomes


@pytest.fixture
def made(monkeypatch):
    """The homes that were made, each with a database like MLflow's in place of a training."""
    folders = []

    def make(recipe, home):
        home.mkdir()
        folders.append(home)
        with closing(sqlite3.connect(home / "mlflow.db")) as database, database:
            database.execute("CREATE TABLE runs (run_id INTEGER, artifact_uri TEXT, note TEXT)")
            database.execute("INSERT INTO runs VALUES (1, ?, 'file:///elsewhere')", (f"file://{home}/a/1",))

    monkeypatch.setattr(homes, "make", make)
    return folders


def test_a_home_is_made_once_and_every_copy_names_its_own_artifacts(made, tmp_path):
    trained = TrainedHomes(tmp_path)
    copies = [trained.copy(IRIS, tmp_path / name) for name in ("one", "two")]
    assert len(made) == 1
    for copy in copies:
        with closing(sqlite3.connect(copy / "mlflow.db")) as database:
            assert database.execute("SELECT * FROM runs").fetchall() == [
                (1, f"file://{copy}/a/1", "file:///elsewhere")
            ]


def test_a_home_of_other_sources_takes_the_place_of_the_old_one(made, tmp_path, monkeypatch):
    trained = TrainedHomes(tmp_path)
    trained.copy(IRIS, tmp_path / "before")
    monkeypatch.setattr(homes, "inputs_digest", lambda _: "changed")
    trained.copy(IRIS, tmp_path / "after")
    assert [home.exists() for home in made] == [False, True]


def test_a_home_whose_making_was_cut_short_is_made_again(made, tmp_path, monkeypatch):
    monkeypatch.setattr(homes, "inputs_digest", lambda _: "same")
    (tmp_path / "iris-same").mkdir()
    copy = TrainedHomes(tmp_path).copy(IRIS, tmp_path / "copy")
    assert (copy / "mlflow.db").exists()


def test_a_file_that_is_not_here_is_learned_from_the_generator_instead(tmp_path):
    (tmp_path / "here.csv").touch()
    files = {"iris": tmp_path / "here.csv", "film_rating": tmp_path / "away.csv"}
    assert Recipe("some", files=files).sources == {"iris": tmp_path / "here.csv"}
