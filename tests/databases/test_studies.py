"""The study's database on real servers of Debian's packages: what several pods rely on."""

import threading
import time

import pytest
from optuna.trial import TrialState

from training.data.dataset import generate_rows
from training.search.agreement import Agreement
from training.search.claims import Claims
from training.search.identity import StudyIdentity
from training.search.optimiser import NUMBER, Optimiser, open_study
from training.search.settings import digest
from training.search.space import Space
from training.search.storage import open_storage
from training.search.worker import heartbeat
from training.task import SEED
from training.tasks import select

pytestmark = pytest.mark.slow

WORKERS, TRIALS = 4, 20


@pytest.fixture
def url(server):
    return server.empty("rows_study")


def together(work):
    """Runs the same in several threads that begin at once; raises what one of them raised."""
    start, failures = threading.Barrier(WORKERS), []

    def run():
        try:
            start.wait()
            work()
        except Exception as error:  # noqa: BLE001  it is raised below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_workers_that_start_at_once_make_the_tables_and_share_all_trials(url):
    task = select(["iris"])[0]
    space = Space.of(task.schema)
    identity = StudyIdentity.of(task, generate_rows(task, SEED), space, 5, SEED)
    fitted, parents = [], []

    def work():
        storage = open_storage(url)
        claims = Claims(storage.engine, identity.name)
        optimiser = Optimiser(storage, open_study(storage, identity), space, claims, SEED)
        mine = Agreement(storage.engine, identity.name, "parent").offer(claims.owner)
        parents.append(mine)
        with heartbeat(claims):
            while claims.counts()[0] < TRIALS:
                claim = claims.claim(TRIALS, optimiser.learns)
                if claim is None:
                    time.sleep(0.05)
                    continue
                trial, settings = optimiser.settings(claim)
                fitted.append((claim.number, digest(settings)))
                optimiser.store_result(trial, claim.number / TRIALS, {"scores": [0.5, 0.6], "reason": None})
                claims.finish(claim)
        storage.engine.dispose()

    together(work)
    storage = open_storage(url)
    trials = Optimiser(storage, open_study(storage, identity), space, None, SEED).trials()
    storage.engine.dispose()
    assert sorted(number for number, _ in fitted) == list(range(TRIALS))
    assert len({settings for _, settings in fitted}) == TRIALS
    assert len(set(parents)) == 1
    assert [trial.user_attrs[NUMBER] for trial in trials] == list(range(TRIALS))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
