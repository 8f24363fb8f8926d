"""What a pass prints, and its exit status."""

import json

import pytest
from click.testing import CliRunner

from concord.errors import Refused, ServiceAway
from tests.unit.training.upkeep.world import probation, view
from training.commands import upkeep


@pytest.fixture
def run(world, monkeypatch, tmp_path):
    """Runs the command over the world's models."""
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path))
    monkeypatch.setattr("concord.client.Client.models", lambda _self: world.models())
    monkeypatch.setattr(upkeep, "_upkeep_pass", lambda *_: _FakePass(world))
    return lambda *arguments: CliRunner().invoke(upkeep.upkeep_command, list(arguments))


class _FakePass:
    """The world's own pass."""

    def __init__(self, world):
        self._world = world

    def run(self, views):
        self._world.views = views
        return self._world.run().values()


def test_people_read_a_table(run, world):
    model, world.comparisons["iris.knn"] = probation("better")
    world.views = [model, view("svm")]
    lines = run().stdout.splitlines()
    assert lines[0].split() == ["model", "phase", "v", "done", "why"]
    assert lines[1].split()[:6] == ["iris.knn", "probation", "1", "+", "2", "promoted"]
    assert lines[-1].split()[:4] == ["iris.svm", "serving", "1", "nothing"]


def test_programs_read_json(run, world):
    world.views = [view()]
    (line,) = json.loads(run("--json").stdout)
    assert line == {
        "model": "iris.knn", "phase": "serving", "champion": "1", "challenger": None, "done": "nothing",
        "why": "Nothing has drifted.", "version": None,
    }  # fmt: skip


def test_a_failure_is_the_exit_status(run, world):
    model, world.comparisons["iris.knn"] = probation("better")
    world.views = [model]
    world.refusal = Refused("It needs another token.", status=403, code="forbidden")
    assert run().exit_code == 1


def test_a_task_that_is_not_served_is_a_mistake(run, world):
    world.views = [view()]
    done = run("film_rating")
    assert (done.exit_code, "there are iris." in done.stderr) == (2, True)


def test_a_service_that_is_away_is_one_sentence(run, world, monkeypatch):
    def away(_self):
        raise ServiceAway("No consensus service answers.")

    monkeypatch.setattr("concord.client.Client.models", away)
    done = run()
    assert (done.exit_code, "No consensus service answers." in done.stderr) == (1, True)
