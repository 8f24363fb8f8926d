"""The serving benchmark with very short slices: every stack answers, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from benchmarks.serving.report import BEGIN
from benchmarks.serving.stacks import CONCORD, STACKS
from tests.homes import IRIS, ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(copy_trained_home, tmp_path_factory):
    """A home with the models that the benchmark serves, and in it one for another checkout."""
    folder = tmp_path_factory.mktemp("models") / "home"
    copy_trained_home(IRIS, folder)
    copy_trained_home(IRIS, folder / "other")
    return folder


@pytest.fixture
def temporary(tmp_path):
    """Where the benchmark makes its temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def begin(home, temporary):
    """Starts the benchmark; kills it at the test's end if it still runs."""
    started = []

    def begin(*options):
        command = [sys.executable, "-m", "benchmarks.serving", f"--home={home}", "--no-check", *options]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def processes_of(folder):
    """Processes whose home is below a folder."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CONCORD_HOME", "").startswith(str(folder)):
                processes.append(process)
        except psutil.Error:
            continue
    return processes


def test_every_stack_answers_and_the_result_is_whole(begin, temporary, tmp_path):
    settings = ["--seconds=0.3", "--repeat=2", "--callers=2", "--rows=1,3", f"--against={ROOT}"]
    outputs = [f"--json={tmp_path}/result.json", f"--markdown={tmp_path}/result.md"]

    assert begin(*settings, *outputs).wait(300) == 0

    result = json.loads((tmp_path / "result.json").read_text())
    answered = {(entry["stack"], entry["rows"]) for entry in result["results"] if entry["requests"]}
    assert answered == {(stack, rows) for stack in STACKS for rows in (1, 3)}
    for entry in result["results"]:
        assert entry["rate"] > 0
        assert 0 < entry["p50_ms"] <= entry["p99_ms"]
        assert entry["front_cpu_ms"] >= 0
        assert (entry["concord_over"] is None) == (entry["stack"] == CONCORD)
    measured = {usage["stack"] for usage in result["memory"] if min(usage["front"], usage["nodes"]) > 0}
    assert measured == set(STACKS)
    assert (tmp_path / "result.md").read_text().startswith(BEGIN)
    assert not list(temporary.glob("concord-benchmark-*"))
    assert not processes_of(temporary)


def test_ctrl_c_leaves_nothing(begin, temporary):
    benchmark = begin("--seconds=60")
    end = time.monotonic() + 120
    while len(processes_of(temporary)) < 5:
        assert benchmark.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)

    benchmark.send_signal(signal.SIGINT)

    assert benchmark.wait(60) == 130
    assert not list(temporary.glob("concord-benchmark-*"))
    assert not processes_of(temporary)
