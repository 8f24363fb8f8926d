"""What the ledger's blocks did to one account, and why, in words."""

from collections.abc import Iterable

from concord.ledger.chain import Block
from concord.ledger.decisions import describe_decision
from concord.ledger.events import Body, NodeSums
from concord.ledger.state import PROBATION_ROUNDS, SHADOW_ROUNDS, in_order
from concord.policies.stake import MICRO, Account
from concord.policies.voting import PPM
from concord.types.answers import HistoryEntry
from concord.util.times import iso


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
        # In the order in which a block is folded, so that a jailing follows its settlement.
        for event in in_order(block.event_list):
            change, rounds, reason = _change(event.body, task, node)
            stake += change
            if reason is not None:
                kind = event.kind
                entry = HistoryEntry(
                    block.height, iso(block.time), kind, change / MICRO, stake / MICRO, rounds, reason
                )
                found.append(entry)
    return found


def _change(body: Body, task: str, node: str) -> tuple[int, int, str | None]:
    """What an event did to the account: µS, rounds, and why in words (None: nothing)."""
    if body["task"] != task:
        return 0, 0, None
    if body["kind"] == "settle" and node in body["nodes"]:
        return _settled(body, NodeSums(*body["nodes"][node]))
    if body.get("node") != node:
        return 0, 0, None
    if body["kind"] == "open":
        return body["deposit"], 0, "account opened"
    if body["kind"] in {"deposit", "withdraw"}:
        amount = body["amount"] if body["kind"] == "deposit" else -body["amount"]
        return amount, 0, "stake paid in" if amount > 0 else "stake withdrawn"
    return 0, 0, _standing_changed(body)


def _settled(body: Body, sums: NodeSums) -> tuple[int, int, str]:
    if body["policy"] == "seed":
        # Who dissents with next to nothing loses nothing, so an unchanged stake tells of no agreement.
        words = "dissented from the consensus" if sums.delta < 0 else "nothing taken"
        return sums.delta, sums.rounds, f"{_counted(sums.rounds)} settled under seed: {words}"
    levelled = f", levelling {sums.levelling / MICRO:+,.4f}" if sums.levelling else ""
    words = f"{sums.hits} right, {sums.delta / MICRO:+,.4f} for it{levelled}"
    return (
        sums.delta + sums.levelling,
        sums.rounds,
        f"{_counted(sums.rounds)} with a label settled under wager: {words}",
    )


def _counted(rounds: int) -> str:
    return "1 round" if rounds == 1 else f"{rounds} rounds"


def _standing_changed(body: Body) -> str:
    if body["kind"] == "appoint":
        return describe_decision(body)
    if body["kind"] == "promote":
        return f"serves version {body['version']}: its record starts anew, or goes on from its trial"
    if body["kind"] == "release":
        return f"counts again, by {body['by']}: {body['why']}" if body["to"] == "active" else body["why"]
    measured = body["measured"]
    return {
        "regret": f"jailed: {measured / PPM:.2f} rounds lost against the mean, 6 are admitted",
        "invalid": f"jailed: {measured} malformed answers among its last 100",
        "stake": f"jailed: its stake of {measured / MICRO:.2f} is under 10",
    }[body["reason"]]


def standing_words(account: Account) -> str | None:
    """Why a node does not count, and what would change that, for people; None where it counts."""
    if account.standing == "active":
        return None
    if account.standing == "probation":
        return f"On probation: {account.watched} of {PROBATION_ROUNDS} labelled rounds watched."
    if account.reason == "invalid":
        return "Jailed for malformed answers: it is not asked until it serves another version or is released."
    if account.reason == "stake":
        return "Jailed because its stake fell under 10: paying in brings it back."
    watched = f"{min(account.watched, SHADOW_ROUNDS)} of {SHADOW_ROUNDS} labelled rounds watched"
    if not account.watched:
        return f"Jailed for regret: {watched}."
    mean = account.watched_regret / account.watched / PPM
    return f"Jailed for regret: {watched}, with a mean regret of {mean:.3f} (0.100 is admitted)."
