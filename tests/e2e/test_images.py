"""The images that BentoML builds from the bentos serve by themselves, as the README prints it."""

import json
import os
import shutil
import subprocess
import sys
import time

import httpx
import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("docker") is None, reason="there is no Docker here"),
]
# The machine's own address, since its package index is only reached from there.
CONTAINERIZE = ("--opt", "network=host")
ROW = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return os.environ | {"CONCORD_HOME": str(home), "BENTOML_HOME": str(home / "bentoml")}


@pytest.fixture(scope="module")
def packaged(environment):
    """Tags of the two bentos with the Iris models."""
    run(sys.executable, "-m", "training", "fit", "iris", env=environment)
    return json.loads(run(sys.executable, "-m", "training", "package", "--json", env=environment))["bentos"]


@pytest.fixture(scope="module")
def image(packaged, environment):
    """Builds a bento's image, and removes it at the end."""
    built = []

    def build(name):
        tag = f"{name}:e2e-{os.getpid()}"
        bentoml = os.path.join(os.path.dirname(sys.executable), "bentoml")  # noqa: PTH118, PTH120
        run(bentoml, "containerize", packaged[name], "-t", tag, *CONTAINERIZE, env=environment)
        built.append(tag)
        return tag

    yield build
    for tag in built:
        run("docker", "image", "rm", "--force", tag)


@pytest.fixture
def container():
    """Runs an image with a port of the machine's own on its 3000; yields (address, id)."""
    started = []

    def start(image, *options):
        name = run("docker", "run", "-d", "-p", "127.0.0.1::3000", *options, image).strip()
        started.append(name)
        port = run("docker", "port", name, "3000/tcp").split(":")[-1].strip()
        return f"http://127.0.0.1:{port}", name

    yield start
    for name in started:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


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


def test_a_node_image_answers_with_the_model_that_is_named(image, container):
    tag = image("concord-node")
    url, name = container(tag, "-e", "CONCORD_NODE=iris.knn")
    answer = answer_of(url, "/v1/votes", {"rows": [ROW]})
    assert answer["model"].startswith("iris.knn/")
    assert answer["votes"][0]["label"] == "virginica"
    listing = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    packages = run("docker", "exec", name, "python", "-c", listing).split()
    assert "onnxruntime" in packages
    assert not {"mlflow", "scikit-learn", "pytest"} & set(packages)


def test_a_consensus_image_asks_the_nodes_of_its_file(image, container, tmp_path):
    (tmp_path / "nodes.toml").write_text('[tasks.iris.nodes]\nknn = "http://127.0.0.1:9"\n', "utf-8")
    tmp_path.chmod(0o777)
    options = ("-e", "CONCORD_HOME=/concord", "-v", f"{tmp_path}:/concord")
    url, _ = container(image("concord-consensus"), *options)
    end = time.monotonic() + 60
    while True:
        try:
            response = httpx.post(f"{url}/v1/tasks/iris/predict", json={"rows": [ROW]}, timeout=5)
            break
        except httpx.HTTPError:
            assert time.monotonic() < end, "nothing answered in time"
            time.sleep(0.2)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_quorum")
