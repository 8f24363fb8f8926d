"""`concord models` with a cluster that is stood in for: what is moved, in which order, and what is said."""

import json

import pytest

from concord.cli import models
from concord.cli.rollout import Target
from concord.errors import CallerError, ServiceAway

TARGET = Target("concord", "concord")


class World:
    """What happens, in order; the registry, the cluster and the node answer from here."""

    def __init__(self):
        self.steps, self.entry, self.version = [], {}, "7"
        self.move = {"model": "iris.knn", "version": "8", "previous": "7"}
        self.registry_error = self.wait_error = None

    def models(self, step, *arguments, registry=None):
        self.steps.append(" ".join([step, *arguments]))
        if self.registry_error:
            raise self.registry_error
        return self.move

    def check(self):
        pass

    deployment = "concord-iris-knn"

    def entry_now(self):
        return self.entry

    def write(self, change):
        self.entry = change(dict(self.entry))
        self.steps.append(f"write {json.dumps(self.entry)}")

    def restart(self):
        self.steps.append("restart")

    def wait(self, seconds, tell):
        self.steps.append("wait")
        if self.wait_error:
            raise self.wait_error
        self.version = self.entry.get("champion", "1")


@pytest.fixture
def world(monkeypatch):
    """Stands in for everything that a command moves."""
    world = World()

    class Rollout:
        deployment = "concord-iris-knn"
        check, write, restart, wait = world.check, world.write, world.restart, world.wait
        entry = staticmethod(world.entry_now)

    import contextlib

    @contextlib.contextmanager
    def desk(namespace, release):
        yield models.Desk(world, None, TARGET if namespace else None)

    monkeypatch.setattr(models, "_desk", desk)
    monkeypatch.setattr(models, "_rollout", lambda *_: Rollout())
    monkeypatch.setattr(
        models, "_info", lambda *_: {"version": world.version, "digest": "d"} if world.version else {}
    )
    return world


def test_on_a_laptop_the_alias_moves_and_the_next_start_serves_it(run, world):
    done = run("models", "promote", "iris.knn", "8")
    assert world.steps == ["promote iris.knn 8"]
    assert "The next `concord up` serves it." in done.output


def test_in_a_cluster_alias_entry_and_restart_follow_one_another(run, world):
    done = run("models", "promote", "iris.knn", "8", "-n", "concord")
    assert world.steps == [
        "promote iris.knn 8 --served=7:d --again --cluster",
        'write {"champion": "8"}',
        "restart",
        "wait",
    ]
    assert "iris.knn answers with version 8." in done.output
    assert "goes back to 7" in done.output


def test_the_same_command_ends_what_was_begun(run, world):
    world.wait_error = ServiceAway("It has not rolled out.")
    assert run("models", "promote", "iris.knn", "8", "-n", "concord").exit_code == 1
    world.wait_error = None
    assert run("models", "promote", "iris.knn", "8", "-n", "concord").exit_code == 0
    assert world.version == "8"


def test_what_is_served_already_is_a_mistake(run, world):
    world.entry, world.version = {"champion": "8"}, "8"
    world.registry_error = CallerError("Version 8 of iris.knn is the champion already.")
    done = run("models", "promote", "iris.knn", "8", "-n", "concord")
    assert (done.exit_code, world.steps) == (2, ["promote iris.knn 8 --served=8:d --cluster"])


def test_a_challenger_stays_unless_it_is_promoted(run, world):
    world.entry = {"champion": "7", "challenger": "9"}
    run("models", "promote", "iris.knn", "8", "-n", "concord")
    assert world.entry == {"champion": "8", "challenger": "9"}
    world.move = world.move | {"version": "9"}
    run("models", "promote", "iris.knn", "9", "-n", "concord")
    assert world.entry == {"champion": "9"}


def test_a_rollback_forgets_its_target_only_when_it_serves(run, world):
    world.move = {"model": "iris.knn", "version": "7", "previous": None}
    run("models", "rollback", "iris.knn", "-n", "concord")
    assert world.steps == [
        "rollback iris.knn --cluster",
        'write {"champion": "7"}',
        "restart",
        "wait",
        "settle iris.knn --cluster",
    ]


def test_a_rollback_to_the_packaged_version_takes_the_entry_away(run, world):
    world.entry = {"champion": "8"}
    world.move = {"model": "iris.knn", "version": None, "previous": None}
    run("models", "rollback", "iris.knn", "-n", "concord")
    assert world.entry == {}


def test_a_node_that_cannot_be_asked_is_said(run, world, monkeypatch):
    monkeypatch.setattr(models, "_info", lambda *_: {})
    done = run("models", "promote", "iris.knn", "8", "-n", "concord", "--json")
    assert json.loads(done.stdout)["answers"] is None


@pytest.mark.parametrize(
    ("entry", "stated"),
    [({"champion": "7"}, ["--served=7:"]), ({}, ["--served=packaged:"]), ({"champion": "@champion"}, [])],
    ids=["a number", "no entry", "an alias"],
)
def test_where_the_node_cannot_be_asked_its_entry_says_what_it_serves(run, world, monkeypatch, entry, stated):
    """Not the alias, which every fit moves."""
    monkeypatch.setattr(models, "_info", lambda *_: {})
    world.entry = entry
    run("models", "promote", "iris.knn", "8", "-n", "concord")
    assert world.steps[0] == " ".join(["promote iris.knn 8", *stated, "--again --cluster"])


def test_a_node_that_answers_with_another_version_is_no_success(run, world, monkeypatch):
    monkeypatch.setattr(models.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(models, "_info", lambda *_: {"version": "7", "digest": "d"})
    done = run("models", "promote", "iris.knn", "8", "-n", "concord")
    assert (done.exit_code, "answers with version 7, not 8" in done.stderr) == (1, True)


def test_an_old_pod_that_still_answers_is_asked_again(run, world, monkeypatch):
    answers = iter(["7", "7", "8"])
    monkeypatch.setattr(models.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(models, "_info", lambda *_: {"version": next(answers), "digest": "d"})
    assert "answers with version 8" in run("models", "promote", "iris.knn", "8", "-n", "concord").output
