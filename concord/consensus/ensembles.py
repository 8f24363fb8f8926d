"""Builds the ensemble of every task from what is declared, what its nodes state and what the ledger has.

The nodes file names the tasks and their nodes, the nodes state their schemas and versions, and the ledger's
head has accounts, policies, standings, and tasks that borrow another task's nodes. The last schema of a task
is remembered, so that a service that starts before its nodes answers `no_quorum` and not `unknown_task`.

A service that starts while ledger or journal are away answers all the same: as long as the ledger could not
be read, each node has the deposit that the nodes file gives it and the height is 0. A policy that moves
money on an answer (`seed`) is refused then, since its answer depends on the stakes.
"""

from collections.abc import Mapping

from concord.consensus.ensemble import Ensemble, NonVoter, TaskPolicy, voters_of
from concord.consensus.node_client import NodeClient
from concord.consensus.node_clients import NodeClients
from concord.consensus.poll import PollLimits
from concord.errors import (
    ConcordError,
    JournalUnavailable,
    LedgerUnavailable,
    NoQuorum,
    UnknownName,
)
from concord.ledger.state import TaskState
from concord.policies.stake import MICRO, Account
from concord.policies.voting import PPM, Voter
from concord.settings import NodesFile, PolicyName, TaskSettings
from concord.settlement.settler import Settler
from concord.tasks.schema import TaskSchema


