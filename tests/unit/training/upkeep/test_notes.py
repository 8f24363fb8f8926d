"""The note of a refusal is a tag of the registered model."""

from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from concord.errors import TrainingError
from training.upkeep.notes import MOST_CHARACTERS, NOTE_TAG, Note, Notes

NOTE = Note("7", "2026-11-21T12:00:00+00:00", "The gate refused.", "8")


class Registry:
    """MLflow's client, as far as notes need it."""

    def __init__(self):
        self.tags, self.error = {}, None

    def get_registered_model(self, _name):
        if self.error:
            raise self.error
        return SimpleNamespace(tags=self.tags)

    def set_registered_model_tag(self, _name, key, value):
        if self.error:
            raise self.error
        self.tags[key] = value


@pytest.fixture
def registry():
    return Registry()


def test_a_note_is_read_as_it_was_written(registry):
    Notes(registry).write("iris.knn", NOTE)
    assert Notes(registry).read("iris.knn") == NOTE


def test_a_long_reason_is_cut_to_what_a_tag_holds(registry):
    Notes(registry).write("iris.knn", Note("7", NOTE.until, "x" * 10_000))
    assert len(Notes(registry).read("iris.knn").why) == MOST_CHARACTERS


@pytest.mark.parametrize("text", ["", "{", "[]", '{"other": 1}'])
def test_a_tag_that_is_no_note_counts_as_none(registry, text):
    registry.tags[NOTE_TAG] = text
    assert Notes(registry).read("iris.knn") is None


def test_a_model_that_is_not_registered_has_no_note(registry):
    registry.error = MlflowException("gone", error_code=RESOURCE_DOES_NOT_EXIST)
    assert Notes(registry).read("iris.knn") is None


def test_a_registry_that_is_away_is_an_error(registry):
    registry.error = MlflowException("Connection refused.")
    for ask in (lambda: Notes(registry).read("iris.knn"), lambda: Notes(registry).write("iris.knn", NOTE)):
        with pytest.raises(TrainingError, match="registry does not serve: Connection refused"):
            ask()
