"""Images: one version of uv in all, and the variables that keep libraries from reporting to their makers."""

import os
import re
from pathlib import Path

import pytest
import yaml

from bentos.serve import DEFAULTS
from concord.cli.home import process_environment
from concord.util.telemetry import OFF, switch_off

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
BENTOS = ("node", "consensus")

UV = re.search(r"^ARG UV=(\d+\.\d+\.\d+)$", DOCKERFILE, re.MULTILINE)[1]


def bentofile(name):
    return yaml.safe_load((ROOT / "bentos" / name / "bentofile.yaml").read_text("utf-8"))


def test_every_stage_installs_the_one_uv():
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    installing = [stage for stage in stages if "pip install --quiet --root-user" in stage]
    assert installing
    assert all("uv==${UV}" in stage and "\nARG UV\n" in stage for stage in installing)


@pytest.mark.parametrize("name", BENTOS)
def test_so_do_bentos_before_bentoml_takes_the_newest(name):
    service = (ROOT / "bentos" / name / "service.py").read_text("utf-8")
    assert re.findall(r"uv==([\d.]+)", service) == [UV]


def test_so_does_ci():
    assert "uv==$(sed -n 's/^ARG UV=//p' Dockerfile)" in (ROOT / ".ci" / "tools").read_text("utf-8")


def test_the_images_of_the_dockerfile_report_nothing():
    (base,) = (
        stage for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE) if " AS base\n" in stage
    )
    assert OFF.items() <= dict(re.findall(r"(\w+)=(\S+)", base)).items()


@pytest.mark.parametrize("name", BENTOS)
def test_bentos_report_nothing(name):
    told = {one["name"]: one["value"] for one in bentofile(name)["envs"]}
    assert OFF.items() <= told.items()


def test_processes_that_are_started_here_report_nothing(tmp_path, monkeypatch):
    for name in OFF:
        monkeypatch.delenv(name, raising=False)
    assert OFF.items() <= process_environment(ROOT, tmp_path).items()
    assert OFF.items() <= DEFAULTS.items()


def test_whoever_wants_a_report_says_so(monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    switch_off()
    assert (os.environ["MLFLOW_DISABLE_TELEMETRY"], os.environ["ORT_DISABLE_TELEMETRY"]) == ("false", "1")
