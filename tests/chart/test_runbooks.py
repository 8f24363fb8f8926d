"""What the runbooks name is there: commands with their options, and objects of the chart."""

import re
import shlex

import click
import pytest

from concord.cli import main
from tests.chart import rendering
from tests.runbooks import BLOCKS, COMMANDS, filled

MADE_LATER = {"configmap/concord-ledger"}
"""What no chart makes: the service writes its ledger itself."""

VALUES = {
    "journal": {"kind": "mariadb", "mariadb": {"existingSecret": "concord-journal"}},
    "consensus": {"autoscaling": {"enabled": False}},
}
KINDS = {"svc": "service", "deployment": "deployment", "configmap": "configmap", "configmaps": "configmap"}


@pytest.fixture(scope="module")
def objects():
    return [one for one in rendering.manifests(VALUES) if not rendering.is_hook(one)]


def test_there_are_commands():
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("concord ")])
def test_concord_takes_the_command_with_its_options(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE.csv").write_text("id,label\n")
    words = shlex.split(filled(command))[1:]
    parent, found = click.Context(main, info_name="concord"), main
    while isinstance(found, click.Group) and not (words and words[0].startswith("-")):
        name = words.pop(0)
        chosen = found.get_command(parent, name)
        assert chosen is not None, f"there is no {name!r}"
        parent, found = click.Context(chosen, info_name=name, parent=parent), chosen
    found.make_context(parent.info_name, words, parent=parent.parent)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("kubectl ")] + BLOCKS)
def test_kubectl_finds_what_the_chart_makes(command, objects):
    text = filled(command)
    there = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in objects} | MADE_LATER
    named = re.findall(r"\b(svc|deployment|configmaps?)[/ ](concord-[a-z-]+)", text)
    assert {f"{KINDS[kind]}/{name}" for kind, name in named} <= there
    accounts = re.findall(r"system:serviceaccount:concord:(\S+)", text)
    assert {f"serviceaccount/{name}" for name in accounts} <= there
    labels = [
        one["spec"]["template"]["metadata"]["labels"] for one in objects if "template" in one.get("spec", {})
    ]
    for name, value in re.findall(r"-l (\S+?)=(\S+)", text):
        assert value in {label.get(name) for label in labels}
