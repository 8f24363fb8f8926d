"""The chart's own Prometheus on a real cluster: it finds every pod, all it is told to record is there under
load, and faults raise their alerts: each of the six that docs/runbooks.md calls the most important by a
fault of its own. How long an alert waits (`for:`) is shortened for that, and nothing else of the rules is.

One release with everything that monitoring is to see: nodes, the service, MariaDB, the page. Labels come in
while it is asked, since some of what is recorded is about labels.
"""

import json
import math
import re
import secrets
import shutil

import httpx
import pytest
import yaml

from tests.chart import promql
from tests.e2e import pasting
from tests.e2e.kind import CHART, IRIS_ROW, run, until
from tests.ports import free_port
from tests.runbooks import COMMANDS, ELSEWHERE, NOT_PASTED, stays

pytestmark = pytest.mark.e2e
SPACE = "concord-watched"
CONSENSUS, PROMETHEUS = ("concord-consensus", 3000), ("concord-prometheus", 9090)
OTHERS = ("film_rating", "loan_amount", "loan_default")
NODES = ("decision_tree", "knn", "logistic_regression", "random_forest", "svm")
VALUES = (
    *("--set", ",".join(f"tasks.{task}.enabled=false" for task in OTHERS)),
    *("--set", "journal.kind=mariadb,journal.mariadb.existingSecret=concord-journal"),
    *("--set", "consensus.tokens.existingSecret=concord-tokens,networkPolicy.enabled=true"),
    *("--set", "monitoring.prometheus.interval=5s"),
)


def groups_of(chart):
    """The groups of all rules of a chart."""
    files = sorted((chart / "files" / "rules").glob("*.yaml"))
    return [group for path in files for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]


RULES = [rule for group in groups_of(CHART) for rule in group["rules"]]
RECORDS = [rule["record"] for rule in RULES if "record" in rule]
LOOKED_AT = {one for rule in RULES if "alert" in rule for one in promql.asked(rule["expr"]).selectors}
WITHOUT_A_FAULT = {
    'concord:rounds:rate5m{status="no_quorum"}': "a status that never was has no series; below a quorum is "
    "lost, and ConcordQuorumLost raised by this very series",
}
"""What an alert looks at that may not be there while all is well, and why."""

PROCESS = ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds")
TRUTH = "versicolor"
"""Of the workshop's flower; `kind.IRIS_ROW` says who says so."""


