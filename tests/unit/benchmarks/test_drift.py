"""The program that measures drift detection runs as the documentation prints it, at a million rows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow


def test_a_million_rows_go_through_at_a_rate_that_is_printed_and_in_no_more_memory_than_few(capsys):
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.drift"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    with capsys.disabled():
        sys.stdout.write(f"\n{run.stdout}")
    rate = re.search(r"(?m)^arrays +([\d,]+) rows/s  \(1,000,000 rows of 6 columns, steady\)$", run.stdout)
    # A machine may be ten times as busy as ours; a rule that looks at all rows again is slower than that.
    assert int(rate[1].replace(",", "")) > 30_000
    memory = re.search(r"(?m)^memory +([\d.]+) MB at 200,000 rows, ([\d.]+) MB at 20,000$", run.stdout)
    many, few = map(float, memory.groups())
    assert many <= few * 1.1 < 10
