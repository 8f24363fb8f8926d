"""The six images run as a cluster runs them: another user, a read-only root, no capabilities, /tmp alone.

One `make images` with a home of its own builds them; the registry's versions go from the trainer's image
over MLflow's to the one that fetches, and from there into a node.
"""

import json
import os
import shutil
import subprocess
import time

import httpx
import pytest

from tests.e2e.versions import digest_in

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("docker") is None, reason="there is no Docker here"),
]
TAG = f"e2e-{os.getpid()}"
IMAGES = ("node", "consensus", "trainer", "mlflow", "page", "fetch")
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
ROW = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def images(tmp_path_factory):
    """Builds all six from a home of its own, and takes their tags away at the end."""
    home = tmp_path_factory.mktemp("home")
    own = {"CONCORD_HOME": str(home), "BENTOML_HOME": str(home / "bentoml"), "TAG": TAG}
    # The machine's own address, since its package index is only reached from there.
    run("make", "images", env=os.environ | {"BUILD_NETWORK": "host"} | own)
    yield
    for name in IMAGES:
        run("docker", "image", "rm", "--force", f"concord-{name}:{TAG}")


@pytest.fixture(scope="module")
def volume():
    """A volume for models that pods share, gone at the end."""
    name = f"concord-{TAG}"
    run("docker", "volume", "create", name)
    yield name
    run("docker", "volume", "rm", "--force", name)


@pytest.fixture(scope="module")
def container(volume):
    """Runs an image as a cluster does, with a free port for its own; yields (address, id)."""
    started = []

    def start(name, port, *options, arguments=()):
        command = ("docker", "run", "-d", *HARDENED, "-p", f"127.0.0.1::{port}", *options)
        made = run(*command, f"concord-{name}:{TAG}", *arguments).strip()
        started.append(made)
        found = run("docker", "port", made, f"{port}/tcp").split(":")[-1].strip()
        return f"http://127.0.0.1:{found}", made

    yield start
    for name in started:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)


@pytest.fixture(scope="module")
def registry(container):
    """MLflow's image, in which the trainer's image has fitted Iris; yields its container."""
    store = (
        "--backend-store-uri",
        "sqlite:////mlflow/mlflow.db",
        "--artifacts-destination",
        "/mlflow/artifacts",
    )
    hosts = ("--allowed-hosts", "localhost:*,127.0.0.1:*")
    url, made = container("mlflow", 5000, "--tmpfs", "/mlflow:uid=1034", arguments=(*store, *hosts))
    wait_for(f"{url}/health")
    command = ("docker", "run", "--rm", *HARDENED, "--network", f"container:{made}")
    address = ("-e", "MLFLOW_TRACKING_URI=http://localhost:5000")
    run(*command, *address, f"concord-trainer:{TAG}", "fit", "iris")
    return made


def wait_for(url, seconds=90):
    end = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end, f"{url} did not answer in time"
        time.sleep(0.2)


def packages_of(name):
    listing = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    return set(
        run("docker", "run", "--rm", "--entrypoint", "python", f"concord-{name}:{TAG}", "-c", listing).split()
    )


def answer_of(url, path, body, seconds=60):
    """Posts until something answers 200."""
    end = time.monotonic() + seconds
    while True:
        try:
            response = httpx.post(url + path, json=body, timeout=5)
            if response.status_code == 200:
                return response.json()
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end, "nothing answered in time"
        time.sleep(0.2)


def test_a_node_image_answers_with_the_model_that_is_named(container):
    url, _ = container("node", 3000, "-e", "CONCORD_NODE=iris.knn")
    answer = answer_of(url, "/v1/votes", {"rows": [ROW]})
    assert answer["model"].startswith("iris.knn/")
    assert answer["votes"][0]["label"] == "virginica"


@pytest.mark.parametrize(
    ("variable", "said"), [("", "CONCORD_NODE is not set"), ("iris.oracle", "is not packaged")]
)
def test_a_node_that_cannot_start_says_why_and_ends(container, variable, said):
    _, name = container("node", 3000, "-e", f"CONCORD_NODE={variable}")
    run("timeout", "60", "docker", "wait", name)
    log = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True).stderr
    assert len([line for line in log.splitlines() if said in line]) == 1
    assert "Traceback" not in log


def test_a_node_image_still_serves_by_bentoml_serve(container):
    url, _ = container(
        "node", 3000, "-e", "CONCORD_NODE=iris.knn", arguments=("bentoml", "serve", "/home/bentoml/bento")
    )
    assert answer_of(url, "/v1/votes", {"rows": [ROW]})["votes"][0]["label"] == "virginica"


