"""MLflow behind basic authentication as the chart starts it, and its artifact proxy, on the real server."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from concord.errors import ServiceAway
from concord.rollout.registry import RegistryClient
from concord.rollout.tracking_server import read_tracking_server
from concord.settings import Settings
from tests.chart.rendering import manifests
from tests.service.mlflow_server import serving_mlflow

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

ROOT = Path(__file__).parents[2]
USER, PASSWORD = "concord", "long-enough-1"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def mlflow(folder):
    """The server, with the file of settings that the chart renders; its database of users is here."""
    objects = manifests({"mlflow": {"auth": {"existingSecret": "user"}}})
    settings = next(one for one in objects if one["metadata"]["name"].endswith("mlflow-auth"))
    text = settings["data"]["basic_auth.ini"].replace("/tmp/basic_auth.db", f"{folder}/users.db")
    (folder / "basic_auth.ini").write_text(text)
    (folder / "secret.txt").write_text("secret")
    variables = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "basic_auth.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "c0ffee",
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
    }
    with serving_mlflow(folder, "--serve-artifacts", "--app-name", "basic-auth", **variables) as url:
        yield url


@pytest.fixture
def http(mlflow):
    with httpx.Client(base_url=mlflow, auth=(USER, PASSWORD), timeout=30) as client:
        yield client


def test_its_probe_is_answered_without_a_user(mlflow):
    assert httpx.get(f"{mlflow}/health").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/version",
        "/api/2.0/mlflow/registered-models/search",
        "/ajax-api/2.0/mlflow/registered-models/search",
        ARTIFACTS,
        "/get-artifact",
        "/model-versions/get-artifact",
        "/graphql",
    ],
)
@pytest.mark.parametrize("auth", [None, (USER, "wrong-password"), ("admin", "password1234")])
def test_without_its_user_nothing_else_is_answered(mlflow, path, auth):
    assert httpx.get(f"{mlflow}{path}", auth=auth).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/registered-models/create"),
        ("POST", "/api/2.0/mlflow/registered-models/alias"),
        ("POST", "/api/2.0/mlflow/model-versions/create"),
        ("PUT", f"{ARTIFACTS}/1/evil.txt"),
        ("POST", "/api/2.0/mlflow/users/create"),
    ],
)
def test_without_its_user_nothing_is_written(mlflow, method, path):
    assert httpx.request(method, f"{mlflow}{path}", json={"name": "x"}).status_code == 401


@pytest.fixture
def ask_as(mlflow, monkeypatch):
    """Asks as the consensus service does, by MLflow's own variables."""

    async def ask(password):
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        client = RegistryClient(read_tracking_server(mlflow, Settings.read()))
        try:
            return await client.versions("roses.knn")
        finally:
            await client.close()

    return ask


async def test_the_service_asks_with_the_variables_of_its_secret(ask_as):
    assert await ask_as(PASSWORD) == []


async def test_with_a_wrong_password_the_service_says_that_mlflow_does_not_serve(ask_as):
    with pytest.raises(ServiceAway, match="does not serve"):
        await ask_as("wrong-password")


def test_training_registers_and_a_pod_fetches_with_the_same_variables(mlflow, tmp_path):
    who = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    environment = os.environ | who | {"MLFLOW_TRACKING_URI": mlflow, "CONCORD_HOME": str(tmp_path / "home")}
    fit = [sys.executable, "-m", "training", "fit", "iris", "--json"]
    done = subprocess.run(fit, env=environment, cwd=ROOT, capture_output=True, check=True)
    digest = next(one["digest"] for one in json.loads(done.stdout) if one["model"] == "iris.knn")
    (tmp_path / "iris.knn").write_text(json.dumps({"champion": "1", "champion_digest": digest}))
    environment |= {
        "CONCORD_NODE": "iris.knn",
        "CONCORD_VERSIONS": str(tmp_path),
        "CONCORD_MODELS": str(tmp_path / "models"),
    }
    subprocess.run([sys.executable, "-m", "training.registry.fetch"], env=environment, cwd=ROOT, check=True)
    assert json.loads((tmp_path / "models" / "champion" / "info.json").read_text())["digest"] == digest


OUTSIDE = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "1/../../secret.txt",
    "1%2f..%2f..%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "%25252e%25252e%25252fsecret.txt",
    "./../secret.txt",
    "{folder}/secret.txt",
    "%2f{folder}/secret.txt",
    "file://{folder}/secret.txt",
    "file:%2f%2f{folder}/secret.txt",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_the_artifact_proxy_stays_within_its_folder(http, folder, path):
    before = sorted(folder.iterdir())
    for method in ("GET", "PUT", "DELETE"):
        answer = _send_as_it_is(http, method, f"{ARTIFACTS}/{path.format(folder=folder)}")
        assert answer.status_code in {308, 400, 404}
        assert "secret" not in answer.text.replace("secret.txt", "")
    assert sorted(folder.iterdir()) == before
    assert (folder / "secret.txt").read_text() == "secret"


def _send_as_it_is(http, method, path):
    """A request whose path the client does not normalise."""
    url = httpx.URL(
        scheme="http", netloc=urlsplit(str(http.base_url)).netloc.encode(), raw_path=path.encode()
    )
    return http.send(http.build_request(method, url, content=b"evil" if method == "PUT" else None))


@pytest.mark.parametrize("location", ["file://{folder}", "{folder}", "mlflow-artifacts:/../"])
def test_an_experiment_that_lies_elsewhere_reads_nothing_there(http, folder, location):
    """MLflow lets an experiment name a folder of its server; a run's files are in a new one below it."""
    made = http.post(
        "/api/2.0/mlflow/experiments/create",
        json={"name": location, "artifact_location": location.format(folder=folder)},
    ).json()
    run = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": made["experiment_id"]}).json()
    for path in ("secret.txt", "../../secret.txt", "..%2f..%2fsecret.txt", f"{folder}/secret.txt"):
        asked = {"run_uuid": run["run"]["info"]["run_id"], "path": path}
        assert http.get("/get-artifact", params=asked).status_code in {400, 404}


@pytest.mark.parametrize("source", ["file://{folder}", "{folder}", "mlflow-artifacts:/../", "file:///etc"])
def test_a_version_of_files_elsewhere_is_refused(http, folder, source):
    http.post("/api/2.0/mlflow/registered-models/create", json={"name": "elsewhere"})
    asked = {"name": "elsewhere", "source": source.format(folder=folder)}
    assert http.post("/api/2.0/mlflow/model-versions/create", json=asked).status_code == 400
