"""A whole stack on loopback: real nodes' applications around stand-in models, and one service."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import uvicorn

from concord.api import ConsensusApi
from concord.client import Client
from concord.node.app import NodeApi
from concord.observability.logs import AccessLog
from concord.tasks.schema import Feature, Label, TaskSchema, Value
from concord.types.nodes import VOTES_TYPE, NodeInfo

IRIS = TaskSchema(
    task="iris",
    title="Iris species",
    description="Which of three species a flower belongs to.",
    features=tuple(
        Feature(name, "number", example, "cm", 0.1, 30)
        for name, example in (
            ("sepal_length", 6.0),
            ("sepal_width", 2.7),
            ("petal_length", 5.1),
            ("petal_width", 1.6),
        )
    ),
    labels=tuple(Label(name, f"This is {name}.") for name in ("setosa", "versicolor", "virginica")),
)
AMOUNT = TaskSchema(
    task="loan_amount",
    title="Loan amount",
    description="How much is lent.",
    features=(
        Feature("age", "integer", 40, "years", 18, 99),
        Feature("region", "choice", "Corse", choices=("Corse", "Côte d’Azur")),
    ),
    value=Value("montant_pret", "EUR", "0.01", 1000.0, "A loan of {value} {unit}."),
)


class StandInModel:
    """Answers like a model, by a function of the rows."""

    def __init__(self, schema, node, answer, version="1", accuracy=0.9):
        self.schema, self._answer = schema, answer
        self.info = NodeInfo(
            f"{schema.task}.{node}", version, "run", "0" * 64, schema.digest, schema.to_json(), accuracy
        )
        self.tag = f"{self.info.model}/{version}"

    def answer(self, rows):
        answers = np.array([self._answer(row) for row in rows], dtype="<f4")
        return np.ascontiguousarray(answers.reshape(len(rows), self.schema.width))


@dataclass
class Node:
    """A node's real application, with faults to order.

    `fault` is None, `garbage`, `nan`, `short`, `pickle`, `error`, `hang`, or a number of seconds of delay.
    """

    model: StandInModel
    fault: str | float | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    dropped: int = 0
    url: str = ""
    profile: bytes | None = None

    def __post_init__(self):
        self.api = NodeApi(self.model, AccessLog(enabled=False), profile=self.profile)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] != "/v1/votes":
            await self.api.application(scope, receive, send)
            return
        self.asked.append({k.decode(): v.decode() for k, v in scope["headers"]})
        if self.fault is None:
            await self.api.application(scope, receive, send)
        elif self.fault == "hang":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.dropped += 1
        else:
            await self._misbehave(scope, receive, send)

    async def _misbehave(self, scope, receive, send):
        import asyncio

        if isinstance(self.fault, float):
            await asyncio.sleep(self.fault)
            await self.api.application(scope, receive, send)
            return
        message = await receive()
        rows = len(message["body"]) // (4 * len(self.model.schema.features))
        width = self.model.schema.width
        body = {
            "garbage": b"\x80\x04\x95garbage",
            "nan": np.full((rows, width), np.nan, "<f4").tobytes(),
            "short": np.full((rows, width), 1 / width, "<f4").tobytes()[:-1],
            "error": b"",
        }[self.fault]
        status = 500 if self.fault == "error" else 200
        headers = [(b"content-type", VOTES_TYPE.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Server:
    """One ASGI application on a free port of loopback, in a thread of its own."""

    def __init__(self, app, port=0):
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            # As the product's server: the application alone decides whose word on an address it believes.
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self):
        self._thread.start()
        wait_until(lambda: self._server.started or not self._thread.is_alive())
        assert self._server.started
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.leave()
        self._thread.join(10)

    def leave(self):
        """Begins to stop, without waiting for it."""
        self._server.should_exit = True


def wait_until(condition, seconds=60.0):
    """Waits for something that another thread brings about; fails if it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


@dataclass
class Stack:
    """A running service and its nodes."""

    home: Path
    url: str
    api: ConsensusApi
    nodes: dict[str, Node]
    servers: dict[str, Server]
    http: httpx.Client
    client: Client
    service: Server

    def predict(self, row=None, task="iris", query=""):
        return self.http.post(f"/v1/tasks/{task}/predict{query}", json={"rows": [row or IRIS.example]})

    def stop_node(self, name):
        self.servers[name].stop()

    def accounts(self, task="iris"):
        """Node → stake in whole units."""
        accounts = self.client.ledger()["tasks"][task]["accounts"]
        return {node: account["stake"] / 1_000_000 for node, account in accounts.items()}


def species(k, share=1.0):
    """A model's function that always names one class with a share of the probability."""
    rest = (1 - share) / 2
    return lambda _row: [share if i == k else rest for i in range(3)]


def iris_nodes(**answers):
    """Nodes of iris; the workshop's four with the workshop's answers and accuracies unless said."""
    if not answers:
        answers = {"logistic_regression": 2, "decision_tree": 1, "knn": 2, "random_forest": 1}
    accuracies = {"logistic_regression": 0.97, "decision_tree": 0.57, "knn": 0.92, "random_forest": 0.54}
    return {
        name: Node(StandInModel(IRIS, name, species(k), accuracy=accuracies.get(name, 0.9)))
        for name, k in answers.items()
    }


def all_open(stack, task):
    """Whether every node has an account and is up."""
    views = stack.client.nodes(task)
    return all(view.status == "up" and view.deposit for view in views)
