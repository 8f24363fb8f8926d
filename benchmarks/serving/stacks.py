"""The compared stacks: how each is started, where it answers, and its processes.

All answer the same JSON body by the same four models. Concord's nodes run once, for the four consensus
services and for the plain gather.
"""

import http.client
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.serving.arguments import WeightedNode
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
ON_GRANIAN: Final = "concord, granian"
OTHER_TREE: Final = "concord, other tree"
STACKS: Final = (CONCORD, PLAIN, FASTAPI, FLASK, ON_UVICORN, ON_BENTOML, ON_GRANIAN, OTHER_TREE)

GRANIAN: Final = ("granian", "--interface", "asgi", "--loop", "uvloop", "--workers", "1", "--no-ws")
"""Module and options of Granian for one worker; its access log is off unless asked for."""

WORKSHOP_WEIGHTS: Final = {
    "logistic_regression": 0.97,
    "decision_tree": 0.57,
    "knn": 0.92,
    "random_forest": 0.54,
}
"""The accuracies that the workshop stated."""


@dataclass(frozen=True)
class Stack:
    """A running stack.

    Attributes:
        name: Its name in the tables.
        description: Its description in the report.
        port: Its port on loopback.
        path: Path of its predict endpoint.
        marker: Text that its answer has once for each row.
        front: Processes of the service that callers talk to.
        nodes: Processes of its nodes.
    """

    name: str
    description: str
    port: int
    path: str
    marker: str
    front: Usage
    nodes: Usage


@dataclass(frozen=True)
class Checkout:
    """A checkout of Concord, with its models and bentos.

    Attributes:
        root: Its folder.
        store: BentoML's store with its models and bentos.
        models: Node → folder of its packaged model.
        bentos: `concord-node` and `concord-consensus` → tag.
        folder: Temporary folder for homes.
    """

    root: Path
    store: Path
    models: dict[str, Model]
    bentos: dict[str, str]
    folder: Path

    @property
    def labels(self) -> str:
        """Names of the classes, separated by commas."""
        return ",".join(next(iter(self.models.values())).labels)

    def node_options(self, ports: Sequence[int], weights: dict[str, float] | None = None) -> list[str]:
        """`--node` options of a service whose nodes listen on these ports."""
        options = []
        for (name, model), port in zip(self.models.items(), ports, strict=True):
            weight = (weights or {}).get(name, model.accuracy)
            options += ["--node", str(WeightedNode(name, f"http://{HOST}:{port}", weight))]
        return options


def start(checkout: Checkout, processes: Processes) -> list[Stack]:
    """Starts all stacks and waits until each has answered by all of its nodes."""
    ports, nodes, file = _nodes(checkout, processes)
    gather_stacks = [_fastapi(checkout, processes), _flask(checkout, processes)]
    processes.wait("The nodes", lambda: all(_is_open(port) for port in ports))
    concord, *others = _concord(checkout, processes, file, nodes)
    started = [concord, _plain(checkout, processes, ports, nodes), *gather_stacks, *others]
    return [stack.ready(processes) for stack in started]


def start_other_tree(checkout: Checkout, processes: Processes) -> Stack:
    """Starts the nodes and the consensus service of another checkout, and waits for an answer."""
    ports, nodes, file = _nodes(checkout, processes)
    processes.wait("The other tree's nodes", lambda: all(_is_open(port) for port in ports))
    concord = _concord(checkout, processes, file, nodes)[0]
    name, description = OTHER_TREE, f"the same as it is in {checkout.root.name}, with nodes of its own"
    return replace(concord, name=name, description=description).ready(processes)


