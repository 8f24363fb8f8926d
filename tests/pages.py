"""A page's process, for tests that look at it with a browser or without one."""

import asyncio
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from benchmarks.people.tab import Tab

ROOT = Path(__file__).parents[1]
TITLES = ["Predict", "Batch", "Rounds", "Nodes", "Ledger", "Models", "Drift", "Live"]
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens."""


def wait_until_up(url):
    for _ in range(150):
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the page did not start")


@contextmanager
def page_at(port, log, **environment):
    """A page's process with these variables; what it says is in the log."""
    command = [sys.executable, "-m", "streamlit", "run", "frontend/server.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=out, stderr=out)
        try:
            base = environment.get("STREAMLIT_SERVER_BASE_URL_PATH", "")
            wait_until_up(f"http://127.0.0.1:{port}{base}")
            yield
        finally:
            process.terminate()
            process.wait(10)


def titles(url):
    """The menu of a page, which is there only once its first view was drawn without an error."""

    async def opened():
        # The first view of a process imports what draws, which takes a busy machine long.
        async with Tab(url, patience=120) as tab:
            await tab.open()
            return list(tab.pages)

    return asyncio.run(opened())
