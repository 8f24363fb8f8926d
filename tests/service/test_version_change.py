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
from tests.service.labelling import write_tokens
from tests.service.stack import wait_until
from tests.service.up import CONCORD, Up
from training.registry.registry import Registry

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
        up.digests = {
            (model, str(version.version)): version.tags["concord.digest"]
            for model in ("iris.knn", "iris.svm")
            for version in Registry(up.home).client.search_model_versions(f"name='{model}'")
        }
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
    digests = {
        f"{role}_digest": up.digests.get((name, version), "0" * 64) for role, version in desired.items()
    }
    path = up.home / "versions" / name
    fresh = path.with_name(f".{name}")
    fresh.write_text(json.dumps(desired | digests))
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


def test_a_desired_version_without_the_digest_of_its_file_changes_nothing(up):
    (up.home / "versions" / "iris.knn").write_text(json.dumps({"champion": "2"}))
    event = up.until("fetch_failed")
    assert "without the digest of its file" in event["reason"]
    assert serves(up, "iris.knn", "1")


def test_a_start_serves_what_the_ledger_has_and_tells_how_to_accept_the_registrys_champion(up, env, base):
    """The fit named version 2 of each model champion, and nobody has appointed it."""
    (up.home / "versions" / "iris.knn").unlink()
    up.end()
    with started(env, base) as again:
        kept = {event["model"]: event for event in again.events if event.get("event") == "kept"}
        assert {(event["champion"], event["served"]) for event in kept.values()} == {("2", "1")}
        assert "`concord models promote iris.knn 2` accepts it" in kept["iris.knn"]["message"]
        assert all(serves(up, model, "1") for model in kept)
        # The desired versions of the node svm were served before, and are again.
        assert info_of(up, "svm")["challenger"]["version"] == "2"


def test_a_promotion_with_a_token_is_served_and_kept_by_the_next_start(up, env, base):
    write_tokens(up.home, "operator")
    with started(env, base):
        done = run(env | {"CONCORD_TOKEN": "secret-operator"}, "models", "promote", "iris.knn", "2")
        assert "iris.knn answers with version 2" in done.stdout
    with started(env, base) as again:
        assert info_of(up, "knn")["version"] == "2"
        assert "iris.knn" not in [
            event.get("model") for event in again.events if event.get("event") == "kept"
        ]


def test_a_promotion_while_nothing_runs_is_served_by_the_next_start(up, env, base):
    run(env, "models", "promote", "iris.svm", "2")
    with started(env, base):
        assert info_of(up, "svm")["version"] == "2"


def test_a_model_that_was_swapped_in_mlflow_alone_is_not_served(up, env, base):
    """A version without a digest, and the alias moved: as whoever reaches MLflow does it."""
    client = Registry(up.home).client
    first = client.get_model_version("iris.knn", "1")
    tags = {"concord.schema": first.tags["concord.schema"]}
    swapped = client.create_model_version("iris.knn", first.source, run_id=first.run_id, tags=tags).version
    client.set_registered_model_alias("iris.knn", "champion", swapped)
    with started(env, base) as again:
        kept = [event for event in again.events if event.get("event") == "kept"]
        assert ("iris.knn", "3", "2") in [
            (event["model"], str(event["champion"]), event["served"]) for event in kept
        ]
        assert info_of(up, "knn")["digest"] == up.digests["iris.knn", "2"]


def info_of(up, node):
    url = tomllib.loads((up.home / "nodes.toml").read_text())["tasks"]["iris"]["nodes"][node]
    return httpx.get(f"{url}/info").json()


def run(env, *command):
    """A command of `concord`, which must succeed."""
    done = subprocess.run([*CONCORD, *command], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@contextlib.contextmanager
def started(env, base):
    # With MLflow, since a version is promoted by the registry that the service knows.
    up = Up(env, "iris", "--port", str(base), "--no-page")
    try:
        up.until("ready")
        yield up
    finally:
        up.end()
