"""The stacks that are compared: how each is started, where it answers, and which processes it is.

All answer the same JSON body of named columns by the same four models. Concord's nodes run once
and serve every stack that asks them: the consensus service as `concord up` runs it, the same under
uvicorn alone and under `bentoml serve`, and the plain gather.
"""

import http.client
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.serving.arguments import Colleague
from benchmarks.serving.models import NODES, Model, body
from benchmarks.serving.processes import HOST, Processes, Usage
from concord.cli.up.nodes_file import write_nodes
from concord.cli.up.processes import Handle

CONCORD: Final = "concord"
PLAIN: Final = "plain gather"
FASTAPI: Final = "fastapi"
FLASK: Final = "flask"
ON_UVICORN: Final = "concord, uvicorn"
ON_BENTOML: Final = "concord, bentoml serve"
OTHER_TREE: Final = "concord, other tree"
STACKS: Final = (CONCORD, PLAIN, FASTAPI, FLASK, ON_UVICORN, ON_BENTOML, OTHER_TREE)

WORKSHOP_WEIGHTS: Final = {
    "logistic_regression": 0.97,
    "decision_tree": 0.57,
    "knn": 0.92,
    "random_forest": 0.54,
}
"""The accuracies that the workshop stated."""


@dataclass(frozen=True)
class Stack:
    """One way to serve.

    Attributes:
        name: Its name in the tables.
        description: What it is, in a sentence.
        port: Where it answers, on loopback.
        path: Where it takes rows.
        marker: What stands in its answer once a row.
        front: The service that callers talk to.
        nodes: What that one asks.
    """

    name: str
    description: str
    port: int
    path: str
    marker: str
    front: Usage
    nodes: Usage


@dataclass(frozen=True)
class Ground:
    """What the stacks of one checkout are built on.

    Attributes:
        root: The checkout.
        store: BentoML's store with its models and bentos.
        models: Node → folder of its packaged model.
        bentos: `concord-node` and `concord-consensus` → tag.
        folder: A folder for homes, removed with the run.
    """

    root: Path
    store: Path
    models: dict[str, Model]
    bentos: dict[str, str]
    folder: Path

    @property
    def labels(self) -> str:
        """Names of the classes, with commas."""
        return ",".join(next(iter(self.models.values())).labels)

    def colleagues(self, ports: Sequence[int], weights: dict[str, float] | None = None) -> list[str]:
        """`--node` options of a service that asks nodes on these ports."""
        options = []
        for (name, model), port in zip(self.models.items(), ports, strict=True):
            weight = (weights or {}).get(name, model.accuracy)
            options += ["--node", str(Colleague(name, f"http://{HOST}:{port}", weight))]
        return options


def start(ground: Ground, processes: Processes) -> list[Stack]:
    """Starts all stacks and waits until each has answered by all of its nodes."""
    ports, nodes, file = _nodes(ground, processes)
    foreign = [_fastapi(ground, processes), _flask(ground, processes)]
    processes.wait("The nodes", lambda: all(_is_open(port) for port in ports))
    concord, uvicorn, bentoml = _concord(ground, processes, file, nodes)
    started = [concord, _plain(ground, processes, ports, nodes), *foreign, uvicorn, bentoml]
    return [one.ready(processes) for one in started]


def start_other_tree(ground: Ground, processes: Processes) -> Stack:
    """Starts the nodes and the consensus service of another checkout, and waits for an answer."""
    ports, nodes, file = _nodes(ground, processes)
    processes.wait("The other tree's nodes", lambda: all(_is_open(port) for port in ports))
    concord = _concord(ground, processes, file, nodes)[0]
    name, description = OTHER_TREE, f"the same as it is in {ground.root.name}, with nodes of its own"
    return replace(concord, name=name, description=description).ready(processes)


def _nodes(ground: Ground, processes: Processes) -> tuple[list[int], list[Handle], Path]:
    """Starts Concord's nodes: their ports, their processes, and the file that names them."""
    ports = processes.ports(len(NODES))
    by_port = dict(zip(ports, ground.models, strict=True))
    nodes = processes.nodes(
        ground.bentos["concord-node"], {f"iris.{name}": port for port, name in by_port.items()}, ground.folder
    )
    file = ground.folder / "nodes.toml"
    write_nodes(file, {"iris": {name: f"http://{HOST}:{port}" for port, name in by_port.items()}})
    return ports, nodes, file


