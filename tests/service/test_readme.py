"""What the README prints for one node by itself is run as it is printed."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.homes import IRIS, environment
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.guard]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
START_SECONDS = 90
END_SECONDS = 20


@pytest.fixture(scope="module")
def iris_environment(copy_trained_home, tmp_path_factory):
    """A home and a BentoML store of their own, with the Iris models packaged."""
    return environment(copy_trained_home(IRIS, tmp_path_factory.mktemp("home")))


@pytest.fixture
def serve(iris_environment, tmp_path):
    """Starts a command of the README's in a process group of its own; returns its address and process."""
    started = []

    def serve(line):
        words = shlex.split(line)
        variables = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
        port = free_port()
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [*words[len(variables) :], "--port", str(port)],
                env=iris_environment | variables,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        return f"http://127.0.0.1:{port}", process

    yield serve
    for process in started:
        kill(process)


def family(process):
    """The process, what descends from it, and what is left of its group."""
    group = [member for member in psutil.process_iter() if group_of(member.pid) == process.pid]
    try:
        return {*group, *psutil.Process(process.pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set(group)


def group_of(pid):
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def kill(process):
    for member in family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait(END_SECONDS)


def posted(url, body, process, log):
    """The first answer of a 200; fails with the log where the command ends or takes too long."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            answer = httpx.post(url, content=body, headers={"content-type": "application/json"}, timeout=5)
            if answer.status_code == 200:
                return answer.json()
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"no answer from {url}:\n{log.read_text()[-3000:]}")


def test_one_node_by_itself_answers_as_the_readme_prints_it_and_leaves_no_process(serve, tmp_path):
    (line,) = re.findall(r"^(CONCORD_NODE=iris\.knn uv run bentoml serve .*)$", README, re.MULTILINE)
    curl = r"curl -s http://127\.0\.0\.1:3000(\S+) -H .*\n  -d '(.*)'$"
    ((path, body),) = re.findall(curl, README, re.MULTILINE)
    url, process = serve(line)
    answer = posted(url + path, body, process, tmp_path / "log")
    assert [vote["label"] for vote in answer["votes"]] == ["virginica"]
    running = family(process)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(END_SECONDS)
    _gone, alive = psutil.wait_procs(running, timeout=END_SECONDS)
    assert not alive
    assert family(process) == set()
