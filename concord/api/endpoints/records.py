"""What there is to read: tasks, nodes, rounds and the ledger. Nothing here changes anything.

Stake is shown in stake units where people read it (`/v1/nodes`) and in whole µS where it is the
ledger itself (`/v1/ledger`). Balances come from durable blocks only.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from concord.api.endpoints.history import entries, standing_words
from concord.api.endpoints.round_filters import FILTERS, wanted
from concord.api.params import int_param, run_exclusive
from concord.consensus.node_client import NodeClient
from concord.errors import ConcordError, UnknownName
from concord.explain.explanation import Explanations
from concord.explain.votes import AnswerDecoder
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.journal import StoredRound
from concord.ledger.state import PROBATION_ROUNDS
from concord.policies.stake import MICRO, Account
from concord.policies.voting import PPM
from concord.service import Service
from concord.settlement.audit import deep_audit
from concord.tasks.schema import TaskSchema
from concord.types.answers import (
    ChallengerRecord,
    HistoryEntry,
    NodeHistory,
    NodeStatus,
    NodeView,
    Round,
    RoundPage,
    TaskDetail,
    TaskSummary,
    Verdict,
)
from concord.util.times import iso

MOST_ROUNDS: Final = 500
MOST_BLOCKS: Final = 1000
"""Blocks that a node's history looks back on at once."""

_verdict = TypeAdapter(Verdict)


