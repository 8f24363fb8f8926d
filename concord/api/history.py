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
        blocks: Blocks that follow one another.
        task: The account's task.
        node: Its node.
        stake: What it holds before the first of them, in µS.
    """
    found = []
    for block in blocks:
        for body in block.events.values():
            change, rounds, reason = _change(body, task, node)
            stake += change
            if reason is not None:
                entry = HistoryEntry(
                    block.height, iso(block.time), body["kind"], change / MICRO, stake / MICRO, rounds, reason
                )
                found.append(entry)
    return found


def _change(body: Any, task: str, node: str) -> tuple[int, int, str | None]:  # noqa: ANN401 - an event's body
    """What an event did to the account: µS, rounds, and why in words (None: nothing)."""
    if body["task"] != task:
        return 0, 0, None
    if body["kind"] == "settle" and node in body["nodes"]:
        rounds, delta, levelling, *_ = body["nodes"][node]
        # Who dissents with next to nothing loses nothing, so an unchanged stake tells of no agreement.
        words = "dissented from the consensus" if delta < 0 else "nothing taken"
        counted = "1 round" if rounds == 1 else f"{rounds} rounds"
        return delta + levelling, rounds, f"{counted} settled under {body['policy']}: {words}"
    if body.get("node") != node:
        return 0, 0, None
    if body["kind"] == "open":
        return body["deposit"], 0, "account opened"
    amount = body["amount"] if body["kind"] == "deposit" else -body["amount"]
    return amount, 0, "stake paid in" if amount > 0 else "stake withdrawn"


def iso(micros: int) -> str:
    """µs since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="milliseconds")
