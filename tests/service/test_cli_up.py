"""`concord up` with real processes: one task from nothing, its end, and what it leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.pages import TITLES, titles
from tests.ports import free_base
from tests.service.up import CONCORD, Up

pytestmark = [pytest.mark.slow, pytest.mark.guard]


@pytest.fixture(scope="module")
def base():
    """A port from which on nobody listens."""
    return free_base()


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    """An environment with a home and a BentoML store of its own; the models are trained once."""
    folder = tmp_path_factory.mktemp("up")
    return {**os.environ, "CONCORD_HOME": str(folder / "home"), "BENTOML_HOME": str(folder / "bentoml")}


@pytest.fixture
def start(env, base):
    """Starts the task iris, without pages unless they are asked for; ends it after the test."""
    started = []

    def start(*options, pages=False):
        without = () if pages else ("--no-page", "--no-mlflow")
        started.append(Up(env, "iris", "--port", str(base), *without, *options))
        return started[-1]

    yield start
    for up in started:
        if psutil.pid_exists(up.pid):
            up.end(signal.SIGKILL)


def children(pid):
    return psutil.Process(pid).children(recursive=True)


def gone(processes):
    until = time.monotonic() + 10
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def test_one_command_leads_to_answers_and_ctrl_c_ends_everything(start, env, base):
    up = start()
    ready = up.until("ready")
    assert ready["url"] == f"http://127.0.0.1:{base}"
    done = subprocess.run([*CONCORD, "demo", "--json"], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["consensus"] == 1.63
    running = children(up.pid)
    assert up.end() == 0
    assert up.events[-1] == {"event": "stopped"}
    assert gone(running)


def test_a_second_start_in_the_same_home_is_refused(start, env):
    start().until("ready")
    done = subprocess.run(
        [*CONCORD, "up", "--port", "9100"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "runs in" in done.stderr


def test_a_killed_node_is_reported_and_started_again(start, env):
    up = start()
    url = up.until("ready")["url"]
    state = json.loads((Path(env["CONCORD_HOME"]) / "run" / "up.json").read_text())
    os.kill(state["processes"]["iris.knn"], signal.SIGKILL)
    row = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}
    answer = httpx.post(f"{url}/v1/tasks/iris/predict", json={"rows": [row]}).json()["verdicts"][0]
    assert answer["status"] == "degraded"
    assert up.until("ended")["name"] == "iris.knn"
    up.until("started_again")
    until = time.monotonic() + 20
    while (
        httpx.post(f"{url}/v1/tasks/iris/predict", json={"rows": [row]}).json()["verdicts"][0]["status"]
        != "ok"
    ):
        assert time.monotonic() < until
        time.sleep(0.2)


WATCHED = ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds")


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="there is no Prometheus on the PATH")
def test_with_monitoring_all_addresses_answer_every_process_is_scraped_and_every_rule_is_evaluated(start):
    up = start("--monitoring", pages=True)
    ready = up.until("ready")
    nodes = ("decision_tree", "knn", "logistic_regression", "random_forest", "svm")
    assert titles(ready["page"]) == TITLES
    models = httpx.get(f"{ready['mlflow']}/api/2.0/mlflow/registered-models/search", timeout=10).json()
    assert {model["name"] for model in models["registered_models"]} == {f"iris.{node}" for node in nodes}
    url = ready["prometheus"]

    def targets(query):
        answer = httpx.get(f"{url}/api/v1/query", params={"query": query}, timeout=10).json()
        return {
            (sample["metric"]["component"], sample["metric"].get("node"))
            for sample in answer["data"]["result"]
        }

    expected = {("node", name) for name in nodes} | {(name, None) for name in ("consensus", "page", "mlflow")}
    end = time.monotonic() + 60
    while targets("up == 1") != expected:
        assert time.monotonic() < end, httpx.get(f"{url}/api/v1/targets").text
        time.sleep(0.5)
    for metric in WATCHED:
        assert targets(f"{metric} > 0") == expected, metric
    groups = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]
    assert [rule for group in groups for rule in group["rules"] if rule.get("lastError")] == []
    running = children(up.pid)
    assert up.end() == 0
    assert gone(running)


def test_nothing_outlives_a_killed_start(start):
    up = start()
    up.until("ready")
    running = children(up.pid)
    assert len(running) >= 7
    up.end(signal.SIGKILL)
    assert gone(running)