class Watched:
    """The release under test, asked as its callers, its operator and Prometheus' readers do.

    Args:
        cluster: Where.
        token: Labels iris.
    """

    def __init__(self, cluster, token):
        self.cluster, self.token = cluster, token

    def ask(self, rows=20, **options):
        """The service's answer to so many rows, whatever its status."""
        with self.cluster.forward(SPACE, *CONSENSUS) as url:
            return httpx.post(f"{url}/v1/tasks/iris/predict", json={"rows": [IRIS_ROW] * rows}, **options)

    def label(self, count):
        """Asks about so many flowers and says that all are versicolor."""
        with self.cluster.forward(SPACE, *CONSENSUS) as url:
            body = {"rows": [IRIS_ROW] * count}
            answer = httpx.post(f"{url}/v1/tasks/iris/predict?recorded=true", json=body, timeout=30)
            assert answer.status_code == 200, answer.text
            labels = [{"id": one["id"], "label": TRUTH} for one in answer.json()["verdicts"]]
            headers = {"authorization": f"Bearer {self.token}"}
            told = httpx.post(f"{url}/v1/feedback", json={"labels": labels}, headers=headers, timeout=30)
            assert {one["status"] for one in told.json()["labels"]} == {"accepted"}, told.text

    def read(self, path, **query):
        """What Prometheus' API answers."""
        with self.cluster.forward(SPACE, *PROMETHEUS) as url:
            answer = httpx.get(f"{url}/api/v1/{path}", params=query, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def values(self, queries):
        """Query → what it returns now, as (labels, number), asked over one connection."""
        with self.cluster.forward(SPACE, *PROMETHEUS) as url, httpx.Client(timeout=30) as client:
            answers = {query: client.get(f"{url}/api/v1/query", params={"query": query}) for query in queries}
        failed = {query: answer.text for query, answer in answers.items() if answer.status_code != 200}
        assert failed == {}
        return {
            query: [(one["metric"], float(one["value"][1])) for one in answer.json()["data"]["result"]]
            for query, answer in answers.items()
        }

    def firing(self):
        """Name → labels of an alert that is raised."""
        alerts = self.read("alerts")["alerts"]
        return {one["labels"]["alertname"]: one["labels"] for one in alerts if one["state"] == "firing"}

    def ends_the_service(self):
        """Ends the process of its container, and waits until the next one answers."""
        selector = "app.kubernetes.io/component=consensus"
        end = "import os, signal; os.kill(1, signal.SIGTERM)"
        self.cluster.kubectl("-n", SPACE, "exec", "deployment/concord-consensus", "--", "python", "-c", end)

        def again():
            (pod,) = self.cluster.pods(SPACE, selector)
            return sum(one["restartCount"] for one in pod["status"]["containerStatuses"])

        until(again, 120, "the container's next start")
        until(lambda: self.cluster.ready(SPACE, selector) and self.ask(1).status_code == 200, 120, "answers")

    def scale(self, what, replicas):
        self.cluster.kubectl("-n", SPACE, "scale", what, f"--replicas={replicas}")

    def expects(self, alert, what, seconds=420):
        """Waits until an alert is raised."""
        return until(lambda: self.firing().get(alert), seconds, f"{alert} after {what}", pause=5)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """The chart, but alerts are raised after seconds: how long they wait is tests/chart's, with promtool."""
    copy = tmp_path_factory.mktemp("chart") / "concord"
    shutil.copytree(CHART, copy)
    for path in (copy / "files" / "rules").glob("*.yaml"):
        text = re.sub(r"(\bfor:) [1-9]\d*[mh]$", r"\1 10s", path.read_text("utf-8"), flags=re.MULTILINE)
        path.write_text(text, "utf-8")
    return copy


def test_shortened_rules_are_those_that_are_shipped_but_for_how_long_an_alert_waits(impatient):
    def hasty(group):
        return group | {
            "rules": [rule | ({"for": "10s"} if "for" in rule else {}) for rule in group["rules"]]
        }

    shortened, shipped = groups_of(impatient), groups_of(CHART)
    assert shortened != shipped
    assert [hasty(group) for group in shortened] == [hasty(group) for group in shipped]
    waits = {rule["for"] for group in shortened for rule in group["rules"] if "alert" in rule}
    assert waits == {"0m", "10s"}


@pytest.fixture(scope="module")
def watched(cluster, impatient, tmp_path_factory):
    """The release, with a token that labels and administers."""
    file = tmp_path_factory.mktemp("tokens") / "tokens.toml"
    made = run(
        "uv", "run", "concord", "tokens", "add", "e2e", "--labels", "iris", "--administers", "--file", file
    )
    cluster.restricted(SPACE)
    secret = ("-n", SPACE, "create", "secret", "generic")
    cluster.kubectl(*secret, "concord-tokens", f"--from-file=tokens.toml={file}")
    passwords = [f"--from-literal={key}={secrets.token_hex(16)}" for key in ("password", "root-password")]
    cluster.kubectl(*secret, "concord-journal", *passwords)
    cluster.helm("install", "concord", impatient, "-n", SPACE, "--wait", "--timeout", "6m", *VALUES)
    yield Watched(cluster, made.split()[-1])
    cluster.helm("uninstall", "concord", "-n", SPACE)
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


@pytest.fixture(scope="module")
def asked(watched):
    """The same, once what a person would look at first is there."""
    until(lambda: watched.values(["up"])["up"], 120, "the first scrape")
    return watched


def test_every_pod_is_ready_with_monitoring_the_page_and_mariadb(watched):
    pods = watched.cluster.pods(SPACE, "app.kubernetes.io/instance=concord")
    ready = watched.cluster.ready(SPACE, "app.kubernetes.io/instance=concord")
    components = [pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods]
    wanted = {"consensus": 1, "node": len(NODES), "page": 1, "mlflow": 1, "journal": 1, "prometheus": 1}
    assert {name: components.count(name) for name in set(components)} == wanted
    assert ready == len(pods)


def test_every_pod_that_serves_metrics_is_a_target_and_up(asked):
    others = ("consensus", "prometheus", "page", "mlflow")
    wanted = {(name, None, None) for name in others} | {("node", "iris", name) for name in NODES}
    pods = {pod["metadata"]["name"] for pod in asked.cluster.pods(SPACE, "app.kubernetes.io/name=concord")}

    def up():
        targets = asked.read("targets", state="active")["activeTargets"]
        known = {
            (one["labels"]["component"], one["labels"].get("task"), one["labels"].get("node"))
            for one in targets
            if one["health"] == "up" and one["labels"]["namespace"] == SPACE and one["labels"]["pod"] in pods
        }
        assert (known, len(targets)) == (wanted, len(wanted)), [one.get("lastError") for one in targets]
        return True

    until(up, 60, "all targets")


def test_every_process_tells_its_cpu_memory_and_open_files(asked):
    for metric, found in asked.values(PROCESS).items():
        told = {(labels["component"], labels.get("node")) for labels, value in found if value > 0}
        services = {(name, None) for name in ("consensus", "prometheus", "page", "mlflow")}
        assert told == services | {("node", node) for node in NODES}, metric


def test_every_rule_is_evaluated_without_an_error(asked):
    def evaluated():
        groups = asked.read("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert sorted(rule["name"] for rule in rules) == sorted(
            rule.get("record") or rule["alert"] for rule in RULES
        )
        assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
        return {rule["health"] for rule in rules} == {"ok"}

    until(evaluated, 60, "the first evaluation of every rule")
    # As whoever copies them from the file would ask: no value is as good as one, an error is not.
    asked.values(rule["expr"] for rule in RULES)


def test_other_rules_are_read_by_an_upgrade(asked, impatient):
    """The pod is made anew by what changed in its files."""
    runbooks = "https://git.example.com/concord"
    asked.cluster.helm(
        *("upgrade", "concord", impatient, "-n", SPACE, "--wait", "--timeout", "5m", *VALUES),
        *("--set", f"monitoring.rules.runbooks={runbooks}"),
    )

    def linked():
        groups = asked.read("rules")["groups"]
        links = [one["annotations"]["runbook_url"] for g in groups for one in g["rules"] if "duration" in one]
        return links and all(link.startswith(f"{runbooks}/docs/") for link in links)

    until(linked, 120, "the changed links")


def test_all_that_is_recorded_and_all_that_alerts_look_at_has_values_under_load(asked, load, say):
    """Drift is looked for every five minutes, from a hundred rows on."""
    assert WITHOUT_A_FAULT.keys() <= LOOKED_AT
    running = load(SPACE, "iris", callers=2, pause=0.1, seconds=600)
    wanted = [*RECORDS, *sorted(LOOKED_AT - WITHOUT_A_FAULT.keys())]

    def complete():
        asked.label(50)
        found = asked.values(wanted)
        missing = [name for name in wanted if not any(math.isfinite(value) for _, value in found[name])]
        assert missing == []
        return True

    until(complete, 540, f"values of all {len(wanted)} recordings and selectors", pause=5)
    running.stop()
    told = running.result()
    assert set(told["statuses"]) == {"200"}, told
    found = asked.values(RECORDS)
    assert [labels for labels, _ in found["concord:rounds:rate5m"] if labels["namespace"] != SPACE] == []
    shown = {name: found[name][0][1] for name in RECORDS if "seconds:p95_5m" in name}
    say(f"{len(RECORDS)} recordings have values; p95 in seconds: {json.dumps(shown)}")


def paste(asked, command, folder, **options):
    """Pastes a command about an alert on a node whose name has an underscore."""
    labels = {"NAMESPACE": SPACE, "TASK": "iris", "NODE": "random_forest"}
    return pasting.paste(asked.cluster, command, folder, **{"token": asked.token} | labels | options)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in NOT_PASTED | ELSEWHERE])