class Records:
    """The reading half of the API."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ensembles = service.ensembles
        # What reads far back takes long and goes one after the other: anybody may ask for it, and all
        # threads together would be missed by the journal.
        self._looking_back, self._verifying, self._explaining = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self._searching = asyncio.Lock()
        self._explanations = Explanations(
            service.ledger, service.journal, label_days=service.settings.label_days
        )

    async def tasks(self, incoming: Request) -> Response:
        """`GET /v1/tasks`."""
        incoming.query()
        return json_response({"tasks": [self._summary(task) for task in self._ensembles.names()]})

    async def task(self, incoming: Request) -> Response:
        """`GET /v1/tasks/{task}`."""
        incoming.query()
        return json_response(self._detail(incoming.path["task"]))

    async def nodes(self, incoming: Request) -> Response:
        """`GET /v1/nodes?task=`."""
        task = incoming.query("task").get("task")
        if task is not None:
            self._ensembles.settings(task)
        names = self._ensembles.names() if task is None else [task]
        return json_response({"nodes": [view for name in names for view in self._nodes(name)]})

    async def history(self, incoming: Request) -> Response:
        """`GET /v1/nodes/{task}/{node}/history?before=`: the newest 1,000 blocks before a height."""
        task, node = incoming.path["task"], incoming.path["node"]
        query = incoming.query("before")
        if (
            node not in self._ensembles.clients(self._known(task))
            and self._ensembles.account(task, node) is None
        ):
            raise UnknownName(f"{task} has no node {node[:60]!r}.", field="node", code="unknown_node")
        end = self._service.settler.head.height + 1
        stop = min(int_param(query, "before", default=end, least=1), end)
        found = await run_exclusive(self._looking_back, self._entries, task, node, stop)
        return json_response(NodeHistory(task, node, found))

    async def rounds(self, incoming: Request) -> Response:
        """`GET /v1/rounds?task=&status=&label=&answer=&id=&since=&until=&limit=&after=`: newest first."""
        query = incoming.query(*FILTERS, "limit", "after")
        sought = wanted(query)
        if sought.task is not None:
            self._ensembles.settings(sought.task)
        limit, after = int_param(query, "limit", default=50, least=1, most=MOST_ROUNDS), query.get("after")
        find = self._service.journal.find
        if sought.is_looked_through:
            stored, end = await run_exclusive(self._searching, find, sought, limit, after)
        else:
            stored, end = await asyncio.to_thread(find, sought, limit, after)
        return json_response(RoundPage([self._round(one) for one in stored], end))

    async def round(self, incoming: Request) -> Response:
        """`GET /v1/rounds/{id}`: the round, why it was answered so, and the proof of its settlement."""
        incoming.query()
        round_id = incoming.path["id"]
        stored = await asyncio.to_thread(self._service.journal.round, round_id)
        if stored is None:
            raise UnknownName(
                f"There is no round {round_id[:40]!r}. A new one takes up to 150 ms to be recorded.",
                field="id",
                code="unknown_round",
            )
        found = self._round(stored)
        explanation = await run_exclusive(
            self._explaining,
            self._explanations.explain,
            stored,
            found.verdict,
            self._schema(stored.task),
            self._service.settler.alarm,
        )
        return json_response(replace(found, explanation=explanation))

    async def ledger(self, incoming: Request) -> Response:
        """`GET /v1/ledger`: the newest state, in µS."""
        incoming.query()
        head = self._service.settler.head
        due = await asyncio.to_thread(self._service.journal.due_count)
        return json_response(
            {
                "height": head.height,
                "hash": head.hash,
                "time": iso(head.time) if head.height else None,
                "unit": "µS",
                "due": due,
                "alarm": self._service.settler.alarm,
                **head.state.to_json(),
            }
        )

    async def verify(self, incoming: Request) -> Response:
        """`GET /v1/ledger/verify`: replays every block and compares it with the journal's notes."""
        incoming.query()
        report = await run_exclusive(self._verifying, self._verify)
        return json_response(report.to_json())

    async def audit(self, incoming: Request) -> Response:
        """`GET /v1/ledger/audit`: settles every block again from the journal's records; minutes, for many."""
        incoming.query()
        report = await run_exclusive(self._verifying, deep_audit, self._service.ledger, self._service.journal)
        return json_response(report.to_json())

    def _verify(self) -> Any:  # noqa: ANN401 - the ledger's report, a dataclass
        return self._service.ledger.verify(self._service.journal.noted_blocks())

    def _round(self, stored: StoredRound) -> Round:
        """A round as it is now: what was due when it was answered may be settled since."""
        verdict = orjson.loads(stored.verdict)
        verdict["recorded"] = True
        if stored.block is not None:
            verdict.update(settlement="settled", block=stored.block)
        elif stored.due:
            # Under `wager` it has become so by its label.
            verdict.update(settlement="due")
        deltas = orjson.loads(stored.record)["deltas"] if stored.record else None
        found = _verdict.validate_python(verdict)
        truth = None
        if stored.label is not None:
            decoder = AnswerDecoder(found, self._schema(stored.task))
            truth = decoder.decode_label(stored.label, stored.label_source or "", stored.label_time or 0)
        return Round(
            id=stored.id,
            task=stored.task,
            time=iso(stored.time),
            request_id=stored.request_id,
            verdict=found,
            features=orjson.loads(stored.features) if stored.features else None,
            traceparent=stored.traceparent,
            block=stored.block,
            deltas=deltas and {node: delta / MICRO for node, delta in deltas.items()},
            truth=truth,
        )

    def _schema(self, task: str) -> TaskSchema | None:
        """What a task asks; None where it is not there any more, or was never heard of."""
        try:
            return self._ensembles.schema(task)
        except ConcordError:
            return None

    def _known(self, task: str) -> str:
        self._ensembles.settings(task)
        return task

    def _entries(self, task: str, node: str, stop: int) -> list[HistoryEntry]:
        """Everything from blocks below `stop`, which never change, whatever comes after them meanwhile."""
        ledger, start = self._service.ledger, max(1, stop - MOST_BLOCKS)
        state = ledger.state_before(start).tasks.get(task)
        account = state.accounts.get(node) if state else None
        return entries(ledger.stream(start, stop), task, node, account.stake if account else 0)

    def _summary(self, task: str) -> TaskSummary:
        members = self._ensembles.clients(task).values()
        try:
            schema = self._ensembles.schema(task)
            title, description = schema.title, schema.description
        except ConcordError:
            title, description = task, "Its nodes have not answered yet."
        return TaskSummary(
            task,
            title,
            description,
            self._ensembles.policy(task),
            self._ensembles.is_ready(task),
            len(members),
            sum(member.status == "up" for member in members),
            self._ensembles.asks(task),
        )

    def _detail(self, task: str) -> TaskDetail:
        schema, settings = self._ensembles.schema(task), self._ensembles.settings(task)
        return TaskDetail(
            task=task,
            title=schema.title,
            description=schema.description,
            policy=self._ensembles.policy(task),
            ready=self._ensembles.is_ready(task),
            quorum=settings.quorum,
            deadline_ms=settings.deadline_ms,
            schema_digest=schema.digest,
            schema=schema.to_json(),
            example=schema.example,
            asks=self._ensembles.asks(task),
        )

    def _nodes(self, task: str) -> Iterable[NodeView]:
        try:
            ensemble = self._ensembles.build(task)
            weights = {
                voter.node: weight for voter, weight in zip(ensemble.voters, ensemble.weights, strict=True)
            }
        except ConcordError:
            weights = {}
        for node, member in self._ensembles.clients(task).items():
            yield self._node(task, node, member, weights.get(node, 0.0))

    def _node(self, task: str, node: str, member: NodeClient, weight: float) -> NodeView:
        account = self._ensembles.account(task, node)
        mismatch = self._ensembles.mismatch(task, member)
        status: NodeStatus = "mismatched" if mismatch else member.status
        info = member.description.info if member.description else None
        return NodeView(
            task=task,
            node=node,
            model=info.model if info else f"{member.task}.{node}",
            version=info.version if info else None,
            status=status,
            weight=weight,
            latency_ms=member.latency_ms,
            url=member.url,
            reason=mismatch or (member.reason if status != "up" else None),
            **_record_of(account),
        )


def _record_of(account: Account | None) -> dict[str, Any]:
    """What the ledger says of a node; nothing has happened yet where it has no account."""
    if account is None:
        return {"standing": "active", "stake": 0.0, "deposit": 0.0, "accuracy": None}
    trial = account.trial
    return {
        "standing": account.standing,
        "standing_reason": standing_words(account),
        "stake": account.stake / MICRO,
        "deposit": account.deposit / MICRO,
        "accuracy": account.accuracy / PPM,
        "skill": account.skill / PPM,
        "labelled": account.labelled,
        "hit_rate": account.hits / account.labelled if account.labelled else None,
        "regret": account.regret / PPM,
        "challenger": trial
        and ChallengerRecord(
            trial.version,
            "proven" if trial.rounds >= PROBATION_ROUNDS else "probation",
            trial.rounds,
            trial.skill / PPM,
        ),
    }
