"""Proxies that do not answer hold nothing up that is on this machine."""

import json
import subprocess
import sys
import time

import pytest

from tests.homes import IRIS, environment
from tests.ports import free_base
from tests.service.stack import wait_until
from tests.service.teaching import give_token
from tests.service.up import CONCORD, Up

pytestmark = pytest.mark.slow

MOST_SECONDS = 30
"""And on a machine so busy that a command takes longer, twice what it takes there without proxies."""

DEAD = "http://127.0.0.1:9"
COPY = """
import mlflow, sys
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
first = client.get_model_version(sys.argv[2], "1")
kept = {"run_id": first.run_id, "tags": first.tags, "model_id": first.model_id}
client.create_model_version(sys.argv[2], first.source, **kept)
"""
"""Registers the first version of a model once more."""

FLOWER = ("sepal_length=6.0", "sepal_width=2.7", "petal_length=5.1", "petal_width=1.6")


@pytest.fixture(scope="module")
def laptop(copy_trained_home, tmp_path_factory):
    """A running `concord up iris` with both proxies dead, and a second version of a model in its registry."""
    home = copy_trained_home(IRIS, tmp_path_factory.mktemp("proxied"))
    copy_version(home, "iris.knn")
    kept = {name: value for name, value in environment(home).items() if not name.lower().endswith("_proxy")}
    env = {**kept, "HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD, "http_proxy": DEAD, "https_proxy": DEAD}
    up = Up(env, "iris", "--port", str(free_base()), "--no-page")
    try:
        up.url = up.until("ready")["url"]
        up.env = {**env, "CONCORD_TOKEN": give_token(home, administers=True)}
        yield up
    finally:
        up.end()


def copy_version(home, model):
    # In a process of its own: some of what MLflow calls is deprecated, which is an error in a test.
    command = [sys.executable, "-c", COPY, f"sqlite:///{home / 'mlflow.db'}", model]
    subprocess.run(command, env=environment(home), check=True, capture_output=True)


def run(laptop, *arguments, **variables):
    env = {**laptop.env, **variables}
    seconds, done = timed(arguments, env)
    if seconds > MOST_SECONDS:
        direct = {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
        assert seconds < 2 * timed(arguments, direct)[0]
    return done


def timed(arguments, env):
    began = time.monotonic()
    done = subprocess.run([*CONCORD, *arguments], env=env, capture_output=True, text=True, check=False)
    return time.monotonic() - began, done


def test_predict_is_answered(laptop):
    done = run(laptop, "predict", "iris", *FLOWER, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_upkeep_looks_at_every_model(laptop):
    done = run(laptop, "upkeep", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 5


def test_a_promoted_version_is_fetched_and_served(laptop):
    done = run(laptop, "models", "promote", "iris.knn", "2")
    assert done.returncode == 0, done.stderr

    def is_served():
        (view,) = [one for one in listed(laptop) if one["name"] == "iris.knn"]
        return view["champion"] == "2"

    wait_until(is_served)


def listed(laptop):
    return json.loads(run(laptop, "models", "list", "--json").stdout)


def test_doctor_names_the_proxies_and_that_nothing_is_asked_through_them(laptop):
    done = run(laptop, "doctor", "--only", "proxy", "--only", "service")
    assert done.returncode == 0, done.stdout
    assert "used for nothing here" in done.stdout


def test_a_service_elsewhere_is_said_to_be_out_of_reach(laptop):
    done = run(laptop, "tasks", CONCORD_URL="http://concord.example.org")
    assert done.returncode == 1
    assert "concord.example.org" in done.stderr


def test_doctor_names_the_dead_proxy_of_a_service_elsewhere(laptop):
    done = run(laptop, "doctor", "--only", "proxy", CONCORD_URL="http://concord.example.org")
    assert done.returncode == 1
    assert "accept no connection" in done.stdout
