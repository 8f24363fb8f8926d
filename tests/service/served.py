"""A consensus service and its nodes in processes of their own, under the server that `concord up` starts.

    python -m tests.service.served node knn
    python -m tests.service.served consensus HOME

serves on a free port of loopback, which it prints once it answers. The models are stand-ins; the
applications, the calls between them, and the server are real.
"""

import contextlib
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.service.stack import IRIS, iris_nodes, wait_until

ROOT = Path(__file__).parents[2]
NODES = ("knn", "decision_tree", "logistic_regression")


@dataclass
class Served:
    """A running service.

    Attributes:
        port: Where it listens on loopback.
        pid: Its process.
        http: A client for it.
    """

    port: int
    pid: int
    http: httpx.Client

    def down(self):
        """Names of the nodes that are not up, as the service itself tells."""
        return [
            view["node"]
            for view in self.http.get("/v1/nodes?task=iris").json()["nodes"]
            if view["status"] != "up"
        ]

    def memory(self):
        """Bytes that the process holds in memory now, and the most that it ever held."""
        lines = Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))


@contextlib.contextmanager
def serving_in_processes(home, *, files=1024):
    """Starts nodes and a service that may open so many files, and ends them.

    Args:
        home: Folder of the service; it holds the processes' logs too.
        files: The service's hard limit of open files.
    """
    with contextlib.ExitStack() as exits:
        nodes = {name: exits.enter_context(_process(home, None, "node", name))[0] for name in NODES}
        lines = [f'{name} = "http://127.0.0.1:{port()}"' for name, port in nodes.items()]
        # The deadline is that of the service's caller: a node that is late counts as a failure here.
        text = "[tasks.iris]\ndeadline_ms = 4000\n[tasks.iris.nodes]\n" + "\n".join(lines)
        (home / "nodes.toml").write_text(text, "utf-8")
        port, pid = exits.enter_context(_process(home, files, "consensus", str(home)))
        http = exits.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{port()}", timeout=20, trust_env=False)
        )
        served = Served(port(), pid, http)
        wait_until(lambda: http.get("/readyz").status_code == 200 and not served.down())
        wait_until(lambda: predict(http)["verdicts"][0]["status"] == "ok")
        yield served


def predict(http):
    """A prediction for one row of iris."""
    return http.post("/v1/tasks/iris/predict", json={"rows": [IRIS.example]}).json()


@contextlib.contextmanager
def _process(home, files, *arguments):
    """Starts a process; yields a function that waits for its port, and its id."""
    log = home / f"{arguments[0]}-{len(list(home.glob('*.log')))}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.served", *arguments, str(files or 0)],
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=output,
        )
    told = []

    def port():
        if not told:
            line = process.stdout.readline()
            assert line, f"it ended: {log.read_text('utf-8')[-2000:]}"
            told.append(int(line))
        return told[0]

    try:
        yield port, process.pid
    finally:
        process.terminate()
        with process:
            process.wait(20)


def _serve(application):
    import socket

    from concord.http.server import Address, serve

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        serve(application, Address("127.0.0.1", port, listener=listener), lambda: os.write(1, b"%d\n" % port))


def main(role, name, files):
    from concord.util.tether import end_with_parent

    end_with_parent(os.getppid())
    if int(files):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
    if role == "node":
        _serve(iris_nodes()[name].api.application)
        return
    from concord.api import ConsensusApi
    from concord.settings import Settings

    # Its access line of each request goes to standard error: it is written in production too.
    api = ConsensusApi.from_settings(Settings(home=Path(name), log_level="WARNING"))
    _serve(api.application)


if __name__ == "__main__":
    main(*sys.argv[1:])
