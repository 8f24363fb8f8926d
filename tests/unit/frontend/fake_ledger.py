"""The fake service with a ledger: blocks that a test writes, who gained by them, and what a proof finds."""

from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from concord.errors import ConcordError
from concord.types.ledger import BlockPage, BlockView, StakeMoves, StakesPage
from tests.unit.frontend.fake_service import FakeService

SETTLED = {
    "kind": "settle",
    "task": "flower",
    "policy": "wager",
    "rounds": 4,
    "root": "00",
    "nodes": {"forest": [4, 1_500_000, -250_000, 0, 0, 3], "knn": [4, -1_500_000, 250_000, 0, 0, 1]},
    "treasury": 0,
}


def block(height, *bodies):
    return BlockView(
        hash=f"{height:064x}"[::-1],
        time_text="2026-01-31T09:00:00.000+00:00",
        format=1,
        height=height,
        previous=f"{height - 1:064x}"[::-1],
        time=1_769_850_000_000_000 + height * 1_000_000,
        state="0" * 64,
        events={f"{body['kind']}:{i}": body for i, body in enumerate(bodies)},
    )


def moves(node, start, end, **reasons):
    known = {"paid": 0.0, "judged": 0.0, "levelled": 0.0, "slashed": 0.0, **reasons}
    return StakeMoves(node=node, start=start, end=end, points=[(2, end)], **known)


GAINS = [
    moves("forest", 1000.0, 1012.5, judged=15.0, levelled=-2.5),
    moves("knn", 1000.0, 987.5, judged=-15.0, levelled=2.5),
    moves("tree", None, 1000.0, paid=1000.0),
]


@dataclass
class FakeLedgerService(FakeService):
    """Blocks from the first to the newest.

    Attributes:
        blocks: Oldest first.
        gains: What the nodes of every task gained.
        older: From which height on the stakes' page has older blocks, if it has.
        proof: What `verify` answers, or an error to refuse with.
        alarm: What the service says of its ledger.
        read: The paths that were asked.
    """

    blocks: list[BlockView] = field(default_factory=lambda: [block(n, SETTLED) for n in range(1, 46)])
    gains: list[StakeMoves] = field(default_factory=lambda: list(GAINS))
    older: int | None = None
    treasury: float = 0.0
    problems: tuple[str, ...] = ()
    refusal: ConcordError | None = None
    alarm: str | None = None
    due: int = 0
    read: list[str] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, Any]:
        parts = urlsplit(path)
        if not parts.path.startswith("/v1/ledger"):
            return super().get(path)
        self.read.append(path)
        query = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
        newest = self.blocks[-1] if self.blocks else None
        if parts.path == "/v1/ledger":
            return 200, {
                "height": newest.height if newest else 0,
                "hash": newest.hash if newest else "0" * 64,
                "time": newest.time_text if newest else None,
                "due": self.due,
                "alarm": self.alarm,
            }
        if self.refusal is not None:
            error = self.refusal
            return error.status, {"error": {"code": error.code, "message": error.message, "field": None}}
        if parts.path == "/v1/ledger/blocks":
            return 200, asdict(self._page(**query))
        if parts.path == "/v1/ledger/verify":
            return 200, self._proof()
        task, before = parts.path.rpartition("/")[2], query.get("before")
        last = before - 1 if before else len(self.blocks)
        older = None if before else self.older
        return 200, asdict(StakesPage(task, older or 1, last, self.treasury, self.gains, older))

    def _page(self, limit: int, before: int | None = None) -> BlockPage:
        stop = before or len(self.blocks) + 1
        start = max(1, stop - limit)
        return BlockPage(self.blocks[start - 1 : stop - 1][::-1], start if start > 1 else None)

    def _proof(self) -> dict[str, Any]:
        return {
            "ok": not self.problems,
            "height": len(self.blocks),
            "hash": self.blocks[-1].hash,
            "blocks": len(self.blocks),
            "segments": 2,
            "noted": len(self.blocks),
            "orphans": [],
            "problems": list(self.problems),
        }
