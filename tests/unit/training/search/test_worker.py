"""A worker's loop: its trials are kept whatever becomes of them, and others take up what it leaves."""

import multiprocessing
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from optuna.trial import TrialState

from concord.errors import ServiceAway
from training.data.dataset import generate_rows
from training.search import claims as claiming
from training.search.claims import Claims
from training.search.cross_validation import TrialMeasurement
from training.search.identity import StudyIdentity
from training.search.leaderboard import build_leaderboard
from training.search.optimiser import LAG, Optimiser, open_study, other_studies
from training.search.settings import digest
from training.search.space import Space
from training.search.storage import open_storage
from training.search.worker import MOST_OWNERS, SearchLimits, SearchWorker
from training.task import SEED

pytestmark = pytest.mark.slow

TRIALS = 40


class Died(BaseException):
    """As SIGKILL: nothing is cleaned up after it."""


def measured(settings):
    """A score that depends on the settings only."""
    score = int(digest(settings)[:6], 16) / 0xFFFFFF
    folds = (score, score * 0.9, score * 0.95)
    return TrialMeasurement({"accuracy": folds}, np.zeros((3, 3), dtype=np.float32), 0.1, 1000)


class InstantFitter:
    """Answers by a function, in the worker's own process."""

    find = staticmethod(measured)
    delay = staticmethod(lambda: 0.0)
    asked = None

    def __init__(self, _):
        self.connection, self._other = multiprocessing.Pipe()
        self.seconds = 0.0

    def ask(self, settings):
        if self.asked is not None:
            self.asked.append(digest(settings))
        found = type(self).find(settings)
        if found is None:
            self.seconds = 1e9  # it never answers
        elif delay := type(self).delay():
            threading.Timer(delay, self._send, [found]).start()
        else:
            self._send(found)

    def _send(self, found):
        with suppress(OSError):  # its worker has died meanwhile
            self._other.send(found)

    def answer(self):
        return self.connection.recv()

    def restart(self):
        self.seconds = 0.0

    def end(self):
        self.connection.close()


class Mortal(Claims):
    """Those of a worker that dies at a trial in the middle, and lets go of nothing."""

    def settle(self, claim, digest):
        is_new = super().settle(claim, digest)
        self._end("settle", claim, is_new)
        return is_new

    def note(self, claim, **known):
        super().note(claim, **known)
        self._end("fit", claim, "run" in known)

    def release(self):
        pass

    def _end(self, at, claim, is_there):
        if self.dies == at and is_there and claim.number >= TRIALS // 2:
            raise Died


class Runs:
    """Stands in for MLflow."""

    def __init__(self):
        self.finished, self.failed, self.begun, self.stopped = [], {}, [], []

    def begin(self, claim, settings):
        self.begun.append((claim.number, claim.run))
        return claim.run or f"run-{claim.number}"

    def finish(self, run, metric, found):
        self.finished.append(run)

    def fail(self, run, reason):
        self.failed[run] = reason

    def interrupt(self, run):
        self.stopped.append(run)


@pytest.fixture
def other(tmp_path):
    """A second database."""
    opened = open_storage(f"sqlite:///{tmp_path / 'other.sqlite'}")
    yield opened
    opened.remove_session()
    opened.engine.dispose()


@pytest.fixture
def identity(task):
    of = task("iris")
    return StudyIdentity.of(of, generate_rows(of, SEED), Space.of(of.schema), 3, SEED)


@pytest.fixture
def fitting(monkeypatch):
    """Sets what a fitter finds; returns the digests of all settings that were fitted."""
    monkeypatch.setattr("training.search.worker.Fitter", InstantFitter)
    monkeypatch.setattr(InstantFitter, "asked", [])

    def find(function=measured):
        monkeypatch.setattr(InstantFitter, "find", staticmethod(function))
        return InstantFitter.asked

    return find


