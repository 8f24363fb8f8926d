"""The compared stacks: how each is started, where it answers, and its processes.

All answer the same JSON body by the same four models. Concord's nodes run once, for its consensus
services and for the plain gather.
"""

import http.client
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks.serving.arguments import WeightedNode
from benchmarks.serving.models import NODES, Model, body
from benchmarks.serving.processes import HOST, Processes, Usage
from concord.cli.up.nodes_file import write_nodes
from concord.cli.up.processes import Handle
from concord.http import tokens

CONCORD: Final = "concord"
PLAIN: Final = "plain gather"
FASTAPI: Final = "fastapi"
FLASK: Final = "flask"
ON_UVICORN: Final = "concord, uvicorn"
ON_BENTOML: Final = "concord, bentoml serve"
ON_GRANIAN: Final = "concord, granian"
WITH_TOKENS: Final = "concord, tokens and rates"
AS_IMAGE: Final = "concord, as in images"
OTHER_TREE: Final = "concord, other tree"
STACKS: Final = (
    *(CONCORD, PLAIN, FASTAPI, FLASK),
    *(ON_UVICORN, ON_BENTOML, ON_GRANIAN, WITH_TOKENS, AS_IMAGE, OTHER_TREE),
)

UNREACHED_RATE: Final = "1000000"
"""Requests or rows a second, which are counted and never come to so many."""

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
        token: Token that its callers show, if it asks for one.
    """

    name: str
    description: str
    port: int
    path: str
    marker: str
    front: Usage
    nodes: Usage
    token: str = ""


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
    concord = _concord(checkout, processes, AS_UP, file, nodes)
    others = [_concord(checkout, processes, variant, file, nodes) for variant in OTHER_SERVERS]
    others += [_with_tokens(checkout, processes, file, nodes), _as_image(checkout, processes)]
    started = [concord, _plain(checkout, processes, ports, nodes), *gather_stacks, *others]
    return [stack.ready(processes) for stack in started]


def start_other_tree(checkout: Checkout, processes: Processes) -> Stack:
    """Starts the nodes and the consensus service of another checkout, and waits for an answer."""
    ports, nodes, file = _nodes(checkout, processes)
    processes.wait("The other tree's nodes", lambda: all(_is_open(port) for port in ports))
    concord = _concord(checkout, processes, AS_UP, file, nodes)
    name, description = OTHER_TREE, f"the same as it is in {checkout.root.name}, with nodes of its own"
    return replace(concord, name=name, description=description).ready(processes)


def _nodes(checkout: Checkout, processes: Processes) -> tuple[list[int], list[Handle], Path]:
    """Starts Concord's nodes; returns ports, processes, and the file that lists them."""
    ports = processes.ports(len(NODES))
    by_port = dict(zip(ports, checkout.models, strict=True))
    named_ports = {f"iris.{name}": port for port, name in by_port.items()}
    nodes = processes.nodes(checkout.bentos["concord-node"], named_ports, checkout.folder)
    return ports, nodes, _nodes_file(checkout, "nodes", ports)


def _nodes_file(checkout: Checkout, name: str, ports: Sequence[int]) -> Path:
    """Writes the file that lists the nodes of these ports."""
    file = checkout.folder / f"{name}.toml"
    by_node = zip(checkout.models, ports, strict=True)
    write_nodes(file, {"iris": {node: f"http://{HOST}:{port}" for node, port in by_node}})
    return file


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
    token: str = ""

    def ready(self, processes: Processes) -> Stack:
        processes.wait(f"An answer of {self.name}", self._answers, self.log)
        nodes = Usage.of_nodes(self.nodes) if self.is_forked else Usage(self.nodes)
        front = Usage([self.front])
        return Stack(self.name, self.description, self.port, self.path, self.marker, front, nodes, self.token)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            headers = {"content-type": "application/json"}
            if self.token:
                headers["authorization"] = f"Bearer {self.token}"
            connection.request("POST", self.path, body(2), headers)
            response = connection.getresponse()
            return response.status == 200 and response.read().count(self.ready_marker.encode()) == 2
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True)
class _Variant:
    """A way to start the consensus service.

    Attributes:
        name: Its stack's name.
        description: Its stack's description.
        command: Its module and arguments; `{bento}` stands for the bento's tag.
        environment: Variables of its own.
    """

    name: str
    description: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


