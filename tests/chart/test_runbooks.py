"""What the runbooks name is there: commands with their options, and objects of the chart."""

import json
import logging
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from concord.cli import main
from concord.observability.logs import JsonFormatter
from tests.chart import rendering
from tests.chart.test_rules import ALERTS
from tests.ports import free_port
from tests.runbooks import (
    BLOCKS,
    COMMANDS,
    DRIFT,
    ELSEWHERE,
    IMPORTANT,
    NOT_PASTED,
    PLACEHOLDERS,
    filled,
    prepared,
    script,
    shortcomings,
    stays,
)

E2E = Path(__file__).parents[1] / "e2e"
MADE_LATER = {"configmap/concord-ledger", "secret/concord-journal"}
"""What no chart makes: the service writes its ledger itself, and secrets are the installer's."""

ALERTED = [
    {"TASK": "iris", "NODE": "knn"},
    {"TASK": "loan_default", "NODE": "random_forest"},
]
"""Labels of an alert; of Deployments' names an underscore is a hyphen."""

VALUES = {
    "journal": {"kind": "mariadb", "mariadb": {"existingSecret": "concord-journal"}},
    "consensus": {"autoscaling": {"enabled": False}},
}
KINDS = {
    "svc": "service",
    "statefulset": "statefulset",
    "deployment": "deployment",
    "secret": "secret",
    "configmap": "configmap",
    "configmaps": "configmap",
}


@pytest.fixture(scope="module")
def objects():
    return [one for one in rendering.manifests(VALUES) if not rendering.is_hook(one)]


def test_there_are_commands():
    assert len(COMMANDS) > 30
    assert len(BLOCKS) == 2


def test_the_page_about_drift_is_read_too():
    assert "concord drift $TASK --report" in COMMANDS
    assert {line for line in COMMANDS if line in DRIFT and "--since 7d" in line}


@pytest.mark.parametrize("command", COMMANDS)
def test_whoever_pastes_a_command_knows_what_to_fill_in(command):
    plain = re.sub(r"'[^']*'|\"[^\"]*\"", "", command)
    assert set(re.findall(r"\$\{?(\w+)", plain)) <= {"NAMESPACE", "TASK", "NODE", "CONCORD_URL"}
    assert set(re.findall(r"(?<![\w${-])[A-Z]{2,}(?:\.csv)?(?![\w=])", plain)) <= PLACEHOLDERS


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("concord ")])
def test_concord_takes_the_command_with_its_options(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LABELS.csv", "ROWS.csv"):
        (tmp_path / name).write_text("id,label\n")
    words = shlex.split(filled(command).partition(" | ")[0])[1:]
    parent, found = click.Context(main, info_name="concord"), main
    while isinstance(found, click.Group) and not (words and words[0].startswith("-")):
        name = words.pop(0)
        chosen = found.get_command(parent, name)
        assert chosen is not None, f"there is no {name!r}"
        parent, found = click.Context(chosen, info_name=name, parent=parent), chosen
    found.make_context(parent.info_name, words, parent=parent.parent)


def missing(text, objects):
    """What a text names that neither the chart nor the service nor the installer makes."""
    there = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in objects} | MADE_LATER
    named = re.findall(rf"\b({'|'.join(KINDS)})[/ ](concord-\S+?)(?=[;`,)]|\s|$)", text)
    accounts = re.findall(r"system:serviceaccount:concord:(\S+)", text)
    wanted = {f"{KINDS[kind]}/{name}" for kind, name in named}
    return (wanted | {f"serviceaccount/{name}" for name in accounts}) - there


@pytest.mark.parametrize("labels", ALERTED, ids=lambda labels: labels["TASK"])
@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("kubectl ")] + BLOCKS)
def test_kubectl_finds_what_the_chart_makes(command, labels, objects):
    text = filled(command, **labels)
    assert missing(text, objects) == set()
    templates = [
        one["spec"]["template"]["metadata"]["labels"] for one in objects if "template" in one.get("spec", {})
    ]
    for name, value in re.findall(r"-l (\S+?)=(\S+)", text):
        assert value in {one.get(name) for one in templates}


@pytest.mark.parametrize("name", ["concord-$TASK-$NODE", "concord-${TASK//_/-}-$NODE"])
def test_a_deployment_of_a_name_with_an_underscore_is_missed(name, objects):
    command = f"kubectl -n $NAMESPACE rollout undo deployment/{name}"
    assert missing(filled(command, TASK="iris", NODE="knn"), objects) == set()
    assert missing(filled(command, TASK="loan_default", NODE="random_forest"), objects) != set()


@pytest.mark.parametrize("labels", ALERTED, ids=lambda labels: labels["TASK"])
@pytest.mark.parametrize(
    "text", ["$TASK.$NODE", "concord-${TASK//_/-}-${NODE//_/-}", "${NODE}", "$CONCORD_X"]
)
def test_a_command_is_filled_in_as_bash_does(text, labels):
    shell = "; ".join(f"{name}={value}" for name, value in (labels | {"CONCORD_X": "'$CONCORD_X'"}).items())
    done = subprocess.run(["bash", "-c", f'{shell}; printf %s "{text}"'], capture_output=True, check=True)
    assert filled(text, **labels) == done.stdout.decode()