@pytest.fixture
def worker(storage, identity, task, fitting, monkeypatch):
    """Makes a worker of one study, or of the same in another database."""
    fitting()
    monkeypatch.setattr("training.search.worker.PAUSE_SECONDS", 0.01)

    def make(trials=12, runs=None, seconds=None, storage=storage, dies=None):
        claims = (Mortal if dies else Claims)(storage.engine, identity.name)
        claims.dies = dies
        space = Space.of(task("iris").schema)
        optimiser = Optimiser(storage, open_study(storage, identity), space, claims, SEED)
        limits = SearchLimits(trials, seconds, 60.0)
        search = SearchWorker(None, "accuracy", optimiser, claims, runs or Runs(), limits)
        return SimpleNamespace(
            run=lambda workers=1: search.run(workers, lambda _: None),
            claims=claims,
            trials=optimiser.trials,
            rows=lambda: build_leaderboard(optimiser.trials(), space, "accuracy"),
            learns=optimiser.learns,
            digests=lambda: [digest(space.settings(trial.params)) for trial in optimiser.trials()],
        )

    return make


def test_the_count_is_what_was_asked_for_and_the_defaults_come_first(worker, task):
    one = worker(12)
    one.run(2)
    tried = [row.settings for row in sorted(one.rows(), key=lambda row: row.number)]
    assert tuple(tried[:9]) == Space.of(task("iris").schema).defaults
    assert (one.claims.counts(), len(tried)) == ((12, 0), 12)


def test_three_workers_share_the_trials_and_run_none_twice(worker, fitting):
    fitted, workers = fitting(), [worker(24) for _ in range(3)]
    threads = [threading.Thread(target=one.run) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(fitted), len(set(fitted))) == (24, 24)
    assert [row.rank for row in workers[0].rows()] == list(range(1, 25))


@pytest.mark.parametrize("at", ["settle", "fit"])
def test_settings_are_the_same_whoever_works_and_however_fast(worker, fitting, other, monkeypatch, at):
    """One worker alone, and three of three processes each at random speeds, one of which dies."""
    fitting(lambda settings: "It is singular." if settings["algorithm"] == "svm" else measured(settings))
    alone = worker(TRIALS)
    alone.run()
    monkeypatch.setattr(InstantFitter, "delay", staticmethod(lambda: random.uniform(0, 0.3)))
    monkeypatch.setattr(claiming, "STALE_SECONDS", 3.0)
    monkeypatch.setattr("training.search.worker.BEAT_SECONDS", 0.1)
    workers = [worker(TRIALS, storage=other, dies=at if place == 1 else None) for place in range(3)]
    with ThreadPoolExecutor(3) as threads:
        futures = [threads.submit(one.run, 3) for one in workers]
    assert [type(future.exception()) for future in futures] == [type(None), Died, type(None)]
    assert workers[0].claims.counts() == (TRIALS, 0)
    assert workers[0].digests() == alone.digests()


def test_the_defaults_learn_from_none_and_the_rest_from_all_but_the_last_few(worker):
    learns = worker().learns
    assert [learns(number) for number in (0, 8, 9, 9 + LAG, 10 + LAG, 100)] == [0, 0, 9, 9, 10, 100 - LAG]


def test_asked_for_as_many_again_there_is_nothing_to_do(worker, fitting):
    fitted = fitting()
    worker(10).run()
    worker(10).run()
    assert len(fitted) == 10


def test_asked_for_more_it_goes_on(worker, fitting):
    fitted = fitting()
    worker(10).run()
    worker(12).run()
    assert len(set(fitted)) == 12


@pytest.mark.parametrize("at", ["begin", "finish"])
def test_what_a_dead_worker_left_is_taken_up(worker, monkeypatch, at):
    """Wherever it dies, the next one fits the same settings in the same run, and the count is right."""

    def die(*_):
        raise Died

    dead, runs = Runs(), Runs()
    one = worker(11, dead)
    setattr(dead, at, die)
    monkeypatch.setattr(one.claims, "release", lambda: None)
    with pytest.raises(Died):
        one.run()
    monkeypatch.setattr(claiming, "STALE_SECONDS", 0.0)
    two = worker(11, runs)
    two.run()
    assert two.claims.counts() == (11, 0)
    assert sorted(row.number for row in two.rows()) == list(range(11))
    assert (0, None if at == "begin" else "run-0") in runs.begun


