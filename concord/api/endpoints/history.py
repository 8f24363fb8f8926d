"""`GET /v1/nodes/{task}/{node}/history`: what the ledger's blocks did to one account, and why, in words."""

import asyncio
from collections.abc import Iterable

from concord.api.endpoint import Endpoint, Operation
from concord.api.endpoints.blocks import MOST_BLOCKS
from concord.api.endpoints.stakes import stake_changes
from concord.api.params import before_param, int_schema
from concord.errors import UnknownName
from concord.http.request import Request, Response
from concord.ledger.chain import Block
from concord.ledger.decisions import describe_decision
from concord.ledger.events import Body, NodeSums
from concord.ledger.state import PROBATION_ROUNDS, SHADOW_ROUNDS, TaskState, in_order
from concord.policies.stake import MICRO, PROVEN_ROUNDS, Account
from concord.policies.voting import PPM, WARM_LABELS
from concord.service import Service
from concord.types.nodes import HistoryEntry, NodeHistory
from concord.util.times import iso


class History:
    """Tells the history of each account of one service's ledger."""

    def __init__(self, service: Service) -> None:
        self._ledger, self._settler, self._ensembles = service.ledger, service.settler, service.ensembles
        self._checks = service.checks
        # Reading far back takes long: one history after the other.
        self._lock = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """One node's history."""
        history = Operation(
            "What moved a node's stake",
            NodeHistory,
            name="get_node_history",
            errors=(429, 503),
            query={"before": int_schema()},
        )
        return [Endpoint("GET", "/v1/nodes/{task}/{node}/history", self.get_history, history)]

    async def get_history(self, request: Request) -> Response:
        """The newest 1,000 blocks below a height."""
        task, node = request.path["task"], request.path["node"]
        query = request.query("before")
        self._ensembles.settings(task)
        if node not in self._ensembles.clients(task) and self._ensembles.account(task, node) is None:
            raise UnknownName(f"{task} has no node {node[:60]!r}.", field="node", code="unknown_node")
        stop = before_param(query, self._settler.head.height)
        return await self._checks.answer_alone(
            self._lock, request.caller, self._read_history, task, node, stop
        )

    def _read_history(self, task: str, node: str, stop: int) -> NodeHistory:
        """Everything from blocks below `stop`, which never change while the chain grows."""
        start = max(1, stop - MOST_BLOCKS)
        state = self._ledger.state_before(start).tasks.get(task)
        account = state.accounts.get(node) if state else None
        blocks, stake = self._ledger.stream(start, stop), account.stake if account else 0
        return NodeHistory(task, node, account_changes(blocks, task, node, stake))


def account_changes(blocks: Iterable[Block], task: str, node: str, stake: int) -> list[HistoryEntry]:
    """The changes of one account in these blocks, oldest first.

    Args:
        blocks: Blocks that follow one another.
        task: The account's task.
        node: Its node.
        stake: What it holds before the first of them, in µS.
    """
    history = []
    for block in blocks:
        # In the order in which a block is folded, so that a jailing follows its settlement.
        for event in in_order(block.event_list):
            body = event.body
            reason = _explain_event(body, task, node)
            if reason is None:
                continue
            change = sum(amount for (name, _), amount in stake_changes(body).items() if name == node)
            stake += change
            rounds = NodeSums(*body["nodes"][node]).rounds if event.kind == "settle" else 0
            history.append(
                HistoryEntry(
                    block.height, iso(block.time), event.kind, change / MICRO, stake / MICRO, rounds, reason
                )
            )
    return history


def _explain_event(body: Body, task: str, node: str) -> str | None:
    """Why an event concerns the account, in words; None where it does not."""
    kind = body["kind"]
    if body["task"] != task:
        return None
    if kind == "settle" and node in body["nodes"]:
        return explain_settlement(body, NodeSums(*body["nodes"][node]))
    if body.get("node") != node:
        return None
    payments = {"open": "account opened", "deposit": "stake paid in", "withdraw": "stake withdrawn"}
    payment = payments.get(kind)
    if payment is not None and "by" in body and "why" in body:
        return f"{payment}, by {body['by']}: {body['why']}"
    return payment or explain_standing_change(body)


def explain_settlement(body: Body, sums: NodeSums) -> str:
    """A settlement's effect on one node, in words."""
    if body["policy"] == "seed":
        # A node with next to no stake loses nothing by dissent, so an unchanged stake shows no agreement.
        words = "dissented from the consensus" if sums.delta < 0 else "nothing taken"
        return f"{_count_rounds(sums.rounds)} settled under seed: {words}"
    levelled = f", levelling {sums.levelling / MICRO:+,.4f}" if sums.levelling else ""
    words = f"{sums.hits} right, {sums.delta / MICRO:+,.4f} for it{levelled}"
    return f"{_count_rounds(sums.rounds)} with a label settled under wager: {words}"


def _count_rounds(rounds: int) -> str:
    return "1 round" if rounds == 1 else f"{rounds} rounds"


def explain_standing_change(body: Body) -> str:
    """An event about a node's standing or version, in words."""
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


def explain_standing(account: Account) -> str | None:
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


def explain_newcomer(task: TaskState, account: Account) -> str | None:
    """Why a node that counts may not weigh more than its peers; None where it may."""
    is_limited = task.policy == "wager" and task.labels >= WARM_LABELS and account.standing == "active"
    if not (is_limited and account.is_newcomer):
        return None
    return (
        f"Its version has {account.known_rounds} of {PROVEN_ROUNDS} labelled rounds: its weight is at most "
        "the median of its peers'."
    )
