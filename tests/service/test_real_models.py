"""Sixteen fitted models behind real nodes and one service: what a user of the whole stack gets."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from concord.api import ConsensusApi
from concord.client import Client
from concord.node.app import NodeApi, OnnxModel
from concord.observability.logs import AccessLog
from concord.settings import NodesFile, Settings, TaskSettings
from tests.homes import ALL_TASKS, FILES, environment
from tests.service.conftest import serving
from tests.service.stack import wait_until

pytestmark = pytest.mark.slow
LOANS = FILES["loan_default"]
FLOWER = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}


@pytest.fixture(scope="module")
def folders(copy_trained_home, tmp_path_factory):
    """Model name → folder of its packaged model; learned from the real files where they are here."""
    home = copy_trained_home(ALL_TASKS, tmp_path_factory.mktemp("home"))
    command = [sys.executable, "-m", "training", "package", "--json"]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True)
    return {name: Path(folder) for name, folder in json.loads(done.stdout)["folders"].items()}


@pytest.fixture(scope="module")
def client(folders, tmp_path_factory):
    quiet = AccessLog(enabled=False)
    with serving() as serve:
        urls = {
            name: serve(NodeApi(OnnxModel(folder), quiet).application)[1] for name, folder in folders.items()
        }
        tasks = {}
        for name, url in urls.items():
            task, _, node = name.partition(".")
            tasks.setdefault(task, {})[node] = url
        declared = NodesFile(tasks={task: TaskSettings(nodes=nodes) for task, nodes in tasks.items()})
        settings = Settings(home=tmp_path_factory.mktemp("service"), log_level="WARNING")
        _, url = serve(ConsensusApi.from_settings(settings, declared).application)
        with Client(url) as client:
            wait_until(lambda: sum(view.deposit > 0 for view in client.nodes()) == len(folders))
            yield client


def test_sixteen_models_serve_four_tasks(client, folders):
    assert len(folders) == 16
    assert [task.task for task in client.tasks()] == ["film_rating", "iris", "loan_amount", "loan_default"]


@pytest.mark.parametrize("task", ["film_rating", "iris", "loan_amount", "loan_default"])
def test_every_task_answers_its_example(client, task):
    verdict = client.predict(task, [client.task(task).example]).verdicts[0]
    assert verdict.status == "ok"
    assert verdict.sentence
    assert {vote.outcome for vote in verdict.votes} == {"voted"}


def test_the_workshops_flower_gets_the_workshops_votes(client):
    verdict = client.predict("iris", [FLOWER]).verdicts[0]
    votes = {vote.node: vote.label for vote in verdict.votes}
    assert votes["logistic_regression"] == votes["knn"] == "virginica"
    assert votes["decision_tree"] == votes["random_forest"] == "versicolor"


@pytest.mark.skipif(not LOANS.exists(), reason="the real loan file is not here: ../shared/data/loan_data.csv")
def test_true_defaults_are_flagged_and_others_are_not(client):
    with LOANS.open(encoding="utf-8", newline="") as file:
        raw = list(csv.DictReader(file))[:400]
    names = list(client.task("loan_default").example)
    rows = [{name: float(line[name]) for name in names} for line in raw]
    verdicts = client.predict("loan_default", rows).verdicts
    right = sum(
        (v.label == "default") == (line["default"] == "1") for v, line in zip(verdicts, raw, strict=True)
    )
    first = next(v for v, line in zip(verdicts, raw, strict=True) if line["default"] == "1")
    assert (first.label, first.sentence) == ("default", "High risk of default")
    assert right / len(raw) > 0.98


def test_a_model_whose_file_was_changed_is_not_served(folders, tmp_path):
    from concord.errors import ConfigurationError

    folder = folders["iris.knn"]
    (tmp_path / "info.json").write_bytes((folder / "info.json").read_bytes())
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b" ")
    with pytest.raises(ConfigurationError, match="digest differs"):
        OnnxModel(tmp_path)


def test_a_node_answers_people_in_json(folders):
    with serving() as serve:
        _, url = serve(NodeApi(OnnxModel(folders["iris.knn"]), AccessLog(enabled=False)).application)
        answer = httpx.post(f"{url}/v1/votes", json={"rows": [FLOWER] * 3}).json()
    assert [vote["label"] for vote in answer["votes"]] == ["virginica"] * 3
