"""What the ledger's blocks did to one account, and why, in words."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from concord.ledger.chain import Block
from concord.stake import MICRO
from concord.wire import HistoryEntry


def entries(blocks: Iterable[Block], task: str, node: str, stake: int) -> list[HistoryEntry]:
    """The changes of one account in these blocks, oldest first.

    Args:
        blocks: Up to the newest.
        task: The account's task.
        node: Its node.
        stake: What it holds after the last of them, in µS.
    """
    changes = [
        (block, body["kind"], *_change(body, task, node))
        for block in blocks
        for body in block.events.values()
    ]
    stake -= sum(change for _, _, change, _, _ in changes)
    found = []
    for block, kind, change, rounds, reason in changes:
        stake += change
        if reason is not None:
            entry = HistoryEntry(
                block.height, iso(block.time), kind, change / MICRO, stake / MICRO, rounds, reason
            )
            found.append(entry)
    return found


def _change(body: Any, task: str, node: str) -> tuple[int, int, str | None]:  # noqa: ANN401 - an event's body
    """What an event did to the account: µS, rounds, and why in words (None: nothing)."""
    if body["task"] != task:
        return 0, 0, None
    if body["kind"] == "settle" and node in body["nodes"]:
        rounds, delta, levelling, *_ = body["nodes"][node]
        words = "dissented from the consensus" if delta < 0 else "agreed with the consensus"
        return delta + levelling, rounds, f"{rounds} rounds settled under {body['policy']}: {words}"
    if body.get("node") != node:
        return 0, 0, None
    if body["kind"] == "open":
        return body["deposit"], 0, "account opened"
    amount = body["amount"] if body["kind"] == "deposit" else -body["amount"]
    return amount, 0, "stake paid in" if amount > 0 else "stake withdrawn"


def iso(micros: int) -> str:
    """µs since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="milliseconds")
