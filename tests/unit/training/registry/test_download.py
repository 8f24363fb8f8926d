"""What a pod is told of the registry: a sentence that names the key, and never a password."""

import hashlib
import json
from types import SimpleNamespace

import pytest

from concord.errors import ServiceAway, TrainingError
from tests.service.stack import IRIS
from training.registry.download import RegistrySource
from training.registry.versions import DIGEST_TAG, SCHEMA_TAG

DIGEST = hashlib.sha256(b"graph").hexdigest()
TAGS = {SCHEMA_TAG: json.dumps(IRIS.to_json()), DIGEST_TAG: DIGEST}


@pytest.fixture(autouse=True)
def own_settings(monkeypatch):
    """What a `RegistrySource` sets for its process would be every later test's."""
    monkeypatch.setattr("mlflow.set_tracking_uri", lambda _uri: None)
    for name, value in (("REQUEST_MAX_RETRIES", "0"), ("REQUEST_TIMEOUT", "10")):
        monkeypatch.setenv(f"MLFLOW_HTTP_{name}", value)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@pytest.fixture
def source(monkeypatch):
    """A registry with one version of these tags."""

    def source(tags, uri="http://127.0.0.1:9"):
        made = RegistrySource(uri, seconds=0, pause=lambda _seconds: None)
        found = SimpleNamespace(name="iris.knn", version="8", run_id="r", tags=tags)
        made._client = SimpleNamespace(get_model_version=lambda *_: found)
        monkeypatch.setattr("training.registry.download._download", lambda *_: b"graph")
        return made

    return source


@pytest.mark.parametrize("schema", ["{", "{}", "[]"])
def test_a_version_whose_schema_cannot_be_read_is_refused_with_its_key(source, schema):
    """So that a challenger of this kind is noted and costs no champion."""
    with pytest.raises(TrainingError, match=r"The entry iris\.knn of what nodes are to serve"):
        source({SCHEMA_TAG: schema, DIGEST_TAG: DIGEST}).fetch("iris.knn", "8", DIGEST)


def test_a_file_of_another_digest_is_refused(source):
    with pytest.raises(TrainingError, match="not the one that was registered"):
        source({SCHEMA_TAG: "{}", DIGEST_TAG: "0" * 64}).fetch("iris.knn", "8", DIGEST)


def test_a_file_without_a_registered_digest_is_refused_with_the_remedy(source):
    with pytest.raises(TrainingError, match=r"no tag concord\.digest.*training register FILE.onnx"):
        source({SCHEMA_TAG: TAGS[SCHEMA_TAG]}).fetch("iris.knn", "8", DIGEST)


def test_a_file_that_was_registered_and_not_appointed_is_refused(source):
    """As whoever writes to MLflow makes it: the tag fits the file, and neither is what was appointed."""
    with pytest.raises(TrainingError, match="is not what was appointed: its file's SHA-256 is"):
        source(TAGS).fetch("iris.knn", "8", "0" * 64)


def test_a_password_in_the_registrys_address_stays_out_of_the_message():
    away = RegistrySource("http://ann:secret@127.0.0.1:9", seconds=0, pause=lambda _seconds: None)
    with pytest.raises(ServiceAway, match=r"ann:\*\*\*@") as caught:
        away.fetch("iris.knn", "8", DIGEST)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("listed", "text", "expected"),
    [
        (["profile.json"], '{"rows": 9}', {"rows": 9}),
        (["profile.json"], "no JSON", None),
        (["profile.json"], "[]", None),
        (["plot.png"], "", None),
    ],
)
def test_a_profile_that_cannot_be_had_costs_no_version(source, tmp_path, listed, text, expected):
    made, path = source(TAGS), tmp_path / "profile.json"
    path.write_text(text)
    made._client.list_artifacts = lambda _run: [SimpleNamespace(path=one) for one in listed]
    made._client.download_artifacts = lambda *_: str(path)
    assert made.fetch("iris.knn", "8", DIGEST).profile == expected