def lines(*levels):
    """A log of so many lines, as the services write it."""
    made = (logging.LogRecord("concord", level, "", 0, "request", None, None) for level in levels)
    return "".join(JsonFormatter().format(one) + "\n" for one in made)


@pytest.mark.parametrize(
    ("levels", "shown"), [((), []), ((20, 20), []), ((20, 40, 20, 30), ["ERROR", "WARNING"])]
)
def test_a_log_without_its_info_is_what_went_wrong_and_no_error_where_nothing_did(levels, shown):
    (command,) = (one for one in COMMANDS if "INFO" in one)
    pipe = command.partition(" | ")[2]
    done = subprocess.run(
        ["bash", "-c", pipe], input=lines(*levels), capture_output=True, text=True, check=True
    )
    *told, last = done.stdout.splitlines()
    assert [json.loads(one)["level"] for one in told] == shown
    assert last == f"{len(levels)} lines read"


def test_each_command_is_pasted_or_it_is_said_where_or_why_not():
    assert set(NOT_PASTED) | set(ELSEWHERE) <= set(COMMANDS)
    for command, file in ELSEWHERE.items():
        assert command in (E2E / file).read_text("utf-8"), f"{file} does not paste it"


def test_the_six_most_important_alerts_are_raised_by_their_faults_on_a_cluster():
    text = (E2E / "test_monitoring.py").read_text("utf-8")
    assert len(IMPORTANT) == len(set(IMPORTANT)) == 6
    assert set(IMPORTANT) <= set(ALERTS)
    assert [name for name in IMPORTANT if f'"{name}"' not in text] == []


@pytest.mark.parametrize(
    ("command", "status", "told", "complained", "said"),
    [
        ("kubectl get pods", 0, "concord-0\n", "", None),
        ("kubectl get pods", 1, "", "refused", "it ended with 1: refused"),
        (
            "kubectl get pods -l a=b",
            0,
            "",
            "No resources found in concord namespace.",
            "it found no resources",
        ),
        ("concord nodes iris", 0, "\n", "", "it printed nothing"),
        ("kubectl get configmaps > full.yaml", 0, "", "", None),
        ("kubectl get configmaps > empty.yaml", 0, "", "", "it wrote nothing into empty.yaml"),
        ("concord ledger export --out none.jsonl", 0, "Written.", "", "it wrote nothing into none.jsonl"),
        ("kubectl logs x | awk y", 0, "0 lines read\n", "", "it read no lines"),
        ("kubectl logs x | awk y", 0, "200 lines read\n", "", None),
    ],
)
def test_a_pasted_command_must_have_done_something(command, status, told, complained, said, tmp_path):
    (tmp_path / "full.yaml").write_text("kind: List\n")
    (tmp_path / "empty.yaml").write_text("")
    found = list(shortcomings(command, status, told, complained, tmp_path))
    assert found == [] if said is None else any(said in one for one in found)


KUBECTL = """#!/bin/bash
case "$*" in
*port-forward*) echo "Forwarding from 127.0.0.1:1 -> 1"; exec sleep 60 ;;
*"get secret"*) printf hidden | base64 ;;
esac
"""
"""Says and stays as kubectl does."""


@pytest.fixture
def shell(tmp_path):
    """Runs a script beside a kubectl that knows no cluster."""
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)

    def run(text):
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(
            ["bash", "-c", text],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    return run


def test_the_pages_blocks_prepare_the_shell_of_a_command_and_say_nothing_into_its_output(shell):
    ports = {7400: free_port(), 7406: free_port()}
    blocks = [prepared(one, ports, NAMESPACE="elsewhere", NODE="random_forest") for one in BLOCKS]
    names = ("NAMESPACE", "TASK", "NODE", "CONCORD_URL", "CONCORD_LEDGER", "CONCORD_JOURNAL_PASSWORD")
    done = shell(
        script(blocks, f"printf '%s\\n' {' '.join(f'${name}' for name in names)}; env | grep JOURNAL=")
    )
    assert done.stdout.splitlines() == [
        *("elsewhere", "iris", "random_forest", f"http://127.0.0.1:{ports[7400]}"),
        *("configmap:elsewhere/concord-ledger", "hidden"),
        f"CONCORD_JOURNAL=mysql+pymysql://concord@127.0.0.1:{ports[7406]}/concord",
    ]


@pytest.mark.parametrize("command", ["false", "false | awk 1"])
def test_a_command_that_fails_in_the_prepared_shell_is_seen(command, shell):
    assert shell(script(BLOCKS[:1], command)).returncode == 1


def test_a_way_that_leads_nowhere_is_seen(shell):
    (command,) = (one for one in COMMANDS if "9090:9090" in one)
    text = stays(command, 9090, free_port(), "/api/v1/targets").replace("--retry 20", "--retry 1")
    assert shell(script(BLOCKS[:1], text)).returncode == 7