def test_a_consensus_image_asks_the_nodes_of_its_file(container, tmp_path):
    (tmp_path / "nodes.toml").write_text('[tasks.iris.nodes]\nknn = "http://127.0.0.1:9"\n', "utf-8")
    tmp_path.chmod(0o755)
    options = ("-e", "CONCORD_HOME=/tmp/concord", "-e", "CONCORD_NODES=/etc/concord/nodes.toml")
    url, _ = container("consensus", 3000, *options, "-v", f"{tmp_path}:/etc/concord:ro")
    end = time.monotonic() + 60
    while True:
        try:
            response = httpx.post(f"{url}/v1/tasks/iris/predict", json={"rows": [ROW]}, timeout=5)
            break
        except httpx.HTTPError:
            assert time.monotonic() < end, "nothing answered in time"
            time.sleep(0.2)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_quorum")


@pytest.mark.parametrize(
    ("name", "port", "path"), [("node", 3000, "/livez"), ("page", 8501, "/_stcore/health")]
)
def test_an_image_refuses_a_head_that_is_too_long(container, name, port, path):
    url, _ = container(name, port, "-e", "CONCORD_NODE=iris.knn")
    wait_for(url + path)
    assert httpx.get(url + path, headers={"x": "a" * 70_000}).status_code == 431


def test_the_registrys_image_refuses_a_head_that_is_too_long(registry):
    head = "headers={'x': 'a' * 70000}"
    ask = f"import httpx; print(httpx.get('http://localhost:5000/health', {head}).status_code)"
    look = ("docker", "run", "--rm", "--network", f"container:{registry}", "--entrypoint", "python")
    assert run(*look, f"concord-page:{TAG}", "-c", ask).strip() == "431"


def test_the_page_is_served(container):
    url, _ = container("page", 8501)
    wait_for(f"{url}/_stcore/health")


def test_a_version_of_the_registry_is_fetched_and_served(registry, container, volume, tmp_path):
    mlflow = "http://127.0.0.1:" + run("docker", "port", registry, "5000/tcp").split(":")[-1].strip()
    digest = digest_in(mlflow, "iris.knn", "1")
    wanted = {
        "champion": "@champion",
        "challenger": "1",
        "champion_digest": digest,
        "challenger_digest": digest,
    }
    (tmp_path / "iris.knn").write_text(json.dumps(wanted))
    tmp_path.chmod(0o755)
    run("docker", "run", "--rm", "--user", "0", "-v", f"{volume}:/models", "--entrypoint", "chown",
        f"concord-fetch:{TAG}", "1034:1034", "/models")  # fmt: skip
    node = ("-e", "CONCORD_NODE=iris.knn", "-e", "CONCORD_MODELS=/models", "-v", f"{volume}:/models")
    run(
        *("docker", "run", "--rm", *HARDENED, "--network", f"container:{registry}", *node),
        *("-v", f"{tmp_path}:/etc/concord/models:ro", "-e", "CONCORD_VERSIONS=/etc/concord/models"),
        *("-e", "MLFLOW_TRACKING_URI=http://localhost:5000", f"concord-fetch:{TAG}"),
    )
    url, _ = container("node", 3000, *node)
    answer = answer_of(url, "/v1/votes", {"rows": [ROW]})
    assert (answer["model"], answer["challenger"]["model"]) == ("iris.knn/1", "iris.knn/1")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_a_number_and_holds_no_compiler(name):
    assert (
        run("docker", "image", "inspect", "--format", "{{.Config.User}}", f"concord-{name}:{TAG}").strip()
        == "1034:1034"
    )
    look = "command -v gcc cc make git || true"
    assert run("docker", "run", "--rm", "--entrypoint", "sh", f"concord-{name}:{TAG}", "-c", look) == ""


@pytest.mark.parametrize(
    ("name", "needed", "unwanted"),
    [
        ("node", {"onnxruntime", "bentoml"}, {"mlflow", "mlflow-skinny", "scikit-learn", "kubernetes"}),
        ("consensus", {"kubernetes", "pymysql", "psycopg", "bentoml"}, {"onnxruntime", "mlflow"}),
        ("trainer", {"mlflow", "scikit-learn", "kubernetes"}, {"streamlit"}),
        ("mlflow", {"mlflow", "pymysql", "psycopg"}, {"scikit-learn", "scipy", "bentoml", "streamlit"}),
        ("page", {"streamlit"}, {"mlflow", "bentoml", "scikit-learn", "onnxruntime"}),
        ("fetch", {"mlflow-skinny"}, {"mlflow", "scikit-learn", "pandas", "bentoml", "onnx"}),
    ],
)  # fmt: skip
def test_an_image_holds_what_it_needs_and_no_more(name, needed, unwanted):
    found = packages_of(name)
    assert needed <= found
    assert not found & (unwanted | {"pytest", "hypothesis", "ruff", "mypy"})
