"""`GET /v1/ledger/stakes/{task}`: how much stake each node gained and lost over some blocks, and why."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from concord.api.endpoint import Endpoint, Operation
from concord.api.endpoints.blocks import MOST_BLOCKS, find_older_page
from concord.api.params import before_param, int_schema
from concord.http.request import Request, Response
from concord.ledger.chain import Block
from concord.ledger.events import Body, NodeSums
from concord.policies.stake import MICRO
from concord.service import Service
from concord.types.ledger import StakeMoves, StakesPage

TREASURY = ""
"""The name under which the treasury's gains are summed; no node has it."""

REASONS = ("paid", "judged", "levelled", "slashed")

Changes = dict[tuple[str, str], int]
"""Node and reason → µS."""


class Stakes:
    """Sums up the changes of stake in one service's ledger."""

    def __init__(self, service: Service) -> None:
        self._ledger, self._settler, self._ensembles = service.ledger, service.settler, service.ensembles
        self._checks = service.checks
        # Reading far back takes long: one request after the other.
        self._lock = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """The sums of a task."""
        stakes = Operation(
            "Who gained and who lost stake, and by what",
            StakesPage,
            errors=(429, 503),
            query={"before": int_schema()},
        )
        return [Endpoint("GET", "/v1/ledger/stakes/{task}", self.get_stakes, stakes)]

    async def get_stakes(self, request: Request) -> Response:
        """The changes in the newest 1,000 blocks below a height."""
        task, query = request.path["task"], request.query("before")
        self._ensembles.settings(task)
        stop = before_param(query, self._settler.head.height)
        return await self._checks.answer_alone(self._lock, request.caller, self._read_page, task, stop)

    def _read_page(self, task: str, stop: int) -> StakesPage:
        start = max(1, stop - MOST_BLOCKS)
        state = self._ledger.state_before(start).tasks.get(task)
        blocks = self._ledger.stream(start, stop) if stop > start else iter(())
        nodes, treasury = sum_stake_moves(blocks, task, state.balances if state else {})
        first = start if stop > start else 0
        return StakesPage(task, first, stop - 1, treasury, nodes, find_older_page(start))


def sum_stake_moves(
    blocks: Iterable[Block], task: str, before: Mapping[str, int]
) -> tuple[list[StakeMoves], float]:
    """The changes of a task's stakes in one pass over blocks, by node's name, and its treasury's gain.

    Args:
        blocks: Blocks that follow one another.
        task: The task.
        before: Node → its stake before the first of them, in µS.
    """
    held, sums = dict(before), Counter[tuple[str, str]]()
    points: dict[str, list[tuple[int, float]]] = {node: [] for node in before}
    for block in blocks:
        changed = Counter[str]()
        for body in block.events.values():
            if body["task"] == task:
                for (node, reason), amount in stake_changes(body).items():
                    sums[node, reason] += amount
                    changed[node] += amount
        for node, amount in changed.items():
            if amount or node not in held:
                held[node] = held.get(node, 0) + amount
                points.setdefault(node, []).append((block.height, held[node] / MICRO))
    treasury = held.pop(TREASURY, 0)
    nodes = [
        StakeMoves(
            node=node,
            start=before[node] / MICRO if node in before else None,
            end=held[node] / MICRO,
            points=points[node],
            **{reason: sums[node, reason] / MICRO for reason in REASONS},
        )
        for node in sorted(held)
    ]
    return nodes, treasury / MICRO


def stake_changes(body: Body) -> Changes:
    """How an event changed the accounts of its task."""
    kind = body["kind"]
    if kind == "settle":
        return _settlement_changes(body)
    if kind == "open":
        return {(body["node"], "paid"): body["deposit"]}
    if kind in {"deposit", "withdraw"}:
        return {(body["node"], "paid"): body["amount"] if kind == "deposit" else -body["amount"]}
    return {}


def _settlement_changes(body: Body) -> Changes:
    by = "slashed" if body["policy"] == "seed" else "judged"
    changes = {(TREASURY, by): int(body["treasury"])}
    for node, numbers in body["nodes"].items():
        sums = NodeSums(*numbers)
        changes[node, by] = sums.delta
        if sums.levelling:
            changes[node, "levelled"] = sums.levelling
    return changes
