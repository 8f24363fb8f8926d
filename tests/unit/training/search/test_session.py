"""From rows to registered nodes, with MLflow and without a second process."""

import json
import multiprocessing
import shutil
from contextlib import ExitStack, closing

import mlflow
import numpy as np
import pytest

from concord.errors import InvalidInput
from training.data.dataset import generate_rows
from training.data.split import LabelledRows
from training.registry.registry import Registry
from training.search.cross_validation import measure
from training.search.pipelines import build
from training.search.session import Session, _check_folds
from training.search.worker import SearchLimits
from training.task import SEED
from training.tasks import select

TRIALS = 5


class HereFitter:
    """Fits in the worker's own process."""

    def __init__(self, work):
        self._work, self.seconds = work, 0.0
        self.connection, self._other = multiprocessing.Pipe()

    def ask(self, settings):
        work = self._work
        self._found = measure(select([work.task])[0], settings, work.part, work.folds, work.seed)
        self._other.send("ready")

    def answer(self):
        self.connection.recv()
        return self._found

    def end(self):
        self.connection.close()


@pytest.fixture(scope="module")
def session(iris_home, tmp_path_factory):
    """A study of Iris with five trials, of which two winners are registered."""
    home = tmp_path_factory.mktemp("benchmark")
    shutil.copy(iris_home / "mlflow.db", home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr("training.search.worker.Fitter", HereFitter)
        with closing(open_session(home)) as made:
            made.search(SearchLimits(TRIALS, None, 60.0), 1, lambda _: None)
            made.publish(made.rows())
            made.done = made.register_winners(made.rows(), 2)
            yield made


def open_session(home, folds=3):
    task = select(["iris"])[0]
    return Session(home, f"sqlite:///{home / 'study.sqlite'}", task, generate_rows(task, SEED), folds, SEED)


@pytest.fixture
def join(session):
    """Opens the same study, as another worker does; closed at the end of the test."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(closing(open_session(session._home, **options)))


def trial_runs(session):
    asked = f"tags.`mlflow.parentRunId` = '{session.runs.parent}'"
    return session.registry.client.search_runs([session.runs._experiment], asked)


@pytest.mark.slow
def test_each_trial_is_a_run_below_the_studys(session):
    runs = trial_runs(session)
    assert len(runs) == TRIALS
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_run_says_what_was_tried_and_found(session):
    run = next(run for run in trial_runs(session) if run.data.params["algorithm"] == "knn")
    assert run.data.params["n_neighbors"] == "15"
    assert {"accuracy", "accuracy_std", "accuracy_fold", "low", "high", "seconds", "onnx_bytes"} <= set(
        run.data.metrics
    )
    folds = session.registry.client.get_metric_history(run.info.run_id, "accuracy_fold")
    assert sorted(fold.step for fold in folds) == [1, 2, 3]
    assert run.data.tags["concord.onnx"] == "yes"


def test_the_parent_run_has_the_leaderboard_and_its_pictures(session):
    client, parent = session.registry.client, session.runs.parent
    table = mlflow.artifacts.load_text(f"runs:/{parent}/leaderboard.csv").splitlines()
    assert (table[0].split(",")[0], len(table)) == ("rank", TRIALS + 1)
    pictures = {found.path for found in client.list_artifacts(parent, "plots")}
    assert pictures == {"plots/intervals.png", "plots/trials.png"}


def test_who_joins_later_finds_the_same_parent_and_trials(session, join):
    other = join()
    assert (other.identity.name, other.counts) == (session.identity.name, (TRIALS, 0))
    assert other.runs.parent == session.runs.parent


def test_a_parent_that_was_deleted_is_made_again(session, join):
    before = session.runs.parent
    session.registry.client.delete_run(before)
    made = join().runs.parent
    assert made != before
    assert join().runs.parent == made
    session.registry.client.restore_run(before)


def test_other_folds_are_another_study(session, join):
    other = join(folds=4)
    assert other.identity.name != session.identity.name
    assert other.others[0][1] == ["the number of folds"]


def test_winners_are_champions_that_are_packaged_like_any_other(session):
    found = Registry(session._home).champions()
    assert [found[one.info.model].version for one in session.done] == [
        one.info.version for one in session.done
    ]
    assert session.done[0].winner.row.rank == 1


def test_a_winners_version_carries_what_it_takes_to_build_it_again(session):
    one = session.done[0]
    tags = session.registry.client.get_model_version(one.info.model, one.info.version).tags
    recipe = json.loads(tags["concord.recipe"])
    assert recipe == {**one.winner.row.settings, "seed": SEED}
    assert str(build(session.task, recipe, SEED)) == str(build(session.task, one.winner.row.settings, SEED))


def test_winners_of_the_same_trials_are_registered_once(session, join):
    assert join().register_winners(session.rows(), 2) is None


def test_too_many_folds_are_refused(join):
    with pytest.raises(InvalidInput, match="it can be from 2 to 20"):
        join(folds=41)


@pytest.mark.slow
def test_a_fitter_is_ended_and_started_again(session):
    from training.search.fit_process import Fitter

    fitter = Fitter(session._work)
    settings = session.rows()[0].settings
    try:
        assert fitter.answer() is None
        fitter.ask(settings)
        assert "accuracy" in fitter.answer().metrics
        fitter._process.kill()
        assert "ended by signal 9" in fitter.answer()
        assert fitter.answer() is None
        fitter.ask({"algorithm": "oracle", "columns": "raw"})
        assert "'oracle' is no algorithm" in fitter.answer()
        fitter._process.kill()
        fitter._process.join()
        fitter.ask({"algorithm": "oracle", "columns": "raw"})
        assert fitter.answer() is None
        assert "'oracle' is no algorithm" in fitter.answer()
    finally:
        fitter.end()
    assert not fitter._process.is_alive()


def test_folds_are_bounded_by_the_different_rows():
    rows = np.repeat(np.eye(4, dtype=np.float32), 30, axis=0)
    part, (iris,) = LabelledRows(rows, np.tile([0, 1, 2], 40)), select(["iris"])
    _check_folds(iris, part, 4, SEED)
    with pytest.raises(InvalidInput, match="from 2 to 4"):
        _check_folds(iris, part, 5, SEED)


def test_folds_without_a_row_of_a_class_are_refused():
    """Its forty rows are copies of five, which are in five folds at most."""
    different = np.arange(100, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    rows = np.concatenate([different, np.repeat(different[:5] + 0.5, 8, axis=0)])
    part, (iris,) = LabelledRows(rows, np.array([0] * 50 + [1] * 50 + [2] * 40)), select(["iris"])
    _check_folds(iris, part, 5, SEED)
    with pytest.raises(InvalidInput, match="a class would be missing"):
        _check_folds(iris, part, 10, SEED)
