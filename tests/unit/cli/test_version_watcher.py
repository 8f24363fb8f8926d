"""Desired versions of a laptop's nodes: what is fetched, what a failure leaves, and what a start drops."""

import json

import pytest

from concord.cli.home import Home
from concord.cli.up.launcher import Launcher
from concord.cli.up.ports import Ports
from concord.cli.up.preparation import PackagedBentos
from concord.cli.up.supervisor import Supervisor
from concord.cli.up.version_watcher import RETRY_SECONDS, VersionWatcher

KNN = "iris.knn"
DIGEST = "8" * 64
PACKAGED = PackagedBentos({}, {KNN: "7"}, digests={KNN: "7" * 64})


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


class RecordingReporter:
    """A reporter that keeps the events."""

    def __init__(self):
        self.events = []

    def report(self, event, text, plain="", **fields):
        self.events.append((event, fields))

    @property
    def names(self):
        return [event for event, _ in self.events]


@pytest.fixture
def laptop(tmp_path):
    """A home whose node knn serves the packaged version 7; yields what the tests look at."""

    class Laptop:
        def __init__(self):
            self.now, self.steps, self.replaced = 0.0, [], []
            self.home, self.reporter = Home(tmp_path), RecordingReporter()
            supervisor = Supervisor(lambda _: None)
            supervisor.replace = self.replaced.append
            launcher = Launcher(self.home, tmp_path, Ports("127.0.0.1"), supervisor)
            self.watcher = VersionWatcher(
                launcher, "http://mlflow", PACKAGED, self.reporter, lambda: self.now, self._run
            )

        def _run(self, command, log, environment):
            self.steps.append(Step(log, {**environment, "CONCORD_VERSIONS": tmp_path / "run" / "versions"}))
            return self.steps[-1]

        def write(self, **desired):
            self.home.versions.mkdir(exist_ok=True)
            (self.home.versions / KNN).write_text(json.dumps(desired))

        def fetched(self, role, version, digest=DIGEST):
            folder = self.home.served(KNN) / role
            folder.mkdir(parents=True)
            info = {"model": KNN, "version": version, "digest": digest}
            (folder / "info.json").write_text(json.dumps(info))

    return Laptop()


def test_a_changed_version_is_fetched_and_then_served(laptop):
    laptop.watcher.prepare([KNN])
    laptop.write(champion="8")
    laptop.watcher.check()
    assert laptop.steps[0].order == {"champion": "8"}
    assert laptop.steps[0].environment["MLFLOW_TRACKING_URI"] == "http://mlflow"
    assert laptop.replaced == []
    laptop.steps[0].code = 0
    laptop.watcher.check()
    laptop.watcher.check()
    assert (laptop.replaced, len(laptop.steps)) == ([KNN], 1)


def test_the_packaged_champion_needs_no_fetch_and_its_challenger_does(laptop):
    laptop.watcher.prepare([KNN])
    laptop.write(champion="7", challenger="8")
    laptop.watcher.check()
    assert laptop.steps[0].order == {"challenger": "8"}


def test_going_back_to_the_packaged_version_needs_no_registry(laptop):
    laptop.fetched("champion", "7")
    laptop.write(champion="7", challenger="8")
    laptop.watcher.prepare([KNN])
    laptop.write(champion="7")
    laptop.watcher.check()
    assert (laptop.steps, laptop.replaced) == ([], [KNN])
    assert not laptop.home.served(KNN).exists()


def test_a_failed_fetch_replaces_nothing_is_reported_once_and_tried_again_later(laptop):
    laptop.watcher.prepare([KNN])
    laptop.write(champion="99")
    for _ in range(2):
        laptop.watcher.check()
        log = laptop.steps[-1].log
        log.parent.mkdir(exist_ok=True)
        log.write_text(json.dumps({"logger": "t", "event": "fetch failed", "reason": "There is no 99."}))
        laptop.steps[-1].code = 1
        laptop.watcher.check()
        laptop.now += RETRY_SECONDS
    assert len(laptop.steps) == 2
    assert laptop.replaced == []
    failures = [fields for event, fields in laptop.reporter.events if event == "fetch_failed"]
    assert failures == [{"name": KNN, "reason": "There is no 99."}]


def test_a_better_version_does_not_wait_for_the_next_try(laptop):
    laptop.watcher.prepare([KNN])
    laptop.write(champion="99")
    laptop.watcher.check()
    laptop.steps[0].code = 1
    laptop.watcher.check()
    laptop.write(champion="8")
    laptop.watcher.check()
    assert laptop.steps[1].order == {"champion": "8"}


def test_a_challenger_that_cannot_be_had_is_reported(laptop):
    laptop.watcher.prepare([KNN])
    laptop.write(champion="7", challenger="8")
    laptop.watcher.check()
    folder = laptop.home.served(KNN) / "challenger"
    folder.mkdir(parents=True)
    (folder / "refused").write_text("Its digest differs.")
    laptop.steps[0].code = 0
    laptop.watcher.check()
    assert ("challenger_refused", {"name": KNN, "reason": "Its digest differs."}) in laptop.reporter.events


def test_what_was_fetched_before_is_served_at_once_by_the_next_start(laptop):
    laptop.write(champion="7", challenger="8", challenger_digest=DIGEST)
    laptop.fetched("challenger", "8")
    laptop.watcher.prepare([KNN])
    laptop.watcher.check()
    assert laptop.steps == []


def test_what_was_fetched_before_with_another_file_is_fetched_again(laptop):
    laptop.write(champion="7", challenger="8", challenger_digest=DIGEST)
    laptop.fetched("challenger", "8", "9" * 64)
    laptop.watcher.prepare([KNN])
    laptop.watcher.check()
    assert laptop.steps[0].order == {"challenger": "8", "challenger_digest": DIGEST}


def test_the_packaged_number_with_another_file_is_fetched(laptop):
    laptop.watcher.prepare([KNN])
    laptop.write(champion="7", champion_digest=DIGEST)
    laptop.watcher.check()
    assert laptop.steps[0].order == {"champion": "7", "champion_digest": DIGEST}


def test_a_champion_that_is_not_the_packaged_one_is_dropped_at_a_start(laptop):
    laptop.write(champion="6", challenger="8")
    laptop.fetched("champion", "6")
    laptop.watcher.prepare([KNN])
    laptop.watcher.check()
    assert laptop.reporter.names == ["outdated"]
    assert not (laptop.home.versions / KNN).exists()
    assert not laptop.home.served(KNN).exists()


@pytest.mark.parametrize(("text", "order"), [(b"{", "{"), (b"\xff{", "\ufffd{")])
def test_a_file_that_names_no_versions_is_left_to_the_fetch_step_to_explain(laptop, text, order):
    laptop.watcher.prepare([KNN])
    (laptop.home.versions / KNN).write_bytes(text)
    laptop.watcher.check()
    assert (laptop.steps[0].environment["CONCORD_VERSIONS"] / KNN).read_text("utf-8") == order
