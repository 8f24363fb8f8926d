"""The default registry's file is made whole or not at all."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from concord.errors import TrainingError
from training.registry.database import make_database


def make_table(file, name="experiments"):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE {name} (name)")


def test_a_registry_whose_making_is_interrupted_is_not_there(tmp_path, monkeypatch):
    def interrupted(self, uri, artifacts):
        make_table(next(tmp_path.glob(".*.new")))
        raise KeyboardInterrupt

    monkeypatch.setattr(SqlAlchemyStore, "__init__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_database(tmp_path / "mlflow.db")
    assert not (tmp_path / "mlflow.db").exists()
    assert not list(tmp_path.glob(".*.new"))


def test_a_registry_that_an_interrupted_start_left_is_refused_with_the_remedy(tmp_path):
    make_table(tmp_path / "mlflow.db")
    with pytest.raises(TrainingError, match=r"It holds no models. `concord doctor --repair` moves the one"):
        make_database(tmp_path / "mlflow.db")


def test_a_damaged_registry_is_refused_without_a_promise_of_what_it_holds(tmp_path):
    Path(tmp_path / "mlflow.db").write_bytes(b"no database" * 500)
    with pytest.raises(TrainingError, match="damaged") as caught:
        make_database(tmp_path / "mlflow.db")
    assert "holds no models" not in caught.value.message
