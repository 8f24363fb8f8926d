"""The journey of a first installation, run on every landing: install, predict, page, demo, label, upgrade.

Iris' five nodes, the page, and three replicas of the consensus service over MariaDB. Outages, upkeep,
monitoring and the other tasks are the other modules'.
"""

import json
import time

import httpx
import pytest

from tests.e2e.kind import IRIS_ROW
from tests.e2e.replicas import CONSENSUS, NODE, SPACE, conserved, scale, verify
from tests.pages import TITLES, titles

pytestmark = [pytest.mark.e2e, pytest.mark.guard]

NODES = {"decision_tree", "knn", "logistic_regression", "random_forest", "svm"}
SLASHED = {"logistic_regression": 1000.0, "decision_tree": 900.0, "knn": 1000.0, "random_forest": 900.0}
"""Stakes after the workshop's example."""


def test_all_pods_are_ready_and_the_installation_answers_with_every_vote(release):
    assert release.ready(SPACE, NODE) == len(NODES)
    assert release.ready(SPACE, CONSENSUS) == 3
    [verdict] = release.predict(SPACE, "iris", [IRIS_ROW])
    assert verdict["status"] == "ok", verdict
    assert {vote["node"] for vote in verdict["votes"] if vote["outcome"] == "voted"} == NODES


def test_the_page_is_drawn(release):
    with release.forward(SPACE, "concord-page", 8501) as url:
        assert titles(url) == TITLES


def test_the_demo_gives_the_workshops_numbers_and_the_ledger_verifies(release, demo):
    assert demo["consensus"] == pytest.approx(1.63)
    with release.forward(SPACE, "concord-consensus", 3000) as url:
        nodes = httpx.get(f"{url}/v1/nodes?task=workshop", timeout=10).json()["nodes"]
        report = json.loads(release.concord(SPACE, url, "ledger", "verify", "--without-journal", "--json"))
    assert {node["node"]: node["stake"] for node in nodes} == SLASHED
    assert report["ok"], report


def test_a_label_becomes_a_settlement_that_every_replica_shows(release, token):
    verdicts = release.predict(SPACE, "iris", [IRIS_ROW] * 5, "?recorded=true")
    labels = [{"id": verdict["id"], "label": "virginica"} for verdict in verdicts]
    headers = {"authorization": f"Bearer {token}"}
    with (
        release.forward(SPACE, "concord-consensus", 3000) as url,
        httpx.Client(base_url=url, headers=headers, timeout=30) as client,
    ):
        results = client.post("/v1/feedback?settled=true", json={"labels": labels}).json()["labels"]
        round_ = client.get(f"/v1/rounds/{verdicts[0]['id']}").json()
    assert {result["settlement"] for result in results} == {"settled"}, results
    assert round_["block"] == results[0]["block"], round_
    verify(release)
    conserved(release, "iris")


def test_rolling_upgrades_lose_no_request(release, load, say):
    scale(release, 2)
    running = load(SPACE, "iris", callers=4)
    time.sleep(3)  # so that the callers are under way before anything changes
    deployments = [
        item["metadata"]["name"] for item in release.get(SPACE, "deployments", "-l", NODE)["items"]
    ]
    release.kubectl("-n", SPACE, "rollout", "restart", *(f"deployment/{name}" for name in deployments))
    for name in deployments:
        release.kubectl("-n", SPACE, "rollout", "status", f"deployment/{name}", "--timeout=180s")
    scale(release, 2, "--set", "consensus.logLevel=WARNING")
    report = running.stop().result()
    say(
        f"rolled nodes and both replicas: {report['outcomes']} of {report['answered']}, lost {report['lost']}"
    )
    assert set(report["statuses"]) == {"200"}, report
    assert report["lost"] == 0, report
