"""A version goes over HTTP from a fit to MLflow, and from there into the folder that a node serves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ROW = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """MLflow's server with its artifacts proxied, in which Iris was fitted twice."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [
        *(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
        ),
        *(
            "--backend-store-uri",
            f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination",
            f"{folder}/artifacts",
        ),
    ]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=1).status_code == 200:
                break
        except httpx.HTTPError:
            assert time.monotonic() < end, (folder / "log").read_text()[-2000:]
            time.sleep(0.2)
    for seed in ("0", "1"):
        fit = [sys.executable, "-m", "training", "fit", "iris", "--seed", seed]
        fitted = environment | {"CONCORD_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": url}
        subprocess.run(fit, env=fitted, cwd=ROOT, capture_output=True, check=True)
    yield url
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(30)


@pytest.fixture
def fetch(registry, tmp_path):
    """Runs the step with an entry (None: without); returns its exit status, last log line, and folder."""
    versions, models = tmp_path / "versions", tmp_path / "models"
    versions.mkdir()
    models.mkdir()

    def fetch(entry, uri=registry):
        path = versions / "iris.knn"
        if entry is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(entry if isinstance(entry, str) else json.dumps(entry))
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
    from mlflow import MlflowClient

    client = MlflowClient(registry)
    right = client.get_model_version("iris.knn", "1").tags["concord.digest"]
    client.set_model_version_tag("iris.knn", "1", "concord.digest", "0" * 64)
    try:
        status, line, _ = fetch({"champion": "1"})
    finally:
        client.set_model_version_tag("iris.knn", "1", "concord.digest", right)
    assert status == 1
    assert "its file is not the one that was registered" in line["reason"]


def test_only_what_mlflow_skinny_brings_is_imported(registry, fetch):
    """Run with the heavy packages hidden."""
    hidden = "import sys; sys.modules.update(dict.fromkeys(" + repr(
        ["onnx", "sklearn", "pandas", "matplotlib", "pyarrow", "sqlalchemy", "flask", "bentoml", "scipy"]
    )
    _, _, models = fetch(None)
    (models.parent / "versions" / "iris.knn").write_text('{"champion": "2"}')
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