def test_a_runbooks_command_works_when_it_is_pasted(asked, command, tmp_path):
    if "rollout undo" in command:
        restarted = "deployment/concord-iris-random-forest"
        asked.cluster.kubectl("-n", SPACE, "rollout", "restart", restarted)
        asked.cluster.kubectl("-n", SPACE, "rollout", "status", restarted, "--timeout=180s")
    if "--previous" in command:
        asked.ends_the_service()
    (verdict,) = asked.ask(1, params={"recorded": "true"}).json()["verdicts"]
    (tmp_path / "LABELS.csv").write_text(f"id,label\n{verdict['id']},{TRUTH}\n", "utf-8")
    cells = (map(str, line) for line in (IRIS_ROW, IRIS_ROW.values()))
    (tmp_path / "ROWS.csv").write_text("".join(f"{','.join(line)}\n" for line in cells), "utf-8")
    command = command.replace(" ID", f" {verdict['id']}").replace(" TIME", " 1h")
    if "9090:9090" in command:
        # Debian's Prometheus, from which the test's image is made, has no page at /targets.
        command = stays(command, 9090, free_port(), "/api/v1/targets")
    paste(asked, command, tmp_path)


def test_a_node_that_loses_every_round_is_jailed_and_told(asked, tmp_path):
    """By its labels the flower is versicolor, which at least two of five never say."""

    def jailed():
        asked.label(20)
        return asked.firing().get("ConcordNodeJailed")

    labels = until(jailed, 300, "ConcordNodeJailed after lost rounds", pause=2)
    assert (labels["namespace"], labels["task"]) == (SPACE, "iris")
    assert labels["node"] in NODES
    paste(asked, 'concord release $TASK $NODE --reason "…"', tmp_path, NODE=labels["node"])