class Ensembles:
    """The tasks that there are, and the ensemble of each on the newest state.

    Args:
        declared: The nodes file.
        node_clients: The nodes, with what they state.
        settler: Has the ledger's newest head.
    """

    def __init__(self, declared: NodesFile, node_clients: NodeClients, settler: Settler) -> None:
        self.declared: Mapping[str, TaskSettings] = declared.tasks
        """The settings of each task in the nodes file."""
        self._node_clients = node_clients
        self._settler = settler
        self.last_schemas: dict[str, TaskSchema] = {}
        """The last schema of each task, in case that no node answers."""

    def names(self) -> list[str]:
        """All tasks, declared or opened in the ledger, sorted."""
        borrowed = (task for task, state in self.states().items() if state.asks in self.declared)
        return sorted({*self.declared, *borrowed})

    def asks(self, task: str) -> str | None:
        """The task whose nodes this one asks, where it has none of its own."""
        state = self.states().get(task)
        return state.asks if state and task not in self.declared else None

    def clients(self, task: str) -> dict[str, NodeClient]:
        """The nodes that the task may ask, by name, even if they state another schema."""
        asks = self.asks(task)
        clients = self._node_clients.by_node(asks or task)
        chosen = self.states()[task].members if asks else None
        return {node: client for node, client in clients.items() if chosen is None or node in chosen}

    def settings(self, task: str) -> TaskSettings:
        """How the task is asked.

        Raises:
            UnknownName: There is no such task.
        """
        settings = self.declared.get(self.asks(task) or task)
        if settings is None and not self._settler.ledger_read:
            # It may be one that only the ledger knows.
            raise self._not_started(task)
        if settings is None:
            known = ", ".join(self.names()) or "none"
            raise UnknownName(
                f"There is no task {task[:60]!r}. Known: {known}.", field="task", code="unknown_task"
            )
        return settings

    def schema(self, task: str) -> TaskSchema:
        """The schema that most of the task's deposits state, or the last one that they stated.

        Raises:
            UnknownName: There is no such task.
            NoQuorum: It is declared, and no node has ever said what it asks.
        """
        self.settings(task)
        schema = self.stated_schema(task) or self.last_schemas.get(self.asks(task) or task)
        if schema is None:
            raise NoQuorum(
                f"No node of {task} has answered yet, so what it asks is not known. Try again soon."
            )
        return schema

    def is_ready(self, task: str) -> bool:
        """Whether nodes that hold the quorum are up, as far as is known; no node is asked."""
        try:
            ensemble = self.build(task)
        except ConcordError:
            return False
        up = sum(
            voter.deposit
            for voter, client in zip(ensemble.voters, ensemble.clients, strict=True)
            if client is not None and client.status == "up"
        )
        return bool(ensemble.voters) and up * PPM >= sum(ensemble.deposits) * ensemble.policy.limits.quorum

    def account(self, task: str, node: str) -> Account | None:
        """A node's account, whether or not it is asked; None before it is open."""
        state = self.states().get(task)
        return state.accounts.get(node) if state else None

    def policy(self, task: str) -> PolicyName:
        """The policy in force, or the declared one as long as the ledger has none."""
        state = self.states().get(task)
        if state is None:
            return self.settings(task).policy
        return "seed" if state.policy == "seed" else "wager"

    def mismatch(self, task: str, client: NodeClient) -> str | None:
        """Why a node is not asked although it is up: its file was not appointed, or its schema differs."""
        schema, description = self.schema(task), client.description
        if description is None:
            return None
        if unappointed := self._unappointed(client):
            return unappointed
        if description.schema.digest == schema.digest:
            return None
        return f"It states schema {description.schema.digest[:12]}, the task's is {schema.digest[:12]}."

    def _unappointed(self, client: NodeClient) -> str | None:
        """Why a node's file is not the one that the ledger appointed; None where it may answer."""
        account = self.account(client.task, client.node)
        if account is None or client.description is None:
            return None
        info = client.description.info
        if account.admits(info.version, info.digest):
            return None
        version, digest = account.champion
        return (
            f"It serves version {info.version} with the file {info.digest[:12]}; the ledger appointed "
            f"version {version} with the file {str(digest)[:12]}."
        )

    def build(self, task: str) -> Ensemble:
        """The task's ensemble on the newest height, made anew.

        Raises:
            UnknownName: There is no such task.
            NoQuorum: None of its nodes has an account yet.
            LedgerUnavailable: Its policy needs the stakes, and the ledger could not be read yet.
            JournalUnavailable: The same, where no account can be opened yet.
        """
        settings, schema = self.settings(task), self.schema(task)
        state, policy = self.states().get(task), self.policy(task)
        has_accounts = state is not None and bool(state.accounts)
        if not has_accounts and self._settler.started:
            raise NoQuorum(f"No node of {task} has an account yet; the first ones are being opened.")
        if not has_accounts and policy == "seed":
            raise self._not_started(task)
        limits = PollLimits(
            round(settings.quorum * PPM), settings.deadline_ms / 1000, settings.grace_ms / 1000
        )
        clients, voters, non_voters = self._sort_nodes(task, settings, state if has_accounts else None)
        return Ensemble(
            task,
            schema,
            clients,
            voters,
            TaskPolicy(policy, limits, settings.below_quorum, settings.fallback),
            self._settler.head.height,
            non_voters,
            state.labels if state else 0,
            state.sigma if state else None,
        )

    def _sort_nodes(
        self, task: str, settings: TaskSettings, state: TaskState | None
    ) -> tuple[tuple[NodeClient | None, ...], tuple[Voter, ...], tuple[NonVoter, ...]]:
        """The nodes that count with their accounts, and those that do not; no state: no accounts."""
        accounts = {voter.node: voter for voter in voters_of(state)} if state else {}
        clients: list[NodeClient | None] = []
        voters: list[Voter] = []
        non_voters: list[NonVoter] = []
        for node, client in self.clients(task).items():
            voter = accounts.get(node) if state else _as_opened(node, client, settings)
            asked = None if self.mismatch(task, client) else client
            if voter is None or voter.counts:
                voters.append(voter or Voter(node, 0, 0))
                clients.append(asked)
            elif state is not None and state.accounts[node].reason == "invalid":
                non_voters.append(NonVoter(node, "jailed", None, voter.version))
            else:
                non_voters.append(NonVoter(node, "shadow", asked, voter.version))
        return tuple(clients), tuple(voters), tuple(non_voters)

    def _not_started(self, task: str) -> ConcordError:
        """Why what needs stakes is refused for now."""
        if self._settler.ledger_read:
            return JournalUnavailable(
                f"No node of {task[:60]} has an account, and none can be opened without the journal."
            )
        return LedgerUnavailable(
            f"The ledger could not be read since the start, and {task[:60]} needs its stakes. Try again soon."
        )

    def stated_schema(self, task: str) -> TaskSchema | None:
        """The schema with most deposits behind it; ties go to the smaller digest."""
        deposits: dict[str, int] = {}
        schemas: dict[str, TaskSchema] = {}
        for node, client in self.clients(task).items():
            if client.description is not None and not self._unappointed(client):
                account, digest = self.account(task, node), client.description.schema.digest
                deposits[digest] = deposits.get(digest, 0) + (account.deposit if account else 0)
                schemas[digest] = client.description.schema
        return schemas[min(deposits, key=lambda digest: (-deposits[digest], digest))] if deposits else None

    def states(self) -> Mapping[str, TaskState]:
        """The newest state of every task in the ledger."""
        return self._settler.head.state.tasks


def _as_opened(node: str, client: NodeClient, settings: TaskSettings) -> Voter | None:
    """A node as its account will be opened, once it has stated what it serves."""
    if client.description is None:
        return None
    deposit = settings.deposit * MICRO
    return Voter(node, deposit, deposit, client.description.accuracy)