def test_a_trial_that_was_told_and_not_closed_is_not_fitted_again(worker, fitting, monkeypatch):
    fitted, one = fitting(), worker(9)

    def die(_):
        raise Died

    monkeypatch.setattr(one.claims, "finish", die)
    monkeypatch.setattr(one.claims, "release", lambda: None)
    with pytest.raises(Died):
        one.run()
    monkeypatch.setattr(claiming, "STALE_SECONDS", 0.0)
    worker(9).run()
    assert len(fitted) == 9


def test_a_failure_is_kept_with_its_reason_and_stops_nothing(worker, fitting):
    runs = Runs()
    fitting(lambda settings: "It is singular." if settings["algorithm"] == "svm" else measured(settings))
    one = worker(10, runs)
    one.run()
    assert "It is singular." in runs.failed.values()
    failed = [row for row in one.rows() if row.interval is None]
    assert {row.algorithm for row in failed} == {"svm"}
    assert len(one.rows()) == 10


def test_a_monster_is_ended(worker, fitting):
    fitting(lambda settings: None if settings["algorithm"] == "knn" else measured(settings))
    one = worker(9)
    one.run()
    assert {row.algorithm: row.reason for row in one.rows() if row.reason} == {
        "knn": "It took longer than 60 s."
    }


def test_what_does_not_convert_stands_below_what_does(worker, fitting):
    def find(settings):
        found = measured(settings)
        refused = settings["algorithm"] == "svm"
        best = {"accuracy": (1.0, 1.0, 1.0)}
        return TrialMeasurement(best, found.votes, 0.1, None, "No converter.") if refused else found

    fitting(find)
    one = worker(9)
    one.run()
    last = one.rows()[-1]
    assert (last.algorithm, last.rank, last.reason, last.served) == ("svm", 9, "No converter.", False)


def test_a_trial_that_takes_its_workers_with_it_is_given_up(worker, fitting, monkeypatch):
    def die(settings):
        raise Died

    fitting(die)
    monkeypatch.setattr(claiming, "STALE_SECONDS", 0.0)
    for _ in range(MOST_OWNERS):
        one = worker(1)
        monkeypatch.setattr(one.claims, "release", lambda: None)
        with pytest.raises(Died):
            one.run()
    last = worker(1)
    last.run()
    assert [row.reason for row in last.rows()] == ["3 workers ended while they fitted it."]


def test_when_mlflow_is_away_its_trials_are_free_for_others(worker):
    class Away(Runs):
        def finish(self, *_):
            raise ServiceAway("MLflow is away.")

    one = worker(9, away := Away())
    with pytest.raises(ServiceAway):
        one.run()
    assert away.stopped == ["run-0"]
    assert worker(9).claims.claim(9).number == 0


def test_after_its_time_no_trial_is_begun(worker, fitting):
    fitted = fitting()
    worker(None, seconds=0.0).run()
    assert fitted == []


def test_other_rows_make_another_study_that_says_so(storage, identity, task):
    open_study(storage, identity)
    of = task("iris")
    data = generate_rows(of, SEED)
    fewer = type(data)(**(vars(data) | {"rows": data.rows[:-1], "answers": data.answers[:-1]}))
    other = StudyIdentity.of(of, fewer, Space.of(of.schema), 3, SEED)
    assert other.name != identity.name
    assert other_studies(storage, other) == [(identity.name, ["the rows"])]


def test_a_trial_under_way_is_in_the_study_as_running(worker, storage):
    one = worker(1)
    claim = one.claims.claim(1)
    search = worker(1)
    assert (claim.number, search.trials()) == (0, [])


def test_a_finished_study_holds_nothing_else(worker):
    one = worker(10)
    one.run(2)
    assert {trial.state for trial in one.trials()} == {TrialState.COMPLETE}
