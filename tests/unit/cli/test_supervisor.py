"""Processes are started again with a growing wait, and ended group by group."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from concord.cli.up.processes import ForkServerProcess, Program, last_lines
from concord.cli.up.supervisor import LONGEST_WAIT, READY_SECONDS, Supervisor
from tests.ports import free_port

SLEEPER = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]


class Fake:
    """A process that ends on a signal, or ignores SIGTERM."""

    def __init__(self, log, name, *, stubborn=False):
        self.pid, self.code, self._log, self._name, self._stubborn = 1, None, log, name, stubborn
        self.is_ready = False

    def poll(self):
        return self.code

    def end(self, how):
        self._log.append((self._name, how.name))
        if how == signal.SIGKILL or not self._stubborn:
            self.code = -int(how)


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wait_for():
    """Waits until something holds."""

    def wait(condition, seconds=60):
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.02)

    return wait


def test_a_process_that_ends_is_started_again_after_a_growing_wait(clock, tmp_path):
    ended, started = [], []
    supervisor = Supervisor(ended.append, started.append, clock, clock.sleep)
    handles = []

    def start():
        handles.append(Fake([], "node"))
        return handles[-1]

    supervisor.keep("node", 0, start, tmp_path / "node.log")
    for _ in range(7):
        handles[-1].code = 3
        supervisor.check()
        clock.sleep(LONGEST_WAIT)
        supervisor.check()
    assert [event.wait for event in ended] == [2, 4, 8, 16, 30, 30, 30]
    assert (ended[0].how, started[0]) == ("ended with exit code 3", "node")


def test_a_long_life_resets_the_wait(clock, tmp_path):
    ended = []
    supervisor = Supervisor(ended.append, clock=clock, sleep=clock.sleep)
    supervisor.keep("node", 0, lambda: Fake([], "node"), tmp_path / "log")
    for life in (1, 1, 3600):
        clock.sleep(life)
        supervisor.processes[0].handle.code = -9
        supervisor.check()
        clock.sleep(LONGEST_WAIT)
        supervisor.check()
    assert [event.times for event in ended] == [1, 2, 1]
    assert ended[0].how == "was ended by SIGKILL"


def test_all_are_ended_from_the_highest_group_down_and_stragglers_killed(clock, tmp_path):
    log = []
    supervisor = Supervisor(lambda _: None, clock=clock, sleep=clock.sleep)
    supervisor.keep("node", 0, lambda: Fake(log, "node"), tmp_path / "log")
    supervisor.keep("page", 2, lambda: Fake(log, "page", stubborn=True), tmp_path / "log")
    assert supervisor.stop() == ["page"]
    assert log == [("page", "SIGTERM"), ("page", "SIGKILL"), ("node", "SIGTERM"), ("node", "SIGKILL")]


def test_the_last_lines_of_a_log_are_events_without_requests(tmp_path):
    lines = [
        {"logger": "concord.access", "event": "request"},
        {"logger": "concord", "event": "start failed", "reason": "no model"},
    ]
    (tmp_path / "log").write_text("plain\n" + "\n".join(json.dumps(line) for line in lines))
    assert last_lines(tmp_path / "log") == ["plain", "start failed no model"]
    assert last_lines(tmp_path / "none") == []


def test_a_program_leads_a_session_of_its_own_and_ends_with_what_it_started(tmp_path, wait_for):
    program = Program(SLEEPER, tmp_path / "log", os.environ)
    wait_for(lambda: "here" in (tmp_path / "log").read_text())
    assert os.getsid(program.pid) == program.pid
    program.end(signal.SIGTERM)
    wait_for(lambda: program.poll() is not None)


def test_a_program_ends_when_its_parent_is_killed(tmp_path, wait_for):
    script = (
        "import os, sys, time, pathlib; from concord.cli.up.processes import Program\n"
        f"program = Program({SLEEPER!r}, pathlib.Path(sys.argv[1]), os.environ)\n"
        "print(program.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "log"], stdout=subprocess.PIPE, text=True
    )
    with parent:
        child = int(parent.stdout.readline())
        wait_for(lambda: "here" in (tmp_path / "log").read_text())
        parent.kill()
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.slow
def test_a_fork_server_that_cannot_start_ends_its_nodes(tmp_path, wait_for):
    fork_server = ForkServerProcess(
        "no-such-module:Service", tmp_path / "nodes.log", {**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    node = fork_server.start("iris.knn", "127.0.0.1", 1, tmp_path / "node.log")
    wait_for(lambda: node.poll() is not None)
    assert node.pid is None
    assert "bentos" in (tmp_path / "nodes.log").read_text()


@pytest.fixture
def replacing(clock, tmp_path):
    """A supervisor of one process, whose handles and replacements are recorded."""
    supervisor = Supervisor(lambda _: None, clock=clock, sleep=clock.sleep)
    supervisor.handles, supervisor.replaced, supervisor.log = [], [], []

    def start():
        supervisor.handles.append(Fake(supervisor.log, f"node{len(supervisor.handles)}"))
        return supervisor.handles[-1]

    supervisor.on_replaced = lambda event: supervisor.replaced.append((event.name, event.is_done))
    supervisor.keep("node", 0, start, tmp_path / "log")
    return supervisor


def test_a_process_is_ended_only_once_its_replacement_is_ready(replacing):
    replacing.replace("node")
    replacing.check()
    assert replacing.log == []
    replacing.handles[1].is_ready = True
    replacing.check()
    assert (replacing.log, replacing.replaced) == ([("node0", "SIGTERM")], [("node", True)])
    replacing.check()
    assert len(replacing.handles) == 2


def test_a_replacement_that_ends_or_hangs_leaves_the_old_process_running(replacing, clock):
    replacing.replace("node")
    replacing.handles[1].code = 1
    replacing.check()
    replacing.replace("node")
    clock.sleep(READY_SECONDS + 1)
    replacing.check()
    assert replacing.handles[0].code is None
    assert replacing.handles[2].code == -signal.SIGKILL
    assert replacing.replaced == [("node", False)] * 2


def test_a_process_that_dies_beside_its_replacement_is_not_started_a_third_time(replacing, clock):
    replacing.replace("node")
    replacing.handles[0].code = 1
    replacing.check()
    clock.sleep(LONGEST_WAIT)
    replacing.check()
    replacing.handles[1].is_ready = True
    replacing.check()
    assert len(replacing.handles) == 2
    assert replacing.replaced == [("node", True)]


NODE_SERVICE = """
import os, pathlib
class Service:
    def to_asgi(self):
        return application
    @property
    def mount_apps(self):
        return [(application,)]
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind.endswith("shutdown"):
                return
    body = (os.environ.get("CONCORD_MODELS", "") + f" {os.getpid()}").encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture
