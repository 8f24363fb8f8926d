"""A program that serves no metrics runs as it would alone, and a child serves those of its processes."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from concord.observability.exporter import family
from tests.ports import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")

CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"

STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: print("no", flush=True))
print(1, flush=True)
while True:
    time.sleep(0.1)
"""


def command(port, *program):
    return [sys.executable, "-m", "concord.observability.exporter", f"127.0.0.1:{port}", *program]


@pytest.fixture
def started():
    """Starts one, with an end of its own that waits for its input's."""
    running = []

    def make(*program, port=None):
        process = subprocess.Popen(
            command(port or free_port(), *program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield make
    for process in running:
        process.kill()
        process.communicate()


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def ended(pids):
    until = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_all_processes_of_the_command_are_told_as_one(started):
    port = free_port()
    process = started(sys.executable, "-c", CHILD, port=port)
    assert process.stdout.readline() == "1\n"
    ours = family(process.pid)
    # The command, what it started, and the exporter.
    assert len(ours) == 3
    values = metrics(port)
    files = sum(psutil.Process(pid).num_fds() for pid in ours)
    assert values["process_open_fds"] == pytest.approx(files, abs=3)
    assert values["process_resident_memory_bytes"] > max(
        psutil.Process(pid).memory_info().rss for pid in ours
    )
    assert values["process_cpu_seconds_total"] > 0


@pytest.mark.slow
def test_the_command_has_this_process_its_input_its_signals_and_its_status(started):
    say = "import os, sys; print(os.getpid(), flush=True); sys.exit(int(input()))"
    process = started(sys.executable, "-c", say)
    assert int(process.stdout.readline()) == process.pid
    ours = family(process.pid)
    process.communicate("7\n", timeout=20)
    assert process.returncode == 7
    ended(ours)

    process = started(sys.executable, "-c", CHILD)
    process.stdout.readline()
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM


@pytest.mark.slow
def test_the_exporter_outlives_a_terminals_ctrl_c_as_long_as_the_command_does(started):
    port = free_port()
    process = started(sys.executable, "-c", STUBBORN, port=port)
    process.stdout.readline()
    ours = family(process.pid)
    for pid in ours:
        os.kill(pid, signal.SIGINT)
    assert process.stdout.readline() == "no\n"
    assert metrics(port)["process_open_fds"] > 0
    process.kill()
    process.wait()
    ended(ours)


def refusal(*words):
    done = subprocess.run(
        [sys.executable, "-m", "concord.observability.exporter", *words],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    "words", [(), ("9464",), ("127.0.0.1:9464",), ("127.0.0.1:http", "true"), ("127.0.0.1:70000", "true")]
)
def test_without_an_address_or_a_command_it_says_what_it_takes(words):
    assert refusal(*words) == (
        2,
        "usage: python -m concord.observability.exporter HOST:PORT COMMAND [ARGUMENT …]",
    )


def test_a_port_that_is_taken_keeps_the_command_from_starting(started):
    port = free_port()
    started(sys.executable, "-c", CHILD, port=port).stdout.readline()
    status, message = refusal(f"127.0.0.1:{port}", "echo", "started")
    assert status == 2
    assert re.search(f"127.0.0.1:{port} echo started: .*Address already in use", message)


def test_a_program_that_is_not_there_is_named_and_leaves_nothing():
    port = free_port()
    status, message = refusal(f"127.0.0.1:{port}", "no-such-program")
    assert status == 2
    assert re.search("no-such-program: .*No such file", message)
    until = time.monotonic() + 20
    with pytest.raises(OSError, match="refused"):  # noqa: PT012
        while time.monotonic() < until:
            metrics(port)
            time.sleep(0.1)


def test_a_process_that_ended_has_no_family():
    process = subprocess.Popen(["true"])
    process.wait()
    assert family(process.pid) == []
