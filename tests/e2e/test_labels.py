"""Labels on a real cluster: who lies is jailed, an operator releases it, a challenger shows what it can."""

import csv
import json
import os

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_iris

from tests.e2e.kind import CHART, run, until
from tests.e2e.versions import entries

pytestmark = pytest.mark.e2e
SPACE = "concord-labels"
CONSENSUS, MLFLOW = ("concord-consensus", 3000), ("concord-mlflow", 5000)
OTHERS = ("film_rating", "loan_amount", "loan_default")
VALUES = (
    *("--set", ",".join(f"tasks.{task}.enabled=false" for task in OTHERS)),
    *("--set", "tasks.iris.nodes.svm.enabled=false,tasks.iris.nodes.liar.enabled=true,page.enabled=false"),
    *("--set", "consensus.tokens.existingSecret=concord-tokens"),
)


class Labelling:
    """The release under test, asked as its callers do; flowers come round and round in a fixed disorder."""

    def __init__(self, cluster, folder, token):
        self.cluster, self.folder, self.token = cluster, folder, token
        data = load_iris()
        order = np.random.default_rng(5).permutation(len(data.target))
        self._flowers = [(data.data[i], int(data.target[i])) for i in order]
        self._next = 0

    def answered(self, url, count):
        """Asks about so many flowers; returns verdicts and true class numbers."""
        some = [self._flowers[(self._next + i) % len(self._flowers)] for i in range(count)]
        self._next += count
        names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
        rows = [dict(zip(names, map(float, flower), strict=True)) for flower, _ in some]
        answer = httpx.post(f"{url}/v1/tasks/iris/predict?recorded=true", json={"rows": rows}, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()["verdicts"], [label for _, label in some]

    def label(self, url, count):
        """Labels so many flowers and waits until they are settled; returns the verdicts."""
        verdicts, truth = self.answered(url, count)
        labels = [{"id": one["id"], "label": label} for one, label in zip(verdicts, truth, strict=True)]
        answer = httpx.post(
            f"{url}/v1/feedback?settled=true",
            json={"labels": labels},
            headers={"authorization": f"Bearer {self.token}"},
            timeout=20,
        )
        assert {one["settlement"] for one in answer.json()["labels"]} == {"settled"}, answer.text
        return verdicts

    def node(self, url, name):
        nodes = httpx.get(f"{url}/v1/nodes?task=iris", timeout=10).json()["nodes"]
        return next(one for one in nodes if one["node"] == name)

    def labels_until(self, url, name, standing, most):
        """Labels fives of rounds until a node has a standing; returns how many rounds it took."""
        for count in range(0, most, 5):
            if self.node(url, name)["standing"] == standing:
                return count
            self.label(url, 5)
        found = self.node(url, name)
        assert found["standing"] == standing, found
        return most

    def concord(self, url, *arguments, **options):
        return self.cluster.concord(SPACE, url, *arguments, CONCORD_TOKEN=self.token, **options)

    def serve(self, node, **versions):
        """Tells a node which versions to serve and starts its pod anew."""
        with self.cluster.forward(SPACE, "concord-mlflow", 5000) as mlflow:
            data = json.dumps({"data": entries(mlflow, {f"iris.{node}": versions})})
        patch = ("patch", "configmap", "concord-models", "--type", "merge", "-p", data)
        self.cluster.kubectl("-n", SPACE, *patch)
        name = f"deployment/concord-iris-{node.replace('_', '-')}"
        self.cluster.kubectl("-n", SPACE, "rollout", "restart", name)
        self.cluster.kubectl("-n", SPACE, "rollout", "status", name, "--timeout=180s")


def register(uri, home):
    """Two fits of iris in the cluster's registry, and a model of the same task that names the next class."""
    environment = os.environ | {"CONCORD_HOME": str(home), "MLFLOW_TRACKING_URI": uri}
    for _ in range(2):
        run("uv", "run", "python", "-m", "training", "fit", "iris", env=environment)
    run("uv", "run", "python", "-m", "tests.service.liars", "iris", env=environment)


@pytest.fixture(scope="module")
def labelling(cluster, tmp_path_factory):
    """Iris with four honest nodes and one that lies, which is declared from the start and joins with them."""
    folder = tmp_path_factory.mktemp("labels")
    made = run(*("uv", "run", "concord", "tokens", "add", "e2e", "--labels", "iris"),
               *("--administers", "--file", folder / "tokens.toml"))  # fmt: skip
    cluster.restricted(SPACE)
    cluster.kubectl(
        *("-n", SPACE, "create", "secret", "generic", "concord-tokens"),
        *("--from-file", f"tokens.toml={folder / 'tokens.toml'}"),
    )
    cluster.helm("install", "concord", CHART, "-n", SPACE, *VALUES)
    found = Labelling(cluster, folder, made.split()[-1])
    selector = "app.kubernetes.io/component=mlflow"
    until(lambda: cluster.ready(SPACE, selector) == 1, 180, "MLflow")
    with cluster.forward(SPACE, *MLFLOW) as uri:
        register(uri, folder)
    found.serve("liar", champion="1")
    with cluster.forward(SPACE, *CONSENSUS) as url:
        names = ("decision_tree", "knn", "liar", "logistic_regression", "random_forest")
        until(
            lambda: (
                all(found.node(url, name)["status"] == "up" for name in names)
                and all(found.node(url, name)["deposit"] for name in names)
            ),
            180,
            "five nodes with accounts",
        )
    yield found
    cluster.helm("uninstall", "concord", "-n", SPACE, "--wait")
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


@pytest.fixture
def url(labelling):
    with labelling.cluster.forward(SPACE, *CONSENSUS) as url:
        yield url


def test_a_node_that_lies_is_jailed_within_forty_labels_and_nobody_else(labelling, url, say):
    assert labelling.node(url, "liar")["standing"] == "active"
    took = labelling.labels_until(url, "liar", "jailed", 40)
    nodes = httpx.get(f"{url}/v1/nodes?task=iris", timeout=10).json()["nodes"]
    say(f"jailed after {took} labelled rounds; stakes { ({one['node']: one['stake'] for one in nodes}) }")
    assert [one["node"] for one in nodes if one["standing"] != "active"] == ["liar"]
    assert "regret" in labelling.node(url, "liar")["standing_reason"]
    [verdict] = labelling.answered(url, 1)[0]
    outcomes = {vote["node"]: (vote["outcome"], vote["weight"]) for vote in verdict["votes"]}
    assert outcomes["liar"] == ("shadow", 0.0)
    assert verdict["status"] == "ok"


def test_a_file_of_labels_goes_in_by_the_command_line(labelling, url):
    verdicts, truth = labelling.answered(url, 30)
    path = labelling.folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("id", "label"), *((v["id"], k) for v, k in zip(verdicts, truth, strict=True))]
        )
    told = json.loads(labelling.concord(url, "feedback", path, "--settled", "--json"))
    assert (told["status"], told["settled"]) == ({"accepted": 30}, 30), told


