"""A fake service with a ledger: nodes that stand as a test wants, and what moved their stake."""

from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from concord.errors import ConcordError
from concord.types.nodes import AccountView, HistoryEntry, NodeHistory, NodeView
from tests.unit.frontend.fake_service import FakeService

JAILED_FOR_REGRET = (
    "Jailed for regret: 12 of 50 labelled rounds watched, with a mean regret of 0.234 (0.100 is admitted)."
)


def node(name, **changes):
    base = {
        "task": "flower",
        "node": name,
        "model": f"flower.{name}",
        "version": "3",
        "status": "up",
        "standing": "active",
        "stake": 1000.0,
        "deposit": 1000.0,
        "weight": 0.5,
        "accuracy": 0.9,
        "latency_ms": 4.2,
        "url": "http://127.0.0.1:1",
        "skill": 0.8125,
        "labelled": 40,
        "hit_rate": 0.925,
    }
    return NodeView(**(base | changes))


def jailed(name="knn", **changes):
    return node(name, standing="jailed", weight=0.0, standing_reason=JAILED_FOR_REGRET, **changes)


def entry(height, event, change=0.0, stake=1000.0, reason=None, rounds=0):
    time = f"2026-01-31T09:{height // 60 % 60:02}:{height % 60:02}.000+00:00"
    return HistoryEntry(height, time, event, change, stake, rounds, reason)


WAGER = "6 rounds with a label settled under wager: 5 right, +16.3078 for it, levelling +0.0287"


@dataclass
class FakeNodes(FakeService):
    """What a test sets before it looks at the nodes.

    Attributes:
        views: What `/v1/nodes` answers.
        histories: Node → its changes, all of them.
        height: Of the newest block.
        answer_release: An error to refuse a release with.
        released: What was asked to be released: path, body and key.
        history_queries: Queries for histories: node, and before which height.
    """

    views: list[NodeView] = field(default_factory=lambda: [node("forest"), node("knn")])
    histories: dict[str, list[HistoryEntry]] = field(default_factory=dict)
    height: int = 30
    answer_release: ConcordError | None = None
    history_error: ConcordError | None = None
    released: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    history_queries: list[tuple[str, int | None]] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, Any]:
        split = urlsplit(path)
        parts = split.path.strip("/").split("/")
        if parts == ["v1", "nodes"]:
            return 200, {"nodes": [asdict(view) for view in self.views]}
        if parts == ["v1", "ledger"]:
            return 200, {"height": self.height}
        if parts[-1] == "history":
            if self.history_error is not None:
                return refusal(self.history_error)
            before = parse_qs(split.query).get("before")
            stop = int(before[0]) if before else self.height + 1
            self.history_queries.append((parts[3], int(before[0]) if before else None))
            known = self.histories.get(parts[3], [])
            page = [view for view in known if max(1, stop - 1000) <= view.height < stop]
            return 200, asdict(NodeHistory(parts[2], parts[3], page))
        return super().get(path)

    def post(self, path: str, body: Any, request_id: str) -> tuple[int, Any]:
        if not path.endswith("/release"):
            return super().post(path, body, request_id)
        self.released.append((path, body))
        if self.answer_release is not None:
            return refusal(self.answer_release)
        name = path.split("/")[4]
        self.views = [node(name) if view.node == name else view for view in self.views]
        return 200, asdict(AccountView("flower", name, self.height + 1, "active", 1000.0, 1000.0))


def refusal(error: ConcordError) -> tuple[int, Any]:
    document = {"error": {"code": error.code, "message": error.message, "field": error.field}}
    return error.status, document
