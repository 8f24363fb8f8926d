"""The chart on a real cluster: installed, asked, changed, rolled back, removed and installed again."""

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.chart.reachability import compare, seen_flows
from tests.e2e.kind import CHART, IRIS_ROW, ROOT, run, until
from tests.pages import TITLES, titles

pytestmark = pytest.mark.e2e
NODES = "app.kubernetes.io/component=node"
DEMO = {"logistic_regression": 1000.0, "decision_tree": 900.0, "knn": 1000.0, "random_forest": 900.0}


def moment(text):
    return dt.datetime.fromisoformat(text)


def stakes(cluster, namespace="concord"):
    """Stakes of the workshop's accounts, as the service tells them."""

    def told():
        with cluster.forward(namespace, "concord-consensus", 3000) as url:
            nodes = httpx.get(f"{url}/v1/nodes", timeout=10).json()["nodes"]
        return {one["node"]: one["stake"] for one in nodes if one["task"] == "workshop"}

    return until(told, 60, "the workshop's accounts")


@pytest.fixture(scope="module")
def token(installed, tmp_path_factory):
    """A token that administers, which the service knows by its Secret."""
    file = tmp_path_factory.mktemp("tokens") / "tokens.toml"
    made = run("uv", "run", "concord", "tokens", "add", "e2e", "--administers", "--file", file)
    installed.kubectl("-n", "concord", "create", "secret", "generic", "concord-tokens", f"--from-file={file}")
    return made.split()[-1]


@pytest.fixture(scope="module")
def played(installed):
    """The demo, played on the cluster."""
    with installed.forward("concord", "concord-consensus", 3000) as url:
        return json.loads(installed.concord("concord", url, "demo", "--json"))


def test_sixteen_nodes_are_ready_within_two_minutes_and_six_gibibytes(installed, say):
    pods = installed.pods("concord", NODES)
    made = min(moment(pod["metadata"]["creationTimestamp"]) for pod in pods)
    ready = max(
        moment(condition["lastTransitionTime"])
        for pod in pods
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] == "True"
    )
    memory = 0
    for worker in installed.workers():
        summary = json.loads(installed.kubectl("get", "--raw", f"/api/v1/nodes/{worker}/proxy/stats/summary"))
        memory += sum(
            pod["memory"]["rssBytes"]
            for pod in summary["pods"]
            if pod["podRef"]["namespace"] == "concord"
            and pod["podRef"]["name"] in {one["metadata"]["name"] for one in pods}
        )
    seconds = (ready - made).total_seconds()
    say(f"{len(pods)} nodes Ready {seconds:.0f} s after the install began, {memory / 2**30:.2f} GiB resident")
    assert len(pods) == 16
    assert seconds <= 120
    assert 0 < memory < 6 * 2**30
    requests = {
        container["resources"]["requests"]["cpu"] for pod in pods for container in pod["spec"]["containers"]
    }
    assert requests == {"50m"}


FLOWS = [
    ("consensus", "node", 3000),
    ("page", "consensus", 3000),
    ("test", "consensus", 3000),
    ("prometheus", "consensus", 3000),
    ("prometheus", "node", 3000),
    ("prometheus", "page", 9464),
    ("prometheus", "mlflow", 9464),
]
"""What a release with its own values does while it is tested and somebody opens its page."""


def test_what_pods_say_to_one_another_is_what_their_policies_admit(installed, say):
    """Nothing enforces the policies here, so the kernel's connections are held against them, both ways."""
    with ThreadPoolExecutor(1) as helm:
        tested = helm.submit(installed.helm, "test", "concord", "-n", "concord", "--timeout", "3m")
        test_pod = until(lambda: _test_pod(installed), 170, "the pod of `helm test`")
        tested.result()
    with installed.forward("concord", "concord-page", 8501) as url:
        titles(url)

    def names(connections):
        kinds = ("pods", "namespaces", "nodes")
        pods, spaces, nodes = (installed.get("concord", what, "-A")["items"] for what in kinds)
        # It is removed once it has succeeded.
        flows, endpoints = seen_flows(connections, [*pods, test_pod], spaces, nodes)
        inside = {name for name, one in endpoints.items() if one.namespace == "concord"}
        return {flow for flow in flows if inside & set(flow[:2])}, endpoints

    def components():
        flows, endpoints = names(installed.connections())
        part = {name: one.labels.get("app.kubernetes.io/component") for name, one in endpoints.items()}
        met = {(part[sender], part[receiver], port) for sender, receiver, (_, port) in flows}
        missing = [flow for flow in FLOWS if flow not in met]
        assert not missing, f"not seen: {missing}"
        return flows, endpoints

    flows, endpoints = until(components, 90, "the flows of a release")
    policies = installed.get("concord", "networkpolicies")["items"]
    say(f"{len(flows)} flows were seen, and {len(policies)} policies admit them")
    assert compare(policies, flows, endpoints).refused == frozenset()


def _test_pod(installed):
    """The pod of `helm test` once it has an address."""
    pods = installed.pods("concord", "app.kubernetes.io/component=test")
    return next((pod for pod in pods if pod["status"].get("podIP")), None)


def test_helm_test_passes(installed):
    installed.helm("test", "concord", "-n", "concord", "--timeout", "3m")