def test_an_operator_releases_a_jailed_node_and_lies_jail_it_again(labelling, url):
    labelling.labels_until(url, "liar", "jailed", 40)
    labelling.concord(url, "release", "iris", "liar", "--reason", "a second chance")
    until(lambda: labelling.node(url, "liar")["standing"] == "active", 30, "the release")
    labelling.labels_until(url, "liar", "jailed", 40)
    history = httpx.get(f"{url}/v1/nodes/iris/liar/history", timeout=10).json()["entries"]
    told = [entry["reason"] for entry in history if entry["event"] in {"jail", "release"}]
    assert [reason.split(":")[0] for reason in told] == ["jailed", "counts again, by e2e", "jailed"]
    assert "a second chance" in told[1]


def test_a_challenger_is_on_probation_and_brings_its_record_along(labelling, url, say):
    labelling.serve("knn", champion="1", challenger="2")
    until(lambda: _tried(labelling, url), 60, "a vote of the challenger")
    labelling.label(url, 5)
    tried = labelling.node(url, "knn")["challenger"]
    assert (tried["version"], tried["standing"]) == ("2", "probation")
    for _ in range(4):
        labelling.label(url, 5)
    proven = until(lambda: labelling.node(url, "knn")["challenger"], 10, "the challenger's record")
    assert (proven["standing"], proven["labelled"]) == ("proven", 25)
    labelling.concord(url, "models", "promote", "iris.knn", "2", "--namespace", SPACE)
    changed = until(lambda: _promoted(url), 90, "the promotion in the ledger")
    after = labelling.node(url, "knn")
    say(f"{changed}; skill {after['skill']:.3f}, as a challenger {proven['skill']:.3f}")
    assert after["skill"] == pytest.approx(proven["skill"], abs=0.02)
    assert after["standing"] == "active"


