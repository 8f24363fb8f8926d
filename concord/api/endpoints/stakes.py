"""Who gained and who lost stake over some blocks, and by what: one pass for all nodes of a task."""

from collections import Counter
from collections.abc import Iterable, Mapping

from concord.ledger.chain import Block
from concord.ledger.events import Body, NodeSums
from concord.policies.stake import MICRO
from concord.types.answers import StakeMoves

TREASURY = ""
"""Under which the treasury's gains are summed; no node has this name."""

Changes = dict[tuple[str, str], int]
"""Node and reason (`paid`, `judged`, `levelled`, `slashed`) → µS."""


def moves(blocks: Iterable[Block], task: str, before: Mapping[str, int]) -> tuple[list[StakeMoves], float]:
    """What these blocks did to the stakes of a task, by node's name, and what its treasury gained.

    Args:
        blocks: Blocks that follow one another.
        task: The task.
        before: Node → what it holds before the first of them, in µS.
    """
    held, sums = dict(before), Counter[tuple[str, str]]()
    points: dict[str, list[tuple[int, float]]] = {node: [] for node in before}
    for block in blocks:
        changed = Counter[str]()
        for body in block.events.values():
            if body["task"] == task:
                for (node, reason), amount in _changes(body).items():
                    sums[node, reason] += amount
                    changed[node] += amount
        for node, amount in changed.items():
            if amount or node not in held:
                held[node] = held.get(node, 0) + amount
                points.setdefault(node, []).append((block.height, held[node] / MICRO))
    treasury = held.pop(TREASURY, 0)
    return [
        StakeMoves(
            node=node,
            start=before[node] / MICRO if node in before else None,
            end=held[node] / MICRO,
            paid=sums[node, "paid"] / MICRO,
            judged=sums[node, "judged"] / MICRO,
            levelled=sums[node, "levelled"] / MICRO,
            slashed=sums[node, "slashed"] / MICRO,
            points=points[node],
        )
        for node in sorted(held)
    ], treasury / MICRO


def _changes(body: Body) -> Changes:
    """What an event did to the accounts of its task."""
    kind = body["kind"]
    if kind == "settle":
        return _settled(body)
    if kind == "open":
        return {(body["node"], "paid"): body["deposit"]}
    if kind in {"deposit", "withdraw"}:
        return {(body["node"], "paid"): body["amount"] if kind == "deposit" else -body["amount"]}
    return {}


def _settled(body: Body) -> Changes:
    by = "slashed" if body["policy"] == "seed" else "judged"
    found = {(TREASURY, by): int(body["treasury"])}
    for node, numbers in body["nodes"].items():
        sums = NodeSums(*numbers)
        found[node, by] = sums.delta
        if sums.levelling:
            found[node, "levelled"] = sums.levelling
    return found