def fork_server(tmp_path):
    """The project's own `bentos.serve`, with a service that answers with its folder and process."""
    (tmp_path / "bentoml.py").write_text(f"{NODE_SERVICE}\ndef load(target):\n    return Service()\n")
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    server = ForkServerProcess("any", tmp_path / "nodes.log", {**os.environ, "PYTHONPATH": path})
    yield server
    server.end()


def test_forks_of_one_port_share_its_socket_and_the_last_one_closes_it(fork_server, tmp_path, wait_for):
    port = free_port()
    node = ("iris.knn", "127.0.0.1", port, tmp_path / "node.log")

    def is_ready(process):
        process.poll()
        return process.is_ready

    def ask():
        return httpx.get(f"http://127.0.0.1:{port}/").text.split()

    old = fork_server.start(*node, tmp_path / "old")
    wait_for(lambda: is_ready(old))
    new = fork_server.start(*node, tmp_path / "new")
    wait_for(lambda: is_ready(new))
    old.end(signal.SIGTERM)
    answers = []
    wait_for(lambda: answers.append(ask()) or old.poll() is not None)
    assert ask() == [str(tmp_path / "new"), str(new.pid)]
    assert {len(answer) for answer in answers} == {2}
    new.end(signal.SIGKILL)
    wait_for(lambda: new.poll() is not None)
    with pytest.raises(httpx.ConnectError):
        ask()
