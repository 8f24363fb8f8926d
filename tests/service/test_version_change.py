"""A node of `concord up` takes another version on while it is asked: nothing fails, nothing is degraded."""

import contextlib
import json
import subprocess
import sys
import threading
import tomllib
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest

from tests.homes import IRIS, environment
from tests.ports import free_base
from tests.service.stack import wait_until
from tests.service.up import Up

pytestmark = pytest.mark.slow

ROW = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}
CALLERS = 8


@pytest.fixture(scope="module")
def base():
    """A port from which on nobody listens."""
    return free_base()


@pytest.fixture(scope="module")
def env(copy_trained_home, tmp_path_factory):
    return environment(copy_trained_home(IRIS, tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def up(env, base):
    """One task that serves its first versions, with second ones in the registry."""
    with started(env, base) as up:
        up.url = up.events[-1]["url"]
        fit = [sys.executable, "-m", "training", "fit", "iris", "--seed", "7", "--json"]
        subprocess.run(fit, env=env, check=True, capture_output=True)
        up.home = Path(env["CONCORD_HOME"])
        yield up


class Callers:
    """Callers that ask without a pause, and the statuses that they got."""

    def __init__(self, url):
        self.statuses, self._url, self._over = Counter(), url, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        with httpx.Client(base_url=self._url, timeout=10) as http:
            while not self._over.is_set():
                try:
                    answer = http.post("/v1/tasks/iris/predict", json={"rows": [ROW]})
                    verdicts = answer.json().get("verdicts", [])
                    status = verdicts[0]["status"] if answer.status_code == 200 else answer.status_code
                except httpx.HTTPError as error:
                    status = type(error).__name__
                self.statuses[status] += 1


def write(up, name, desired):
    path = up.home / "versions" / name
    fresh = path.with_name(f".{name}")
    fresh.write_text(json.dumps(desired))
    fresh.replace(path)


def pid_of(up, name):
    """The process that serves as this node."""
    return json.loads((up.home / "run" / "up.json").read_text())["processes"][name]


def serves(up, name, version):
    nodes = httpx.get(f"{up.url}/v1/nodes").json()["nodes"]
    return any(node["model"] == name and node["version"] == version for node in nodes)


def test_no_round_is_degraded_while_a_node_takes_another_version_on(up):
    with Callers(up.url) as callers:
        wait_until(lambda: callers.statuses["ok"] > 100)
        old = [pid_of(up, "iris.knn")]
        write(up, "iris.knn", {"champion": "2"})
        assert up.until("replaced")["name"] == "iris.knn"
        wait_until(lambda: serves(up, "iris.knn", "2"))
        wait_until(lambda: pid_of(up, "iris.knn") not in old)
        old.append(pid_of(up, "iris.knn"))
        (up.home / "versions" / "iris.knn").unlink()
        up.until("replaced")
        wait_until(lambda: serves(up, "iris.knn", "1"))
        wait_until(lambda: not any(map(psutil.pid_exists, old)))
    assert set(callers.statuses) == {"ok"}


def test_a_challenger_is_asked_beside_the_packaged_champion(up):
    write(up, "iris.svm", {"champion": "1", "challenger": "2"})
    up.until("replaced")
    assert not (up.home / "served" / "iris.svm" / "champion").exists()
    info = json.loads((up.home / "served" / "iris.svm" / "challenger" / "info.json").read_text())
    assert info["version"] == "2"


def test_a_version_that_cannot_be_had_changes_nothing_and_is_reported(up):
    write(up, "iris.knn", {"champion": "99"})
    event = up.until("fetch_failed")
    assert "iris.knn has no version 99" in event["reason"]
    assert "concord models promote iris.knn VERSION" in event["reason"]
    assert serves(up, "iris.knn", "1")


def test_desired_versions_are_honoured_by_the_next_start_unless_the_registry_moved_on(up, env, base):
    (up.home / "versions" / "iris.knn").unlink()
    up.end()
    with started(env, base) as again:
        # The fit named version 2 champion, so the desired version of the node svm is outdated.
        assert [event["name"] for event in again.events if event.get("event") == "outdated"] == ["iris.svm"]
        write(up, "iris.svm", {"champion": "2", "challenger": "1"})
        again.until("replaced")
    with started(env, base):
        url = tomllib.loads((up.home / "nodes.toml").read_text())["tasks"]["iris"]["nodes"]["svm"]
        info = httpx.get(f"{url}/info").json()
    assert (info["version"], info["challenger"]["version"]) == ("2", "1")


@contextlib.contextmanager
def started(env, base):
    up = Up(env, "iris", "--port", str(base), "--no-page", "--no-mlflow")
    try:
        up.until("ready")
        yield up
    finally:
        up.end()
