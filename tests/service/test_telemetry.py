"""What our processes look up and leave behind while nothing is reported: no name of a maker's, and no file.

Each runs in a network of its own whose name server is the test (`tests/watching.py`), so that reports of
native code are seen too. The first tests show that the watch sees what libraries do unless told otherwise.
"""

import os
import sys

import pytest

from concord.cli.home import process_environment
from tests import watching
from tests.homes import IRIS, ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not watching.is_possible(), reason="a network of its own takes root, unshare and ip"),
]

SESSION = """
import numpy, onnx, onnxruntime, time
from onnx import TensorProto, helper
x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "graph", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString())
session.run(None, {"x": numpy.zeros(1, "float32")})
"""

RUN = """
import mlflow, os
mlflow.set_tracking_uri("file://" + os.environ["TRACKING"])
with mlflow.start_run():
    mlflow.log_metric("accuracy", 1)
"""

MAKERS = ("microsoft", "mlflow", "bentoml", "streamlit", "telemetry", "deviceid")
"""Words in names and files of reports."""

PORT = 7439
"""Of a loopback device that the process has for itself."""


def ours(folder, **variables):
    """The environment in which `concord up` starts a process, with nothing of this one's."""
    made = process_environment(ROOT, folder)
    kept = {name: value for name, value in made.items() if name not in os.environ or name == "PYTHONPATH"}
    return kept | {"CONCORD_HOME": str(folder), "BENTOML_HOME": str(folder / "bentoml")} | variables


@pytest.fixture
def bare(monkeypatch):
    """Without what this process has set for those that it starts."""
    from concord.util.telemetry import OFF

    for name in OFF:
        monkeypatch.delenv(name, raising=False)


def test_the_watch_sees_the_files_of_onnxruntime(tmp_path):
    seen = watching.watch(tmp_path, [sys.executable, "-c", SESSION], {})
    assert any("deviceid" in file for file in seen.files), seen.output


def test_the_watch_sees_the_names_of_mlflow(tmp_path):
    allowed = {"TRACKING": str(tmp_path / "runs"), "MLFLOW_ALLOW_FILE_STORE": "true"}
    seen = watching.watch(tmp_path, [sys.executable, "-c", RUN], allowed)
    assert any("telemetry" in name for name in seen.names), seen.output


def python(*arguments):
    return [sys.executable, *arguments]


def trained(copy_trained_home, folder):
    return copy_trained_home(IRIS, folder / "concord")


def node(copy_trained_home, folder):
    command = python("-m", "bentos.serve", "concord-node:latest", "--direct", "--port", str(PORT))
    return command, ours(trained(copy_trained_home, folder), CONCORD_NODE="iris.knn"), "/readyz"


def page(_, folder):
    options = ("--server.headless=true", "--server.address=127.0.0.1", f"--server.port={PORT}")
    command = python("-m", "streamlit", "run", str(ROOT / "frontend" / "app.py"), *options)
    return command, ours(folder / "concord"), "/_stcore/health"


def registry(copy_trained_home, folder):
    home = trained(copy_trained_home, folder)
    store = ("--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--workers", "1", "--port", str(PORT))
    command = python("-m", "mlflow", "server", *store)
    return command, ours(home, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"), "/health"


def fit(_, folder):
    return python("-m", "training", "fit", "iris"), {"CONCORD_HOME": str(folder / "concord")} | PATHS, ""


PATHS = {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("made", [node, page, registry, fit])
def test_a_process_of_ours_reports_nothing(made, bare, copy_trained_home, tmp_path):
    command, variables, path = made(copy_trained_home, tmp_path)
    url = f"http://127.0.0.1:{PORT}{path}" if path else ""
    seen = watching.watch(tmp_path, command, variables, url)
    left = [file for file in seen.files if any(word in file.lower() for word in MAKERS)]
    assert (seen.status, sorted(seen.names), left) == (0, [], []), seen.output[-3000:]
