"""Entries of a laptop's nodes: what is fetched for them, what a failure leaves, and what a start drops."""

import json

import pytest

from concord.cli.home import Home
from concord.cli.up.supervisor import Supervisor
from concord.cli.up.version_watcher import RETRY_SECONDS, VersionWatcher

KNN = "iris.knn"


class Step:
    """A fetch step that ends when the test says so."""

    is_ready, pid = True, 1

    def __init__(self, log, environment):
        self.log, self.environment, self.code = log, environment, None

    def poll(self):
        return self.code

    def end(self, how):
        self.code = -how

    @property
    def order(self):
        return json.loads((self.environment["CONCORD_VERSIONS"] / KNN).read_text())


class Said:
    """A voice that keeps what was said."""

    def __init__(self):
        self.events = []

    def say(self, event, text, plain="", **fields):
        self.events.append((event, fields))

    @property
    def names(self):
        return [event for event, _ in self.events]


@pytest.fixture
def laptop(tmp_path):
    """A home whose node knn serves the packaged version 7; yields what the tests look at."""

    class Laptop:
        def __init__(self):
            self.home, self.now, self.steps, self.replaced, self.voice = tmp_path, 0.0, [], [], Said()
            self.place = Home(tmp_path)
            supervisor = Supervisor(lambda _: None)
            supervisor.replace = self.replaced.append
            self.swaps = VersionWatcher(
                self.place, tmp_path, "http://mlflow", {KNN: "7"}, supervisor, self.voice,
                lambda: self.now, self._run,
            )  # fmt: skip

        def _run(self, command, log, environment):
            self.steps.append(Step(log, {**environment, "CONCORD_VERSIONS": tmp_path / "run" / "versions"}))
            return self.steps[-1]

        def write(self, **entry):
            self.place.versions.mkdir(exist_ok=True)
            (self.place.versions / KNN).write_text(json.dumps(entry))

        def fetched(self, role, version):
            folder = self.place.served(KNN) / role
            folder.mkdir(parents=True)
            (folder / "info.json").write_text(json.dumps({"model": KNN, "version": version}))

    return Laptop()


def test_a_changed_entry_is_fetched_and_then_served(laptop):
    laptop.swaps.settle([KNN])
    laptop.write(champion="8")
    laptop.swaps.look()
    assert laptop.steps[0].order == {"champion": "8"}
    assert laptop.steps[0].environment["MLFLOW_TRACKING_URI"] == "http://mlflow"
    assert laptop.replaced == []
    laptop.steps[0].code = 0
    laptop.swaps.look()
    laptop.swaps.look()
    assert (laptop.replaced, len(laptop.steps)) == ([KNN], 1)


def test_the_packaged_champion_needs_no_fetch_and_its_challenger_does(laptop):
    laptop.swaps.settle([KNN])
    laptop.write(champion="7", challenger="8")
    laptop.swaps.look()
    assert laptop.steps[0].order == {"challenger": "8"}


def test_going_back_to_the_packaged_version_needs_no_registry(laptop):
    laptop.fetched("champion", "7")
    laptop.write(champion="7", challenger="8")
    laptop.swaps.settle([KNN])
    laptop.write(champion="7")
    laptop.swaps.look()
    assert (laptop.steps, laptop.replaced) == ([], [KNN])
    assert not laptop.place.served(KNN).exists()


def test_a_failed_fetch_replaces_nothing_is_said_once_and_tried_again_later(laptop):
    laptop.swaps.settle([KNN])
    laptop.write(champion="99")
    for _ in range(2):
        laptop.swaps.look()
        log = laptop.steps[-1].log
        log.parent.mkdir(exist_ok=True)
        log.write_text(json.dumps({"logger": "t", "event": "fetch failed", "reason": "There is no 99."}))
        laptop.steps[-1].code = 1
        laptop.swaps.look()
        laptop.now += RETRY_SECONDS
    assert len(laptop.steps) == 2
    assert laptop.replaced == []
    failures = [fields for event, fields in laptop.voice.events if event == "fetch_failed"]
    assert failures == [{"name": KNN, "reason": "There is no 99."}]


def test_a_better_entry_does_not_wait_for_the_next_try(laptop):
    laptop.swaps.settle([KNN])
    laptop.write(champion="99")
    laptop.swaps.look()
    laptop.steps[0].code = 1
    laptop.swaps.look()
    laptop.write(champion="8")
    laptop.swaps.look()
    assert laptop.steps[1].order == {"champion": "8"}


def test_a_challenger_that_cannot_be_had_is_said(laptop):
    laptop.swaps.settle([KNN])
    laptop.write(champion="7", challenger="8")
    laptop.swaps.look()
    folder = laptop.place.served(KNN) / "challenger"
    folder.mkdir(parents=True)
    (folder / "refused").write_text("Its digest differs.")
    laptop.steps[0].code = 0
    laptop.swaps.look()
    assert ("challenger_refused", {"name": KNN, "reason": "Its digest differs."}) in laptop.voice.events


def test_what_was_fetched_before_is_served_at_once_by_the_next_start(laptop):
    laptop.write(champion="7", challenger="8")
    laptop.fetched("challenger", "8")
    laptop.swaps.settle([KNN])
    laptop.swaps.look()
    assert laptop.steps == []


def test_an_entry_of_another_champion_than_the_registrys_is_dropped_at_a_start(laptop):
    laptop.write(champion="6", challenger="8")
    laptop.fetched("champion", "6")
    laptop.swaps.settle([KNN])
    laptop.swaps.look()
    assert laptop.voice.names == ["outdated"]
    assert not (laptop.place.versions / KNN).exists()
    assert not laptop.place.served(KNN).exists()


@pytest.mark.parametrize(("found", "order"), [(b"{", "{"), (b"\xff{", "\ufffd{")])
def test_an_entry_that_is_none_is_left_to_the_fetch_step_to_explain(laptop, found, order):
    laptop.swaps.settle([KNN])
    (laptop.place.versions / KNN).write_bytes(found)
    laptop.swaps.look()
    assert (laptop.steps[0].environment["CONCORD_VERSIONS"] / KNN).read_text("utf-8") == order