def _nodes(checkout: Checkout, processes: Processes) -> tuple[list[int], list[Handle], Path]:
    """Starts Concord's nodes; returns ports, processes, and the file that lists them."""
    ports = processes.ports(len(NODES))
    by_port = dict(zip(ports, checkout.models, strict=True))
    named_ports = {f"iris.{name}": port for port, name in by_port.items()}
    nodes = processes.nodes(checkout.bentos["concord-node"], named_ports, checkout.folder)
    file = checkout.folder / "nodes.toml"
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
    ready_marker: str = '"agreement":'
    """Text that its answers have once for each row when it is ready."""

    is_forked: bool = False

    def ready(self, processes: Processes) -> Stack:
        processes.wait(f"An answer of {self.name}", self._answers, self.log)
        nodes = Usage.of_nodes(self.nodes) if self.is_forked else Usage(self.nodes)
        return Stack(
            self.name, self.description, self.port, self.path, self.marker, Usage([self.front]), nodes
        )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("POST", self.path, body(2), {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status == 200 and response.read().count(self.ready_marker.encode()) == 2
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _concord(checkout: Checkout, processes: Processes, file: Path, nodes: list[Handle]) -> list[_Started]:
    """Starts the consensus service four times, each with its own journal and ledger."""
    bento, host = checkout.bentos["concord-consensus"], ("--host", HOST)
    variants = [
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
        (ON_GRANIAN, "the same under Granian", (*GRANIAN, "--factory", "concord.api.app:create")),
    ]
    stacks = []
    for name, description, command in variants:
        [port] = processes.ports(1)
        log = name.replace(", ", "-").replace(" ", "-")
        front = processes.run(
            log,
            *("-m", *command, "--port", str(port)),
            home=checkout.folder / log,
            extra={"CONCORD_NODES": str(file)},
        )
        stacks.append(
            _Started(
                *(name, description, log, port, front, nodes),
                path="/v1/tasks/iris/predict",
                # Ready once all four nodes vote; later, answers with fewer votes count too.
                ready_marker='"status":"ok"',
                is_forked=True,
            )
        )
    return stacks


def _plain(checkout: Checkout, processes: Processes, ports: list[int], nodes: list[Handle]) -> _Started:
    front, port = _service(checkout, processes, "plain_gather", checkout.node_options(ports))
    description = "one call per request and node, over Concord's own nodes"
    return _Started(PLAIN, description, "plain_gather", port, front, nodes, is_forked=True)


def _fastapi(checkout: Checkout, processes: Processes) -> _Started:
    nodes, ports = _module_nodes(checkout, processes, "fastapi_gather")
    front, port = _service(checkout, processes, "fastapi_gather", checkout.node_options(ports))
    description = "FastAPI nodes with JSON and pydantic, asked together by aiohttp"
    return _Started(FASTAPI, description, "fastapi_gather", port, front, nodes)


def _flask(checkout: Checkout, processes: Processes) -> _Started:
    nodes, ports = _module_nodes(checkout, processes, "flask_workshop")
    options = checkout.node_options(ports, WORKSHOP_WEIGHTS)
    front, port = _service(checkout, processes, "flask_workshop", options)
    description = "the workshop's way: Flask nodes, asked one after the other"
    marker = '"consensus":'
    return _Started(FLASK, description, "flask_workshop", port, front, nodes, "/predict", marker, marker)


def _module_nodes(checkout: Checkout, processes: Processes, module: str) -> tuple[list[Handle], list[int]]:
    ports = processes.ports(len(checkout.models))
    handles = []
    for (name, model), port in zip(checkout.models.items(), ports, strict=True):
        options = ("--port", str(port), "--model", str(model.folder))
        command = ("-m", f"benchmarks.serving.{module}", "node", *options)
        handles.append(processes.run(f"{module}.{name}", *command, home=checkout.folder))
    return handles, ports


def _service(checkout: Checkout, processes: Processes, module: str, options: list[str]) -> tuple[Handle, int]:
    [port] = processes.ports(1)
    command = ("-m", f"benchmarks.serving.{module}", "service", "--port", str(port))
    front = processes.run(module, *command, "--labels", checkout.labels, *options, home=checkout.folder)
    return front, port


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
