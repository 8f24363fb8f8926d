"""A version goes over HTTP from a fit to MLflow, and from there into the folder that a node serves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from tests.service.mlflow_server import serving_mlflow

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ROW = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """MLflow's server with its artifacts proxied, in which Iris was fitted twice."""
    folder = tmp_path_factory.mktemp("mlflow")
    with serving_mlflow(folder) as url:
        for seed in ("0", "1"):
            fit = [sys.executable, "-m", "training", "fit", "iris", "--seed", seed]
            fitted = os.environ | {"CONCORD_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": url}
            subprocess.run(fit, env=fitted, cwd=ROOT, capture_output=True, check=True)
        yield url


@pytest.fixture(scope="module")
def digests(registry):
    """Version of iris.knn → the digest that an administrator would appoint."""
    client = MlflowClient(registry)
    return {number: client.get_model_version("iris.knn", number).tags["concord.digest"] for number in "12"}


@pytest.fixture
def fetch(registry, digests, tmp_path):
    """Runs the step with an entry (None: without); returns its exit status, last log line, and folder."""
    versions, models = tmp_path / "versions", tmp_path / "models"
    versions.mkdir()
    models.mkdir()

    def fetch(entry, uri=registry):
        path = versions / "iris.knn"
        if entry is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(entry if isinstance(entry, str) else json.dumps(appointed(entry, digests)))
        environment = os.environ | {
            "CONCORD_NODE": "iris.knn",
            "CONCORD_MODELS": str(models),
            "CONCORD_VERSIONS": str(versions),
            "MLFLOW_TRACKING_URI": uri,
        }
        command = [sys.executable, "-m", "training.registry.fetch"]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stderr.splitlines()[-1]), models

    return fetch


def appointed(entry, digests):
    """An entry as the service writes it: each version with its digest; what is no number gets that of 2."""
    entry = dict(entry)
    for role in [role for role in ("champion", "challenger") if role in entry]:
        number = entry[role].removeprefix("models:/iris.knn/")
        entry.setdefault(f"{role}_digest", digests.get(number, digests["2"]))
    return entry


def info_of(folder):
    return json.loads((folder / "info.json").read_text())


def test_a_number_is_fetched_and_a_second_run_finds_it_there(fetch):
    status, line, models = fetch({"champion": "1"})
    assert (status, line["champion"]) == (0, "iris.knn/1")
    assert info_of(models / "champion")["version"] == "1"
    assert fetch({"champion": "1"}, "http://127.0.0.1:9")[:1] == (0,)


@pytest.mark.parametrize("reference", ["@champion", "models:/iris.knn/2", "models:/iris.knn@champion"])
def test_an_alias_and_an_address_become_a_number(fetch, reference):
    assert fetch({"champion": reference})[1]["champion"] == "iris.knn/2"


def test_without_an_entry_what_is_there_goes_away(fetch):
    _, _, models = fetch({"champion": "2", "challenger": "1"})
    assert fetch(None)[0] == 0
    assert list(models.iterdir()) == []


def test_an_unknown_version_is_refused_with_the_key_and_the_remedy(fetch):
    status, line, models = fetch({"champion": "77"})
    assert status == 1
    assert "iris.knn has no version 77" in line["reason"]
    assert "The entry iris.knn of what nodes are to serve" in line["reason"]
    assert "`concord models promote iris.knn VERSION`" in line["reason"]
    assert not (models / "champion").exists()


def test_an_unknown_challenger_costs_no_champion(fetch):
    status, line, models = fetch({"champion": "2", "challenger": "77"})
    assert (status, line["champion"]) == (0, "iris.knn/2")
    assert "no version 77" in (models / "challenger" / "refused").read_text()


def test_a_registry_that_is_away_is_named_after_the_wait(fetch, monkeypatch):
    monkeypatch.setenv("CONCORD_FETCH_SECONDS", "2")
    status, line, _ = fetch({"champion": "2"}, "http://127.0.0.1:9")
    assert status == 1
    assert "has not served for 2 s" in line["reason"]
    assert "MLFLOW_TRACKING_URI" in line["reason"]


def test_a_file_that_is_not_the_registered_one_is_refused(fetch, registry):
    client = MlflowClient(registry)
    right = client.get_model_version("iris.knn", "1").tags["concord.digest"]
    client.set_model_version_tag("iris.knn", "1", "concord.digest", "0" * 64)
    try:
        status, line, _ = fetch({"champion": "1"})
    finally:
        client.set_model_version_tag("iris.knn", "1", "concord.digest", right)
    assert status == 1
    assert "its file is not the one that was registered" in line["reason"]


def test_an_alias_that_was_moved_in_the_registry_brings_no_other_file(fetch, registry, digests):
    client = MlflowClient(registry)
    client.set_registered_model_alias("iris.knn", "champion", "1")
    try:
        status, line, models = fetch({"champion": "@champion", "champion_digest": digests["2"]})
    finally:
        client.set_registered_model_alias("iris.knn", "champion", "2")
    assert (status, (models / "champion").exists()) == (1, False)
    assert "is not what was appointed" in line["reason"]


def test_a_version_that_is_another_file_than_was_appointed_is_refused(fetch, digests):
    status, line, models = fetch({"champion": "1", "champion_digest": digests["2"]})
    assert (status, (models / "champion").exists()) == (1, False)
    assert "is not what was appointed" in line["reason"]


def test_only_what_mlflow_skinny_brings_is_imported(registry, fetch, digests):
    """Run with the heavy packages hidden."""
    hidden = "import sys; sys.modules.update(dict.fromkeys(" + repr(
        ["onnx", "sklearn", "pandas", "matplotlib", "pyarrow", "sqlalchemy", "flask", "bentoml", "scipy"]
    )
    _, _, models = fetch(None)
    entry = {"champion": "2", "champion_digest": digests["2"]}
    (models.parent / "versions" / "iris.knn").write_text(json.dumps(entry))
    environment = os.environ | {
        "CONCORD_NODE": "iris.knn",
        "CONCORD_MODELS": str(models),
        "CONCORD_VERSIONS": str(models.parent / "versions"),
        "MLFLOW_TRACKING_URI": registry,
    }
    code = f"{hidden})); from training.registry.fetch import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_node_serves_what_was_fetched_and_its_challenger(fetch):
    from concord.node.app import load
    from concord.observability.logs import AccessLog
    from tests.service.conftest import serving

    _, _, models = fetch({"champion": "2", "challenger": "1"})
    node = load("iris.knn", models, lambda _: pytest.fail("the packaged one was asked for"))
    node.application._access = AccessLog(enabled=False)
    with serving() as serve:
        _, url = serve(node.application)
        answer = httpx.post(f"{url}/v1/votes", json={"rows": [ROW]}).json()
        info = httpx.get(f"{url}/info").json()
        profile = httpx.get(f"{url}/profile")
    assert profile.headers["x-concord-model"] == "iris.knn/2"
    assert profile.json()["rows"] == 120
    assert (answer["model"], answer["challenger"]["model"]) == ("iris.knn/2", "iris.knn/1")
    assert (info["version"], info["challenger"]["version"]) == ("2", "1")
