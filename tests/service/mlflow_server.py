"""A real `mlflow server` on loopback with its artifacts proxied, as the chart starts it."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import httpx

from tests.ports import free_port

START_SECONDS = 90
"""It migrates a new database at its start, on a machine that may be busy."""


@contextlib.contextmanager
def serving_mlflow(folder, *options, **variables):
    """Starts a server that keeps everything in a folder; yields its address."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", f"{folder}/artifacts", *options),
    ]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | variables
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}", folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait(url, log):
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end, log.read_text()[-2000:]
        time.sleep(0.2)