def test_every_task_answers_and_so_does_the_page(installed):
    with installed.forward("concord", "concord-consensus", 3000) as url:
        for task in httpx.get(f"{url}/v1/tasks", timeout=10).json()["tasks"]:
            example = httpx.get(f"{url}/v1/tasks/{task['task']}", timeout=10).json()["example"]
            answer = httpx.post(
                f"{url}/v1/tasks/{task['task']}/predict", json={"rows": [example]}, timeout=10
            )
            assert answer.json()["verdicts"][0]["status"] == "ok", answer.text
    with installed.forward("concord", "concord-page", 8501) as url:
        assert titles(url) == TITLES


def test_manifests_alone_serve_a_subset_of_tasks_in_another_namespace(installed):
    overlay = ROOT / "k8s" / "overlays" / "iris"
    installed.kubectl("apply", "-k", overlay)
    try:
        installed.kubectl(
            *("-n", "concord-iris", "wait", "deployment", "--all"),
            *("--for=condition=Available", "--timeout=180s"),
        )
        with installed.forward("concord-iris", "concord-consensus", 3000) as url:
            tasks = httpx.get(f"{url}/v1/tasks", timeout=10).json()["tasks"]
        [verdict] = installed.predict("concord-iris", "iris", [IRIS_ROW])
        with installed.forward("concord-iris", "concord-page", 8501) as url:
            menu = titles(url)
    finally:
        installed.kubectl("delete", "namespace", "concord-iris", "--wait=false")
    assert [one["task"] for one in tasks] == ["iris"]
    assert (verdict["status"], len(verdict["votes"]), menu) == ("ok", 5, TITLES)


def test_the_demo_gives_the_workshops_numbers(played, installed):
    assert played["consensus"] == pytest.approx(1.63)
    assert stakes(installed) == DEMO


def test_the_ledger_in_configmaps_verifies(played, installed):
    with installed.forward("concord", "concord-consensus", 3000) as url:
        report = json.loads(
            installed.concord("concord", url, "ledger", "verify", "--without-journal", "--json")
        )
    head = installed.get("concord", "configmap/concord-ledger")
    assert report["ok"]
    assert report["height"] > 0
    assert "workshop" in "".join(head["data"].values())


def test_balances_outlive_pods_upgrades_rollbacks_and_a_new_install(played, installed):
    """What the ledger's ConfigMaps and the journal's volume hold is the running system's, not the chart's."""
    selector = "app.kubernetes.io/component=consensus"
    install = ("concord", CHART, "-n", "concord", "--wait", "--timeout", "5m")
    steps = {
        "a deleted pod": lambda: installed.kubectl("-n", "concord", "delete", "pod", "-l", selector),
        "an upgrade": lambda: installed.helm("upgrade", *install, "--set", "consensus.logLevel=WARNING"),
        "a rollback": lambda: installed.helm("rollback", "concord", "1", "-n", "concord", "--wait"),
        "an uninstall": lambda: installed.helm("uninstall", "concord", "-n", "concord", "--wait"),
    }
    for name, step in steps.items():
        step()
        if name == "an uninstall":
            installed.helm("install", *install)
        until(lambda: installed.ready("concord", selector) == 1, 120, f"a consensus pod after {name}")
        assert stakes(installed) == DEMO, name
    with installed.forward("concord", "concord-consensus", 3000) as url:
        assert json.loads(
            installed.concord("concord", url, "ledger", "verify", "--without-journal", "--json")
        )["ok"]


def test_a_promoted_version_is_served_without_an_image_build_and_rolled_back(installed, token):
    """The training Job registers new versions; one command each brings one to its node and back."""
    installed.helm(
        *("upgrade", "concord", CHART, "-n", "concord", "--wait", "--set", "training.tasks={iris}"),
        *("--set", "consensus.tokens.existingSecret=concord-tokens"),
        *("--set", "training.cronJob.enabled=true,training.cronJob.suspend=true"),
    )
    for name in ("first", "second"):
        installed.kubectl("-n", "concord", "create", "job", name, "--from=cronjob/concord-training")
        installed.kubectl(
            *("-n", "concord", "wait", f"job/{name}", "--for=condition=Complete", "--timeout=300s")
        )
    assert version_of(installed) == "1", "a fit changes no node by itself"
    images = images_of(installed)
    with installed.forward("concord", "concord-consensus", 3000) as url:

        def models(*order):
            where = ("--namespace", "concord")
            return installed.concord("concord", url, "models", *order, *where, CONCORD_TOKEN=token)

        models("promote", "iris.knn", "2")
        # The service's open connections are the old pod's until it has drained.
        until(lambda: version_of(installed) == "2", 30, "the promoted version's vote")
        (knn,) = (one for one in json.loads(models("list", "--json")) if one["name"] == "iris.knn")
        assert knn["champion"] == "2", knn
        models("rollback", "iris.knn")
    until(lambda: version_of(installed) == "1", 30, "the vote of the version before")
    assert images_of(installed) == images


def images_of(cluster):
    return {one["image"] for pod in cluster.pods("concord", NODES) for one in pod["spec"]["containers"]}


def version_of(cluster, node="knn"):
    """The version that voted, as the round shows it."""

    def voted():
        [verdict] = cluster.predict("concord", "iris", [IRIS_ROW])
        return next(vote["version"] for vote in verdict["votes"] if vote["node"] == node)

    return until(voted, 60, f"a vote of {node}")
