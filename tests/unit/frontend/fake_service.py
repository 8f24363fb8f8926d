"""A consensus service of the wire's shapes and no nodes: it answers what a test tells it to.

The page is tested against HTTP and not against a stand-in for the client, so that a change of the
client's or the wire's words breaks these tests.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from concord.errors import ConcordError
from concord.tasks.schema import Feature, Label, TaskSchema, Value
from concord.types.answers import Pool, Verdict, Vote
from concord.types.nodes import NodeView
from concord.types.tasks import TaskDetail, TaskSummary

FLOWER = TaskSchema(
    "flower",
    "Flower",
    "Which flower it is.",
    (
        Feature("petal_length", "number", 1.4, "cm", 0.1, 30.0, description="Length of a petal."),
        Feature("petals", "integer", 5, "", 1, 40),
        Feature("place", "choice", "shade", choices=("sun", "shade")),
    ),
    labels=(Label("rose", "It is a rose.", "good"), Label("thistle", "It is a thistle.", "bad")),
)

LOAN = TaskSchema(
    "loan",
    "Loan",
    "How large the loan is.",
    (Feature("age", "integer", 45, "a", 18, 120), Feature("income", "number", 3200.5, "EUR", 0)),
    value=Value("amount", "EUR", "0.01", 300.0, "A loan of {value} {unit} is likely."),
)

NODES = ("forest", "knn", "tree")


def vote(node, label="rose", sure=0.9, weight=0.34, **changes):
    other = {"rose": "thistle", "thistle": "rose"}[label]
    base = Vote(node, "voted", "3", weight, 4.2, label, {label: sure, other: round(1 - sure, 6)})
    return replace(base, **changes)


def silent(node, outcome):
    return Vote(node, outcome, None, 0.0, None)


def verdict(**changes):
    base = Verdict(
        id="0123456789abcdef0123456789abcdef",
        task="flower",
        status="ok",
        label="rose",
        value=None,
        unit=None,
        sentence="It is a rose.",
        probabilities={"rose": 0.87, "thistle": 0.13},
        agreement=0.66,
        policy="wager",
        pool=Pool("weighted_median"),
        height=12,
        recorded=False,
        settlement="none",
        votes=[vote("forest"), vote("knn", weight=0.32), vote("tree", "thistle", 0.7)],
    )
    return replace(base, **changes)


def loan_verdict(**changes):
    votes = [
        Vote("forest", "voted", "1", 0.5, 3.0, value=11_900.0),
        Vote("knn", "voted", "2", 0.3, 5.5, value=12_400.5),
        Vote("tree", "voted", "2", 0.2, 5.5, value=14_000.0),
    ]
    return verdict(
        task="loan",
        label=None,
        value=11_900.0,
        unit="EUR",
        sentence="A loan of 11,900.00 EUR is likely.",
        probabilities=None,
        votes=votes,
        **changes,
    )


NO_QUORUM = {
    "code": "no_quorum",
    "message": "1 of 3 nodes of flower gave a usable answer in time, and that is below the quorum.",
    "field": None,
}


def no_quorum(**changes):
    return verdict(
        status="no_quorum",
        label=None,
        sentence=None,
        probabilities=None,
        agreement=None,
        pool=None,
        votes=[vote("forest", weight=0.0), silent("knn", "late"), silent("tree", "unavailable")],
        error=NO_QUORUM,
        **changes,
    )


@dataclass
class FakeService:
    """What a test sets before it looks at the page.

    Attributes:
        schemas: Task → schema; a None is a task whose nodes have never answered.
        answer: (task, row) → a verdict, or an error to refuse with; a no_quorum verdict is a 503.
        not_ready: Tasks without a quorum.
        asked: What the page has sent.
        shown: The `Authorization` header of each request, None where it had none.
        abstains: A row below the quorum is a 200, as where an operator wants no error.
    """

    schemas: dict[str, TaskSchema | None] = field(default_factory=lambda: {"flower": FLOWER, "loan": LOAN})
    answer: Callable[[str, dict[str, Any]], Verdict | ConcordError] = lambda task, _row: (
        verdict() if task == "flower" else loan_verdict()
    )
    not_ready: set[str] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)
    abstains: bool = False

    def start(self, port: int = 0) -> "FakeService":
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, path: str) -> tuple[int, Any]:
        parts = path.partition("?")[0].strip("/").split("/")
        if parts == ["v1", "tasks"]:
            return 200, {"tasks": [asdict(self._summary(task)) for task in self.schemas]}
        if parts == ["v1", "nodes"]:
            return 200, {"nodes": [asdict(self._node(path.partition("task=")[2], node)) for node in NODES]}
        if parts[:2] != ["v1", "tasks"]:
            return 404, {"error": {"code": "not_found", "message": "There is no such page.", "field": None}}
        task = parts[2]
        schema = self.schemas.get(task)
        if schema is None:
            return 503, {
                "error": {"code": "no_quorum", "message": "No node has answered yet.", "field": None}
            }
        return 200, asdict(self._detail(task, schema))

    def post(self, path: str, body: Any, request_id: str) -> tuple[int, Any]:
        task, row = path.split("/")[3], body["rows"][0]
        self.asked.append(row)
        content = self.answer(task, row)
        if isinstance(content, ConcordError):
            return content.status, {
                "error": {"code": content.code, "message": content.message, "field": content.field}
            }
        answer = {"task": task, "request_id": request_id, "verdicts": [asdict(content)]}
        if content.status == "no_quorum" and not self.abstains:
            return 503, {"error": content.error, **answer}
        return 200, answer

    def _summary(self, task: str) -> TaskSummary:
        schema = self.schemas[task]
        title, words = (
            (schema.title, schema.description) if schema else (task, "Its nodes have not answered yet.")
        )
        up = 1 if task in self.not_ready else 3
        return TaskSummary(task, title, words, "wager", task not in self.not_ready, 3, up)

    def _detail(self, task: str, schema: TaskSchema) -> TaskDetail:
        ready = task not in self.not_ready
        return TaskDetail(
            task,
            schema.title,
            schema.description,
            "wager",
            ready,
            0.5,
            1000,
            schema.digest,
            schema.to_json(),
            schema.example,
        )

    def _node(self, task: str, node: str) -> NodeView:
        is_up = task not in self.not_ready or node == NODES[0]
        return NodeView(
            task=task,
            node=node,
            model=f"{task}.{node}",
            version="3" if is_up else None,
            status="up" if is_up else "down",
            standing="active",
            stake=1000.0,
            deposit=1000.0,
            weight=0.33,
            accuracy=0.9,
            latency_ms=4.0 if is_up else None,
            url="http://127.0.0.1:1",
            reason=None if is_up else "connection refused",
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                fake.shown.append(self.headers["authorization"])
                self._send(*fake.get(self.path))

            def do_POST(self):
                fake.shown.append(self.headers["authorization"])
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._send(*fake.post(self.path, body, self.headers["x-request-id"]))

            def log_message(self, *_args):
                pass

            def _send(self, status, document):
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
