"""CPU, memory and open files are measured of every service, however many processes it has."""

import os
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from concord.observability import exposition
from concord.observability.process_metrics import ServiceProcesses, serving

NAMES = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")

TELL = "from concord.observability import exposition; print(exposition.render('node')[0].decode())"


def process_values(text):
    """Name → value, of the metrics of processes."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("process_")
    }


def of(*pids):
    return {
        sample.name: sample.value
        for family in ServiceProcesses(lambda: pids).collect()
        for sample in family.samples
    }


def fork():
    """A process that has begun, and waits for its end."""
    command = [sys.executable, "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


@pytest.fixture
def other():
    with fork() as process:
        yield process
        process.stdin.close()


def test_a_service_of_one_process_tells_of_itself():
    assert process_values(exposition.render("consensus")[0].decode()).keys() >= NAMES


def test_a_worker_measures_itself_and_its_supervisor(tmp_path):
    """As `bentoml serve` starts it: a process above it, and a folder that workers share."""
    done = subprocess.run(
        [sys.executable, "-c", TELL],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    values = process_values(done.stdout)
    assert values.keys() >= NAMES
    assert values["process_resident_memory_bytes"] > of(os.getpid())["process_resident_memory_bytes"]


def test_processes_are_added_up(other):
    both, ours, others = of(os.getpid(), other.pid), of(os.getpid()), of(other.pid)
    assert both["process_open_fds"] == ours["process_open_fds"] + others["process_open_fds"]
    assert both["process_resident_memory_bytes"] > others["process_resident_memory_bytes"]
    assert both["process_start_time_seconds"] == ours["process_start_time_seconds"]
    assert both["process_max_fds"] == min(ours["process_max_fds"], others["process_max_fds"])


def test_the_workers_are_those_that_have_a_file_and_run(tmp_path, other):
    gone = fork()
    gone.communicate()
    for pid in (other.pid, gone.pid):
        for kind in ("counter", "gauge_livesum", "histogram"):
            (tmp_path / f"{kind}_{pid}.db").touch()
    (tmp_path / "notes.txt").touch()
    assert serving(tmp_path) == sorted([os.getppid(), other.pid])


def test_a_process_of_another_user_is_none_of_the_service(tmp_path, monkeypatch, other):
    (tmp_path / f"counter_{other.pid}.db").touch()
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert serving(tmp_path) == []


def test_a_process_that_ended_meanwhile_is_told_as_nothing():
    gone = fork()
    gone.communicate()
    assert of(gone.pid) == {}
