"""Large requests, many pages and nodes that hang delay no other caller for long.

The machine is shared: what a caller waits beside them is compared with what it waited just before.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from tests.service.crowd import NAMES
from tests.service.stack import AMOUNT, IRIS, wait_until

pytestmark = pytest.mark.slow

MOST = 5
"""How many times as long as in a quiet service the slowest of a hundred requests may take."""

TRIES = 3
"""Pairs of a quiet and a busy measurement, of which one has to do: others take the machine's time as well."""

ASKED = 300
"""Requests of the caller who is watched."""

SERVER = (
    *("uvicorn", "--factory", "concord.api.app:create", "--no-access-log", "--loop", "uvloop"),
    *("--http", "concord.http.connection:LimitedProtocol"),
)


@dataclass
class Service:
    """A consensus service in a process of its own, over nodes in another."""

    url: str
    folder: Path
    http: httpx.Client

    def p99(self):
        """Seconds within which 99 of 100 single rows of the other task are answered."""
        times = []
        for _ in range(ASKED):
            began = time.perf_counter()
            answer = self.http.post("/v1/tasks/loan_amount/predict", json={"rows": [AMOUNT.example]})
            times.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text
            time.sleep(0.005)
        return sorted(times)[len(times) * 99 // 100 - 1]

    def has_answered(self):
        """Whether each task's nodes have their accounts and answer."""
        asked = (("iris", IRIS), ("loan_amount", AMOUNT))
        return all(
            self.http.post(f"/v1/tasks/{task}/predict", json={"rows": [schema.example]}).status_code == 200
            for task, schema in asked
        )

    def nodes_down(self):
        views = [view for task in ("iris", "loan_amount") for view in self.nodes(task)]
        return [view["node"] for view in views if view["status"] != "up"]

    def nodes(self, task):
        return self.http.get(f"/v1/nodes?task={task}").json()["nodes"]


@contextlib.contextmanager
def process(*arguments, **options):
    with subprocess.Popen([sys.executable, "-m", *arguments], **options) as started:
        try:
            yield started
        finally:
            started.kill()


@contextlib.contextmanager
def crowd(service, count, path, body=None):
    """Callers who send one request again and again."""
    file = service.folder / "body"
    file.write_bytes(json.dumps(body).encode() if body else b"")
    name = str(file) if body else ""
    with process("tests.service.crowd", "callers", service.url, str(count), path, name):
        time.sleep(2)
        yield


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heavy")
    ports = [free_port() for _ in range(2 * len(NAMES))]
    tasks = {"iris": ports[: len(NAMES)], "loan_amount": ports[len(NAMES) :]}
    sections = [
        f"[tasks.{task}.nodes]\n"
        + "".join(f'{name} = "http://127.0.0.1:{port}"\n' for name, port in zip(NAMES, those, strict=True))
        for task, those in tasks.items()
    ]
    (folder / "nodes.toml").write_text("\n".join(sections), "utf-8")
    port = free_port()
    here = os.environ | {"PYTHONPATH": str(Path.cwd()), "CONCORD_HOME": str(folder)}
    here["CONCORD_LOG_LEVEL"] = "ERROR"
    with (
        process("tests.service.crowd", "nodes", *map(str, ports), env=here, cwd=folder),
        process(*SERVER, f"--port={port}", env=here),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http,
    ):
        running = Service(f"http://127.0.0.1:{port}", folder, http)
        wait_until(lambda: is_ready(running))
        running.p99()
        yield running


def is_ready(service):
    with contextlib.suppress(httpx.HTTPError):
        return service.has_answered() and not service.nodes_down()
    return False


def assert_not_delayed(service, *busy_with):
    """Another caller waits less than `MOST` times as long beside such a crowd as just before it."""
    pairs = []
    while len(pairs) < TRIES and not any(busy < MOST * quiet for quiet, busy in pairs):
        quiet = service.p99()
        with crowd(service, *busy_with):
            pairs.append((quiet, service.p99()))
    told = [f"{busy * 1000:.1f} ms, and {quiet * 1000:.1f} ms when it is quiet" for quiet, busy in pairs]
    assert min(busy / quiet for quiet, busy in pairs) < MOST, told


def test_thirty_callers_with_a_thousand_rows_each_delay_no_row_of_another_task(service):
    assert_not_delayed(service, 30, "/v1/tasks/iris/predict", {"rows": [IRIS.example] * 1000})


def test_a_crowd_takes_no_node_down(service):
    with crowd(service, 30, "/v1/tasks/iris/predict", {"rows": [IRIS.example] * 1000}):
        time.sleep(3)
        assert service.nodes_down() == []


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v1/rounds?limit=500"])
def test_a_flood_of_pages_delays_no_row(service, path):
    assert_not_delayed(service, 30, path)


def test_a_task_whose_nodes_hang_delays_no_other(service):
    hang = service.folder / "hang"
    hang.touch()
    try:
        assert_not_delayed(service, 60, "/v1/tasks/iris/predict", {"rows": [IRIS.example] * 1000})
    finally:
        hang.unlink()
