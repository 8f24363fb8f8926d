"""Consensus replicas over one journal in MariaDB: how they are installed, and what they have written."""

import json
from collections import Counter

import httpx

from tests.e2e.kind import CHART, until

SPACE = "concord-db"
CONSENSUS = "app.kubernetes.io/component=consensus"
NODE = "app.kubernetes.io/component=node"
VALUES = (
    *(
        "--set",
        "tasks.film_rating.enabled=false,tasks.loan_amount.enabled=false,tasks.loan_default.enabled=false",
    ),
    *("--set", "tasks.iris.quorum=0.33,mlflow.enabled=false"),
    *("--set", "spread.whenUnsatisfiable=DoNotSchedule"),
    *("--set", "journal.kind=mariadb,journal.mariadb.existingSecret=concord-journal"),
    *("--set", "consensus.tokens.existingSecret=concord-tokens"),
)
HEAD_LIMIT = 64 * 1024


def helm(cluster, verb, *more):
    cluster.helm(verb, "concord", CHART, "-n", SPACE, "--wait", "--timeout", "6m", *VALUES, *more)


def scale(cluster, replicas, *more):
    helm(cluster, "upgrade", "--set", f"consensus.replicas={replicas}", *more)
    until(lambda: cluster.ready(SPACE, CONSENSUS) == replicas, 120, f"{replicas} consensus replicas")


def blocks(cluster):
    """All blocks, through `ledger export`."""
    with cluster.forward(SPACE, "concord-consensus", 3000) as url:
        text = cluster.concord(SPACE, url, "ledger", "export")
    return [json.loads(line) for line in text.splitlines()]


def rounds(cluster, task="workshop"):
    """Rounds of a task that the blocks have settled."""
    events = (event for block in blocks(cluster) for event in block["events"].values())
    return sum(one["rounds"] for one in events if one["kind"] == "settle" and one["task"] == task)


def counted(cluster):
    """PUTs of ConfigMaps that the API server has seen."""
    text = cluster.kubectl("get", "--raw", "/metrics")
    wanted = ('resource="configmaps"', 'verb="PUT"')
    lines = [line for line in text.splitlines() if line.startswith("apiserver_request_total")]
    return sum(float(line.split()[-1]) for line in lines if all(part in line for part in wanted))


def verify(cluster):
    """`ledger verify` of the chain, and of the journal's notes by the service that has it."""
    with cluster.forward(SPACE, "concord-consensus", 3000) as url:

        def told_by_service():
            # Where the API server has only just come back, it may not serve this read yet.
            return httpx.get(f"{url}/v1/ledger/verify", timeout=60).raise_for_status().json()

        told = until(told_by_service, 60, "the service's reading of the ledger")
        assert json.loads(cluster.concord(SPACE, url, "ledger", "verify", "--without-journal", "--json"))[
            "ok"
        ]
    assert told.get("ok"), told
    return told


def conserved(cluster, task="workshop"):
    """Every µS of every account is there by a deposit, a withdrawal or a settlement of some block."""
    balance = Counter()
    for block in blocks(cluster):
        for event in block["events"].values():
            if event["task"] != task:
                continue
            if event["kind"] in ("open", "deposit"):
                balance[event["node"]] += event["deposit" if event["kind"] == "open" else "amount"]
            elif event["kind"] == "withdraw":
                balance[event["node"]] -= event["amount"]
            elif event["kind"] == "settle":
                for node, (_, moved, levelled, *_) in event["nodes"].items():
                    balance[node] += moved + levelled
    with cluster.forward(SPACE, "concord-consensus", 3000) as url:
        nodes = httpx.get(f"{url}/v1/nodes", timeout=10).json()["nodes"]
    assert balance == {one["node"]: round(one["stake"] * 1e6) for one in nodes if one["task"] == task}


def placed(cluster, selector):
    """Worker → how many of the pods are on it."""
    return Counter(pod["spec"]["nodeName"] for pod in cluster.pods(SPACE, selector))