AS_UP: Final = _Variant(
    CONCORD,
    "the consensus service as `concord up` runs it",
    ("bentos.serve", "{bento}", "--direct", "--host", HOST),
)
OTHER_SERVERS: Final = (
    _Variant(
        ON_UVICORN,
        "the same under uvicorn alone",
        ("uvicorn", "--factory", "concord.api.app:create", "--no-access-log"),
    ),
    _Variant(ON_BENTOML, "the same under `bentoml serve`", ("bentoml", "serve", "{bento}", "--host", HOST)),
    _Variant(ON_GRANIAN, "the same under Granian", (*GRANIAN, "--factory", "concord.api.app:create")),
)


def _concord(
    checkout: Checkout,
    processes: Processes,
    variant: _Variant,
    file: Path,
    nodes: list[Handle],
    *,
    is_forked: bool = True,
    token: str = "",
) -> _Started:
    """Starts the consensus service with a journal and a ledger of its own."""
    [port] = processes.ports(1)
    log = variant.name.replace(", ", "-").replace(" ", "-")
    bento = checkout.bentos["concord-consensus"]
    command = [bento if part == "{bento}" else part for part in variant.command]
    front = processes.run(
        log,
        *("-m", *command, "--port", str(port)),
        home=checkout.folder / log,
        extra={"CONCORD_NODES": str(file), **variant.environment},
    )
    return _Started(
        *(variant.name, variant.description, log, port, front, nodes),
        path="/v1/tasks/iris/predict",
        # Ready once all four nodes vote; later, answers with fewer votes count too.
        ready_marker='"status":"ok"',
        is_forked=is_forked,
        token=token,
    )


def _with_tokens(checkout: Checkout, processes: Processes, file: Path, nodes: list[Handle]) -> _Started:
    """The same where predictions and rounds need a token, and each caller's requests and rows are counted."""
    token = tokens.make()
    file_of_tokens = checkout.folder / "tokens.toml"
    file_of_tokens.write_text(tokens.render([tokens.make_entry("benchmark", token, predicts=["*"])]), "utf-8")
    environment = {
        "CONCORD_TOKENS": str(file_of_tokens),
        "CONCORD_PREDICT": "token",
        "CONCORD_READ": "token",
        "CONCORD_RATE_REQUESTS": UNREACHED_RATE,
        "CONCORD_RATE_ROWS": UNREACHED_RATE,
    }
    description = "the same with a token for each call, and counted rates that are never reached"
    variant = replace(AS_UP, name=WITH_TOKENS, description=description, environment=environment)
    return _concord(checkout, processes, variant, file, nodes, token=token)


def _as_image(checkout: Checkout, processes: Processes) -> _Started:
    """Service and nodes as `bentos/Dockerfile` starts them: a process each, by the code in their bento."""
    ports = processes.ports(len(NODES))
    folder, environment = _bento(checkout, "concord-node")
    nodes = [
        processes.run(
            f"image.{name}",
            *("-m", "bentos.serve", str(folder), "--direct", "--host", HOST, "--port", str(port)),
            home=checkout.folder,
            extra={"CONCORD_NODE": f"iris.{name}", **environment},
        )
        for name, port in zip(checkout.models, ports, strict=True)
    ]
    file = _nodes_file(checkout, "image-nodes", ports)
    processes.wait("The nodes as in images", lambda: all(_is_open(port) for port in ports))
    folder, environment = _bento(checkout, "concord-consensus")
    command = ("bentos.serve", str(folder), "--direct", "--host", HOST)
    description = "service and nodes as their images start them, without containers; nodes of its own"
    variant = _Variant(AS_IMAGE, description, command, environment)
    return _concord(checkout, processes, variant, file, nodes, is_forked=False)


def _bento(checkout: Checkout, name: str) -> tuple[Path, dict[str, str]]:
    """Folder of a bento, and the environment that has its own code run, not the checkout's."""
    folder = checkout.store / "bentos" / checkout.bentos[name].replace(":", "/")
    return folder, {"PYTHONPATH": str(folder / "src")}


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
