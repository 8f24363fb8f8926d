"""A consensus service killed with -9 under load loses nothing acknowledged and settles nothing twice."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import httpx
import pytest

from concord.client import Client
from tests.ports import free_port
from tests.service.stack import IRIS, iris_nodes, wait_until


@contextlib.contextmanager
def service(home, port):
    """The service as a process of its own; yields it."""
    environment = os.environ | {"CONCORD_HOME": str(home), "CONCORD_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "uvicorn", "--factory", "concord.api.app:create", f"--port={port}"]
    process = subprocess.Popen([*command, "--no-access-log", "--log-level=error"], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def load(url, acknowledged, stop):
    """Asks until told to stop, and keeps the ids of answers that came."""
    with httpx.Client(base_url=url, timeout=5, trust_env=False) as http:
        while not stop.is_set():
            with contextlib.suppress(httpx.HTTPError):
                body = http.post("/v1/tasks/iris/predict", json={"rows": [IRIS.example]}).json()
                acknowledged += [v["id"] for v in body.get("verdicts", []) if v["recorded"]]


def votes_in(rounds):
    """Node → in how many of the rounds it voted."""
    cast = [vote.node for one in rounds for vote in one.verdict.votes if vote.outcome == "voted"]
    return dict(Counter(cast))


@pytest.mark.slow
@pytest.mark.guard
def test_kill_9_in_a_loop_loses_nothing_and_settles_nothing_twice(serve, tmp_path):
    nodes = iris_nodes()
    lines = [f'{name} = "{serve(node)[1]}"' for name, node in nodes.items()]
    (tmp_path / "nodes.toml").write_text(
        '[tasks.iris]\npolicy = "seed"\n[tasks.iris.nodes]\n' + "\n".join(lines), "utf-8"
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    acknowledged: list[str] = []
    stop = threading.Event()
    callers = [threading.Thread(target=load, args=(url, acknowledged, stop)) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        for _ in range(4):
            before = len(acknowledged)
            with service(tmp_path, port) as process:
                wait_until(lambda before=before: len(acknowledged) > before + 40, 120)
                process.send_signal(signal.SIGKILL)
                process.wait()
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    with service(tmp_path, port), Client(url) as client:
        wait_until(client.ready)
        wait_until(lambda: client.ledger()["due"] == 0, 60)
        report = client.verify()
        accounts = client.ledger()["tasks"]["iris"]["accounts"]
        kept = {one.id: one for one in client.all_rounds()}
    settled = [one for one in kept.values() if one.block is not None]
    assert set(acknowledged) <= set(kept)
    assert report["problems"] == []
    assert {node: account["rounds"] for node, account in accounts.items()} == votes_in(settled)
    # A service that has just started has met no node yet; such a round never settles.
    assert {one.verdict.status for one in kept.values() if one.block is None} <= {"no_quorum"}
