"""The init step asks the registry for nothing that the pod has already."""

import dataclasses
import hashlib
import json

import pytest

from concord.errors import ConfigurationError
from training.registry.fetch import FetchSettings, fetch, read_desired

DIGEST = hashlib.sha256(b"graph").hexdigest()


@pytest.fixture
def order(tmp_path):
    """An order of a pod that has iris.knn 8 from before."""
    folder = tmp_path / "champion"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"graph")
    stated = {"model": "iris.knn", "version": "8", "digest": DIGEST}
    (folder / "info.json").write_text(json.dumps(stated))

    def order(reference, digest=DIGEST):
        desired = {"champion": reference} | ({"champion_digest": digest} if digest else {})
        return FetchSettings("iris.knn", tmp_path, desired, "http://mlflow:5000")

    return order


class Away:
    """A registry that nobody may ask."""

    def resolve(self, _model, reference):
        raise ConnectionError(reference)

    def fetch(self, _model, version, _digest):
        raise ConnectionError(version)


@pytest.mark.parametrize("reference", ["8", "models:/iris.knn/8"])
def test_a_number_that_is_there_needs_no_registry(order, reference):
    assert fetch(order(reference), Away) == {"champion": "iris.knn/8 (was there)"}


@pytest.mark.parametrize("reference", ["9", "models:/iris.knn/9", "@champion"])
def test_another_one_and_an_alias_do(order, reference):
    with pytest.raises(ConnectionError):
        fetch(order(reference), Away)


def test_a_number_that_is_there_with_another_file_is_fetched_again(order):
    with pytest.raises(ConnectionError):
        fetch(order("8", "0" * 64), Away)


@pytest.mark.parametrize("reference", ["8", "@champion", "models:/iris.knn/8"])
def test_a_champion_without_a_digest_is_refused_with_the_remedy(order, reference):
    with pytest.raises(
        ConfigurationError, match=r"without the digest.*concord models promote iris\.knn VERSION"
    ):
        fetch(order(reference, None), Away)


def test_a_challenger_without_a_digest_is_noted_and_costs_no_champion(order):
    settings = order("8")
    settings = dataclasses.replace(settings, desired={**settings.desired, "challenger": "9"})
    assert fetch(settings, Away)["champion"] == "iris.knn/8 (was there)"
    assert "without the digest" in (settings.models / "challenger" / "refused").read_text()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"champion_digest": DIGEST}, "names `champion`, `challenger` or both"),
        ({"champion": "8", "champion_digest": "8"}, "a champion_digest that is no SHA-256"),
        ({"champion": "8", "champion_digest": DIGEST.upper()}, "a champion_digest that is no SHA-256"),
        ({"champion": "8", "digest": DIGEST}, "names `champion`, `challenger` or both"),
    ],
)
def test_an_entry_of_another_form_is_refused(tmp_path, entry, words):
    (tmp_path / "iris.knn").write_text(json.dumps(entry))
    with pytest.raises(ConfigurationError, match=words):
        read_desired(tmp_path / "iris.knn", "iris.knn")
