"""`GET /v1/nodes`: every node's status, weight and account. Stake is in stake units."""

from collections.abc import Iterator
from typing import Any

from concord.api.endpoint import Endpoint, Listed, Operation
from concord.api.endpoints.history import explain_newcomer, explain_standing
from concord.consensus.node_client import NodeClient
from concord.errors import ConcordError
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.ledger.state import PROBATION_ROUNDS, TaskState
from concord.policies.stake import MICRO
from concord.policies.voting import PPM
from concord.service import Service
from concord.types.nodes import ChallengerRecord, NodeStatus, NodeView


class Nodes:
    """Lists the nodes of one service."""

    def __init__(self, service: Service) -> None:
        self._ensembles = service.ensembles

    def endpoints(self) -> list[Endpoint]:
        """The list."""
        listing = Operation(
            "The nodes: status, stake, weight",
            Listed("nodes", NodeView),
            errors=(404,),
            query={"task": {"type": "string"}},
        )
        return [Endpoint("GET", "/v1/nodes", self.list_nodes, listing)]

    async def list_nodes(self, request: Request) -> Response:
        """The nodes of a task, or of all."""
        task = request.query("task").get("task")
        if task is not None:
            self._ensembles.settings(task)
        tasks = self._ensembles.names() if task is None else [task]
        return json_response({"nodes": [view for name in tasks for view in self._list_views(name)]})

    def _list_views(self, task: str) -> Iterator[NodeView]:
        try:
            ensemble = self._ensembles.build(task)
            weights = {
                voter.node: weight for voter, weight in zip(ensemble.voters, ensemble.weights, strict=True)
            }
        except ConcordError:
            weights = {}
        for node, client in self._ensembles.clients(task).items():
            yield self._make_view(task, node, client, weights.get(node, 0.0))

    def _make_view(self, task: str, node: str, client: NodeClient, weight: float) -> NodeView:
        mismatch = self._ensembles.mismatch(task, client)
        status: NodeStatus = "mismatched" if mismatch else client.status
        info = client.description.info if client.description else None
        return NodeView(
            task=task,
            node=node,
            model=info.model if info else f"{client.task}.{node}",
            version=info.version if info else None,
            status=status,
            weight=weight,
            latency_ms=client.latency_ms,
            url=client.url,
            reason=mismatch or (client.reason if status != "up" else None),
            **_read_account(self._ensembles.states().get(task), node),
        )


def _read_account(task: TaskState | None, node: str) -> dict[str, Any]:
    """The fields of a view that come from the ledger; without an account nothing has happened yet."""
    account = task.accounts.get(node) if task else None
    if task is None or account is None:
        return {"standing": "active", "stake": 0.0, "deposit": 0.0, "accuracy": None}
    trial = account.trial
    return {
        "standing": account.standing,
        "standing_reason": explain_standing(account) or explain_newcomer(task, account),
        "stake": account.stake / MICRO,
        "deposit": account.deposit / MICRO,
        # The ledger has 0 for a node that states none, such as a regression's.
        "accuracy": account.accuracy / PPM if account.accuracy else None,
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
