"""Three workers on one study of the original project's films, one of them killed and started again."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
TRIALS = 90

pytestmark = pytest.mark.slow


@pytest.fixture
def begin(tmp_path, shared_data):
    """Starts a worker as a person does."""
    command = [sys.executable, "-m", "training", "benchmark", "film_rating"]
    options = [f"--data={shared_data('film_balanced_570.csv')}", f"--trials={TRIALS}", "--json"]
    environment = {name: text for name, text in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    begun = []

    def start(*more):
        process = subprocess.Popen(
            [*command, *options, *more],
            cwd=ROOT,
            env=environment | {"CONCORD_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def rows_of(path, question):
    with closing(sqlite3.connect(path, timeout=60)) as database:
        return database.execute(question).fetchall()


def wait_for(home, finished, *workers):
    while True:
        assert all(worker.poll() is None for worker in workers)
        file = home / "study.sqlite"
        try:
            if (
                file.exists()
                and rows_of(file, "SELECT sum(finished) FROM concord_benchmark_claims")[0][0] >= finished
            ):
                return
        except (sqlite3.Error, TypeError):
            pass  # no table yet, or no row
        time.sleep(0.5)


def test_three_workers_share_a_study_that_outlives_one_of_them(begin, tmp_path):
    workers = [begin() for _ in range(3)]
    wait_for(tmp_path, 12, *workers)
    workers[0].kill()
    workers[0].wait()
    workers[0] = begin()
    said = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], said
    results = [json.loads(out) for out, _ in said]

    claims = rows_of(
        tmp_path / "study.sqlite", "SELECT number, digest, finished, owner FROM concord_benchmark_claims"
    )
    assert sorted(row[0] for row in claims) == list(range(TRIALS))
    assert len({row[1] for row in claims}) == TRIALS
    assert all(row[2] for row in claims)
    assert len({row[3] for row in claims}) >= 3

    assert "goes on from" in said[0][1]
    assert len({(one["study"], one["parent_run_id"], one["trials"]["finished"]) for one in results}) == 1
    parent = results[0]["parent_run_id"]
    nested = rows_of(
        tmp_path / "mlflow.db",
        f"SELECT count(DISTINCT run_uuid) FROM tags WHERE key = 'mlflow.parentRunId' AND value = '{parent}'",
    )
    assert nested == [(TRIALS,)]
    leader = results[0]["leaderboard"][0]
    assert leader["mean"] >= 0.76, leader