def test_a_node_that_is_away_raises_its_alert_and_takes_it_back(asked, load):
    running = load(SPACE, "iris", callers=1, pause=0.2, seconds=900)
    asked.scale("deployment/concord-iris-svm", 0)
    assert asked.expects("ConcordNodeDown", "a node was taken away")["node"] == "svm"
    asked.scale("deployment/concord-iris-svm", 1)
    until(lambda: "ConcordNodeDown" not in asked.firing(), 180, "the node's return", pause=5)
    running.stop().result()


def test_a_lost_quorum_raises_its_alert_and_burns_the_error_budget(asked, load):
    running = load(SPACE, "iris", callers=2, pause=0.1, seconds=900)
    for node in NODES:
        asked.scale(f"deployment/concord-iris-{node.replace('_', '-')}", 0)
    assert asked.expects("ConcordQuorumLost", "all nodes were taken away")["task"] == "iris"
    asked.expects("ConcordErrorBudgetBurnsFast", "all nodes were taken away")
    for node in NODES:
        asked.scale(f"deployment/concord-iris-{node.replace('_', '-')}", 1)
    until(lambda: asked.ask().status_code == 200, 180, "answers")
    running.stop().result()


def test_a_journal_that_is_away_raises_its_alert_while_answers_go_on(asked):
    asked.scale("statefulset/concord-journal", 0)
    for _ in range(11):
        assert asked.ask(1000, timeout=30).status_code == 200
    asked.expects("ConcordJournalBehind", "11,000 rounds without a journal")
    asked.scale("statefulset/concord-journal", 1)
    until(lambda: "ConcordJournalBehind" not in asked.firing(), 240, "the journal's return", pause=5)


def test_a_service_that_is_away_raises_its_alert(asked):
    asked.scale("deployment/concord-consensus", 0)
    assert asked.expects("ConcordServiceAway", "the service was taken away")["namespace"] == SPACE
    asked.scale("deployment/concord-consensus", 1)
    until(lambda: "ConcordServiceAway" not in asked.firing(), 180, "the service's return", pause=5)


def test_a_changed_byte_of_the_ledger_raises_its_alert_and_is_named(asked, tmp_path):
    """The last one of this file, since nothing is settled from here on: what is broken stays so."""
    head = asked.cluster.get(SPACE, "configmap/concord-ledger")["data"]["head.json"]
    changed = head.replace('"paid_in":5', '"paid_in":6')
    assert sum(one != other for one, other in zip(head, changed, strict=True)) == 1
    patch = json.dumps({"data": {"head.json": changed}})
    asked.cluster.kubectl(
        *("-n", SPACE, "patch", "configmap", "concord-ledger"),
        *("--type", "merge", "--patch-file", "/dev/stdin"),
        input=patch,
    )
    assert asked.expects("ConcordLedgerBroken", "a byte was changed")["namespace"] == SPACE
    assert "seal" in paste(asked, "concord ledger verify", tmp_path, status=1)
    assert asked.ask().status_code == 200