def test_a_model_that_is_swapped_in_mlflow_alone_is_not_served(labelling, url):
    """A version without a digest, and the alias moved, as whoever reaches MLflow does it."""
    cluster, served = labelling.cluster, labelling.node(url, "knn")["version"]
    with cluster.forward(SPACE, *MLFLOW) as mlflow:
        swapped = swap(mlflow, "iris.knn")
    cluster.kubectl("-n", SPACE, "rollout", "restart", "deployment/concord-iris-knn")
    cluster.kubectl("-n", SPACE, "rollout", "status", "deployment/concord-iris-knn", "--timeout=180s")
    until(lambda: labelling.node(url, "knn")["status"] == "up", 60, "the node that began anew")
    assert labelling.node(url, "knn")["version"] == served
    answer = httpx.post(
        f"{url}/v1/models/iris.knn/promote",
        json={"version": swapped, "why": "swapped"},
        headers={"authorization": f"Bearer {labelling.token}"},
        timeout=60,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_digest")
    with cluster.forward(SPACE, *MLFLOW) as mlflow:
        name_champion(mlflow, "iris.knn", served)


def test_a_round_is_explained_and_its_proof_holds_by_the_export_alone(labelling, url):
    [verdict] = labelling.label(url, 1)
    text = labelling.concord(url, "explain", verdict["id"])
    for word in ("liar", "knn", "label"):
        assert word in text, text
    proof, export = labelling.folder / "proof.json", labelling.folder / "ledger.jsonl"
    labelling.concord(url, "explain", verdict["id"], "--proof", proof, "--json")
    export.write_text(labelling.concord(url, "ledger", "export"), "utf-8")
    run("uv", "run", "concord", "ledger", "prove", export, proof)
    document = proof.read_text("utf-8")
    proof.write_text(document.replace(verdict["id"], "0" * 32), "utf-8")
    with pytest.raises(AssertionError):
        run("uv", "run", "concord", "ledger", "prove", export, proof)


def test_the_ledger_verifies_to_the_last_label(labelling, url):
    told = httpx.get(
        f"{url}/v1/ledger/audit", headers={"authorization": f"Bearer {labelling.token}"}, timeout=60
    ).json()
    assert told["ok"], told


def _tried(labelling, url):
    [verdict] = labelling.answered(url, 1)[0]
    return any(vote["challenger"] for vote in verdict["votes"])


def _promoted(url):
    history = httpx.get(f"{url}/v1/nodes/iris/knn/history", timeout=10).json()["entries"]
    return next((entry["reason"] for entry in history if entry["event"] == "promote"), None)


def swap(mlflow, model):
    """Registers a version with a schema and no digest, and makes it the champion; returns its number."""
    api = f"{mlflow}/api/2.0/mlflow"
    asked = {"name": model, "version": "1"}
    first = httpx.get(f"{api}/model-versions/get", params=asked, timeout=15).json()["model_version"]
    tags = [tag for tag in first["tags"] if tag["key"] == "concord.schema"]
    fields = {key: first[key] for key in ("name", "source", "run_id")}
    # A source such as models:/m-8acd belongs to that model.
    fields["model_id"] = first["source"].removeprefix("models:/")
    made = httpx.post(f"{api}/model-versions/create", json=fields | {"tags": tags}, timeout=15)
    assert made.status_code == 200, made.text
    version = made.json()["model_version"]["version"]
    name_champion(mlflow, model, version)
    return version


def name_champion(mlflow, model, version):
    url = f"{mlflow}/api/2.0/mlflow/registered-models/alias"
    alias = {"name": model, "alias": "champion", "version": version}
    assert httpx.post(url, json=alias, timeout=15).status_code == 200
