"""The init step asks the registry for nothing that the pod has already."""

import hashlib
import json

import pytest

from training.registry.fetch import FetchSettings, fetch


@pytest.fixture
def order(tmp_path):
    """An order of a pod that has iris.knn 8 from before."""
    folder = tmp_path / "champion"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"graph")
    stated = {"model": "iris.knn", "version": "8", "digest": hashlib.sha256(b"graph").hexdigest()}
    (folder / "info.json").write_text(json.dumps(stated))
    return lambda reference: FetchSettings(
        "iris.knn", tmp_path, {"champion": reference}, "http://mlflow:5000"
    )


class Away:
    """A registry that nobody may ask."""

    def resolve(self, _model, reference):
        raise ConnectionError(reference)

    def fetch(self, _model, version):
        raise ConnectionError(version)


@pytest.mark.parametrize("reference", ["8", "models:/iris.knn/8"])
def test_a_number_that_is_there_needs_no_registry(order, reference):
    assert fetch(order(reference), Away) == {"champion": "iris.knn/8 (was there)"}


@pytest.mark.parametrize("reference", ["9", "models:/iris.knn/9", "@champion"])
def test_another_one_and_an_alias_do(order, reference):
    with pytest.raises(ConnectionError):
        fetch(order(reference), Away)
