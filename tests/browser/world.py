"""A whole Concord as `concord up` starts it, and one task more, which is one file."""

import json
import shutil
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psutil

from concord.client import Client
from tests.drifting import Flowers, Gardener
from tests.homes import ALL_TASKS, ROOT, environment
from tests.ports import FOR_PEOPLE, free_base
from tests.service.teaching import give_token
from tests.service.up import Up

FIFTH = Path(__file__).with_name("penguin.py")
LEFT_OUT = (".git", ".venv", ".concord", ".*_cache", ".hypothesis", "__pycache__", "tests", "docs")
"""What no running Concord needs of the project's folder."""

PAGES = ("predict", "batch", "rounds", "nodes", "ledger", "models", "drift", "live")

MOVED = "Most was gained by"
"""What the page Ledger shows once stake has moved, and not before."""

LABELLED = 120
"""Labelled rounds of iris; below 100 the page Drift draws nothing."""


class World:
    """What `concord up` has started.

    Attributes:
        url: The consensus service's.
        page: The page's.
        mlflow: MLflow's.
        prometheus: Prometheus', None where it is not on the PATH.
        home: Its home folder.
        token: One that labels.
    """

    def __init__(self, base, home, token, *, monitored):
        self.url, self.page, self.mlflow, prometheus = (
            f"http://127.0.0.1:{base + offset}" for offset in FOR_PEOPLE
        )
        self.prometheus = prometheus if monitored else None
        self.home, self.token = home, token

    def at(self, page, **query):
        """The address of a page; the first one's is the bare one."""
        path = "" if page == PAGES[0] else page
        return f"{self.page}/{path}" + (f"?{urlencode(query)}" if query else "")

    def fill(self):
        """Asks rows of every task, and labels those of iris."""
        with Gardener(self.url, self.token) as gardener:
            gardener.label(Flowers(seed=1).of("learned", LABELLED))
        with Client(self.url, 60.0, self.token) as client:
            for task in client.tasks():
                schema = client.schema(task.task)
                row = {feature.name: feature.example for feature in schema.features}
                client.predict(task.task, [row] * 20, recorded=True)

    @contextmanager
    def suspended(self, task):
        """The nodes of a task do not answer while this lasts."""
        running = json.loads((self.home / "run" / "up.json").read_text())["processes"]
        nodes = [psutil.Process(pid) for name, pid in running.items() if name.startswith(f"{task}.")]
        assert nodes
        for node in nodes:
            node.suspend()
        try:
            yield
        finally:
            for node in nodes:
                node.resume()
            with Client(self.url) as client:
                until = time.monotonic() + 60
                while not next(summary.ready for summary in client.tasks() if summary.task == task):
                    assert time.monotonic() < until, f"{task} did not come back"
                    time.sleep(0.5)


@contextmanager
def world(folder, copy_trained_home):
    """Starts it in a copy of the project to which one file was added; ends it afterwards.

    Args:
        folder: For the copy, its models and its rounds.
        copy_trained_home: The fixture; the models of the added task alone are missing.
    """
    root, home = folder / "concord", copy_trained_home(ALL_TASKS, folder / "home")
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copy(FIFTH, root / "training" / "tasks")
    token = give_token(home)
    base, monitored = free_base(), shutil.which("prometheus") is not None
    up = Up(environment(home), "--port", str(base), *(["--monitoring"] if monitored else []), cwd=root)
    try:
        up.until("ready")
        yield World(base, home, token, monitored=monitored)
    finally:
        ended = up.end()
        if ended != 0:
            up.end(signal.SIGKILL)
    assert ended == 0
