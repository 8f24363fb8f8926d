"""Up to a million rows into MariaDB with progress, killed midway and started again: each exactly once."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.sizes import sized
from tests.unit.training.data.database.conformance import LOAN, lines_of, task
from training.data.database.loader import BATCH
from training.data.sources import read_rows

ROOT = Path(__file__).parents[2]
ROWS = int(os.environ.get("CONCORD_TEST_ROWS", sized(200_000, 1_000_000)))

# PyMySQL's sockets close when they are collected.
pytestmark = [pytest.mark.slow, pytest.mark.guard]


def write(path):
    """Borrowers without a name of their own, one in a hundred of them twice."""
    random = np.random.default_rng(1)
    columns = [
        random.integers(0, 6, ROWS).tolist(),
        random.normal(4000, 900, ROWS).clip(50).round(2).tolist(),
        random.normal(8000, 2000, ROWS).clip(30).round(2).tolist(),
        random.normal(70_000, 20_000, ROWS).clip(1000).round(2).tolist(),
        random.integers(0, 11, ROWS).tolist(),
        random.integers(300, 851, ROWS).tolist(),
        random.integers(0, 2, ROWS).tolist(),
    ]
    with path.open("w") as file:
        file.write(LOAN.partition(",")[2] + "\n")
        last = ""
        for number, row in enumerate(zip(*columns, strict=True)):
            last = last if number % 100 == 99 else ",".join(map(str, row))
            file.write(f"{last}\n")


def test_many_rows_are_there_once_though_their_loader_was_killed(mariadb, tmp_path, capsys):
    url, path = mariadb.empty(), tmp_path / "loans.csv"
    write(path)
    command = [sys.executable, "-m", "training", "data", "load", "loan_default", str(path), "--to", url]
    options = {"cwd": ROOT, "env": os.environ | {"CONCORD_HOME": str(tmp_path)}, "text": True}
    killed = subprocess.Popen(command, stderr=subprocess.PIPE, **options)
    # Each line says how far it is, how fast, and how long it will take.
    for line in killed.stderr:
        said = re.fullmatch(r"Loading loans\.csv: (\d+)%, [\d,]+ rows, [\d,]+/s, \d+ s left\n", line)
        if said and int(said[1]) >= 30:
            break
    killed.send_signal(signal.SIGKILL)
    killed.stderr.close()
    killed.wait()
    there = len(lines_of(url, "loan_default", "row_id"))
    assert 0 < there < ROWS
    assert there % BATCH == 0
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=True, **options)
    seconds = time.monotonic() - began
    assert f"{ROWS:,} rows read: {ROWS - there:,} loaded, {there:,} known already" in done.stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = after.ru_maxrss / 1024
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with capsys.disabled():
        sys.stdout.write(
            f"\nkilled at {there:,} rows; all of it again in {seconds:.0f} s, {ROWS / seconds:,.0f} rows/s "
            f"({ROWS / work:,.0f} a second of the loader's CPU), at most {peak:.0f} MiB\n"
        )
    assert len(lines_of(url, "loan_default", "row_id")) == ROWS
    assert read_rows(task("loan_default"), url).digest == read_rows(task("loan_default"), str(path)).digest