@dataclass(frozen=True)
class _Started:
    """A stack whose processes have been started."""

    name: str
    description: str
    log: str
    port: int
    front: Handle
    nodes: Sequence[Handle]
    path: str = "/predict"
    marker: str = '"agreement":'
    sign: str = '"agreement":'
    """What stands in its first answers, once a row, when it is up."""

    is_ours: bool = False

    def ready(self, processes: Processes) -> Stack:
        processes.wait(f"An answer of {self.name}", self._answers, self.log)
        nodes = Usage.of_nodes(self.nodes) if self.is_ours else Usage(self.nodes)
        return Stack(
            self.name, self.description, self.port, self.path, self.marker, Usage([self.front]), nodes
        )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("POST", self.path, body(2), {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status == 200 and response.read().count(self.sign.encode()) == 2
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _concord(ground: Ground, processes: Processes, file: Path, nodes: Sequence[Handle]) -> list[_Started]:
    """The consensus service in three ways, each with a journal and a ledger of its own."""
    bento, host = ground.bentos["concord-consensus"], ("--host", HOST)
    ways = [
        (
            CONCORD,
            "the consensus service as `concord up` runs it",
            ("bentos.serve", bento, "--direct", *host),
        ),
        (
            ON_UVICORN,
            "the same under uvicorn alone",
            ("uvicorn", "--factory", "concord.api.app:create", "--no-access-log"),
        ),
        (ON_BENTOML, "the same under `bentoml serve`", ("bentoml", "serve", bento, *host)),
    ]
    found = []
    for name, description, command in ways:
        [port] = processes.ports(1)
        log = name.replace(", ", "-").replace(" ", "-")
        front = processes.run(
            log,
            *("-m", *command, "--port", str(port)),
            home=ground.folder / log,
            extra={"CONCORD_NODES": str(file)},
        )
        found.append(
            _Started(
                *(name, description, log, port, front, nodes),
                path="/v1/tasks/iris/predict",
                # All four must have voted; later an answer by fewer of them is an answer too.
                sign='"status":"ok"',
                is_ours=True,
            )
        )
    return found


def _plain(ground: Ground, processes: Processes, ports: Sequence[int], nodes: Sequence[Handle]) -> _Started:
    front, port = _service(ground, processes, "plain_gather", ground.colleagues(ports))
    description = "one call per request and node, over Concord's own nodes"
    return _Started(PLAIN, description, "plain_gather", port, front, nodes, is_ours=True)


def _fastapi(ground: Ground, processes: Processes) -> _Started:
    nodes, ports = _foreign_nodes(ground, processes, "fastapi_gather")
    front, port = _service(ground, processes, "fastapi_gather", ground.colleagues(ports))
    description = "FastAPI nodes with JSON and pydantic, asked together by aiohttp"
    return _Started(FASTAPI, description, "fastapi_gather", port, front, nodes)


def _flask(ground: Ground, processes: Processes) -> _Started:
    nodes, ports = _foreign_nodes(ground, processes, "flask_workshop")
    options = ground.colleagues(ports, WORKSHOP_WEIGHTS)
    front, port = _service(ground, processes, "flask_workshop", options)
    description = "the workshop's way: Flask nodes, asked one after the other"
    sign = '"consensus":'
    return _Started(FLASK, description, "flask_workshop", port, front, nodes, marker=sign, sign=sign)


def _foreign_nodes(ground: Ground, processes: Processes, module: str) -> tuple[list[Handle], list[int]]:
    ports = processes.ports(len(ground.models))
    handles = []
    for (name, model), port in zip(ground.models.items(), ports, strict=True):
        options = ("--port", str(port), "--model", str(model.folder))
        command = ("-m", f"benchmarks.serving.{module}", "node", *options)
        handles.append(processes.run(f"{module}.{name}", *command, home=ground.folder))
    return handles, ports


def _service(ground: Ground, processes: Processes, module: str, options: Sequence[str]) -> tuple[Handle, int]:
    [port] = processes.ports(1)
    command = ("-m", f"benchmarks.serving.{module}", "service", "--port", str(port))
    front = processes.run(module, *command, "--labels", ground.labels, *options, home=ground.folder)
    return front, port


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
