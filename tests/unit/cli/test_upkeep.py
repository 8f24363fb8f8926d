"""`concord upkeep`: what a pass finds in its environment, how often it runs, and what it needs first."""

from types import SimpleNamespace

import pytest

from concord.cli.commands import upkeep


@pytest.fixture
def passes(monkeypatch, home):
    """Stands in for the pass; `statuses` are what the passes end with, `runs` how they were started."""
    passes = SimpleNamespace(statuses=[0], runs=[], pauses=[])

    def run(command, env, check):
        passes.runs.append((command[1:], env))
        return SimpleNamespace(returncode=passes.statuses.pop(0))

    monkeypatch.setattr(upkeep.subprocess, "run", run)
    monkeypatch.setattr(upkeep.time, "sleep", passes.pauses.append)
    monkeypatch.setenv("CONCORD_TOKEN", "secret")
    return passes


def test_a_pass_has_the_service_the_token_and_the_tasks(run, passes, monkeypatch):
    monkeypatch.setenv("CONCORD_URL", "http://concord")
    assert run("upkeep", "iris", "--json").exit_code == 0
    ((command, env),) = passes.runs
    assert command[-5:] == ["-m", "training", "upkeep", "iris", "--json"]
    assert command[-9:-6] == ["nice", "-n", "10"], "it gives way to the nodes that answer"
    assert (env["CONCORD_URL"], env["CONCORD_TOKEN"]) == ("http://concord", "secret")
    assert "MLFLOW_TRACKING_URI" not in env


@pytest.mark.parametrize("stated", [None, "http://elsewhere"])
def test_the_registry_of_what_runs_here_is_meant_unless_another_is_named(run, passes, monkeypatch, stated):
    from concord.cli.home import Home

    monkeypatch.setattr(Home, "read_state", lambda _self: {"url": "http://here", "mlflow": "http://mlflow"})
    if stated:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", stated)
    run("upkeep")
    assert passes.runs[0][1]["MLFLOW_TRACKING_URI"] == (stated or "http://mlflow")
    assert passes.runs[0][1]["CONCORD_URL"] == "http://here"


def test_passes_go_on_after_a_failure_and_end_with_a_mistake(run, passes):
    passes.statuses = [0, 1, 2]
    assert run("upkeep", "--every", "5").exit_code == 2
    assert passes.pauses == [300, 300]


def test_without_a_token_the_command_that_makes_one_is_said(run, passes, monkeypatch):
    monkeypatch.delenv("CONCORD_TOKEN")
    done = run("upkeep")
    assert (done.exit_code, passes.runs) == (2, [])
    assert "export CONCORD_TOKEN=$(concord tokens add upkeep --administers)" in done.stderr
