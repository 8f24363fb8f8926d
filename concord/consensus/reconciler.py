"""The reconciler: brings the ledger in line with what is declared and served, and moves no stake.

It opens accounts for new nodes, starts a node's record anew when its version changes, writes a task's policy
before it is used, and jails and releases nodes between settlements (`concord.settlement.jailing`). Every
replica runs one; the events' keys make each change happen once. It also keeps schemas and metrics up to date.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Final

from concord.consensus.ensemble import Ensemble
from concord.consensus.ensembles import Ensembles
from concord.consensus.node_clients import NodeClients
from concord.errors import ConcordError, ConfigurationError, Conflict, JournalUnavailable
from concord.journal import Journal
from concord.ledger import events
from concord.ledger.state import State, TaskState
from concord.observability import metrics
from concord.policies.stake import MICRO
from concord.policies.voting import PPM
from concord.settlement.jailing import release_missing_voters, review
from concord.settlement.settler import Settler
from concord.tasks.schema import TaskSchema
from concord.util.background import spawn

RECONCILE_SECONDS: Final = 0.1
"""How often it looks for changes, and so how soon a new node gets its account."""

CONTRADICTED_SECONDS: Final = 10.0
"""How long the ledger may have another policy or version than what is declared or served, before it is set:
while replicas or nodes are rolled, old ones and new ones state different values by turns."""

DISPUTED_SECONDS: Final = 600.0
"""The same for a version that this replica has written before and another has replaced since: each promotion
starts a record anew, and two replicas that see two pods of one node would do so by turns."""

_log = logging.getLogger(__name__)


class Reconciler:
    """Keeps the ledger's accounts in line with what is declared and served.

    Args:
        ensembles: The tasks, and what their nodes state.
        node_clients: The nodes.
        settler: Appends events.
        journal: Where schemas are kept.
    """

    def __init__(
        self, ensembles: Ensembles, node_clients: NodeClients, settler: Settler, journal: Journal
    ) -> None:
        self._ensembles, self._node_clients = ensembles, node_clients
        self._settler, self._journal = settler, journal
        self._task: asyncio.Task[None] | None = None
        self._has_schemas = False
        self._counted_height: int | None = None
        self._contradicted: dict[tuple[str, str], tuple[str, float]] = {}
        """Task and node → another value than the ledger has, and since when it is declared or served."""
        self._promoted: dict[tuple[str, str], str] = {}

    async def start(self) -> None:
        """Begins; reads the schemas that the journal has, if it can be reached."""
        with contextlib.suppress(JournalUnavailable):
            await self._read_schemas()
        self._task = spawn(self._run(), "reconciler")

    async def close(self) -> None:
        """Stops."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Reconciles whenever a node or the ledger has changed, and while a contradiction lasts."""
        reconciled, shown = (-1, -1), (-1, -1)
        while True:
            state = (self._node_clients.revision, self._settler.head.height)
            if (state != reconciled or self._contradicted) and await self._reconcile():
                reconciled = state
            if state != shown:
                self._show_state()
                shown = state
            metrics.LEDGER_ALARM.set(self._settler.alarm is not None)
            await asyncio.sleep(RECONCILE_SECONDS)

    async def _reconcile(self) -> bool:
        """Appends the events that are due and keeps schemas; false if a step is to be tried again."""
        if not self._settler.started:
            return False
        try:
            events_due = [event for task in self._ensembles.declared for event in self._events(task)]
            if events_due:
                await self._settler.append(events_due)
            elif any(self._standing_events(self._settler.head.state)):
                # Made anew on the head that they are written on: what another replica has done meanwhile may
                # leave too few nodes that count.
                await self._settler.append(self._changes)
            if not self._has_schemas:
                await self._read_schemas()
            for task in self._ensembles.declared:
                await self._save_schema(task)
        except Conflict:
            # Another replica has just written the same change from another state: look again.
            return False
        except ConcordError as error:
            _log.error("ledger not reconciled", extra={"reason": error.message})
            await asyncio.sleep(1)
            return False
        return True

    def _events(self, task: str) -> list[events.Event]:
        """The events that bring a declared task's policy, accounts and versions up to date."""
        state = self._ensembles.states().get(task)
        due = [*self._parameters(task, state), *self._openings(task, state)]
        return due if state is None or due else self._versions(task, state)

    def _parameters(self, task: str, state: TaskState | None) -> list[events.Event]:
        settings = self._ensembles.declared[task]
        if state is None:
            opens = sorted(settings.nodes)
            return [events.params(task, settings.policy, opens=opens, score=settings.score)]
        policy, score = settings.policy, settings.score
        declared, current = f"{policy} {score}", f"{state.policy} {state.score}"
        if not self._is_contradicted((task, ""), declared, current, CONTRADICTED_SECONDS):
            if state.opens is not None or not state.accounts:
                return []
            # A ledger from before there was probation does not name the nodes that opened the task.
            return [events.params(task, state.policy, opens=sorted(state.accounts), score=state.score)]
        return [events.params(task, policy, opens=state.opens, score=score)]

    def _openings(self, task: str, state: TaskState | None) -> list[events.Event]:
        deposit = self._ensembles.declared[task].deposit * MICRO
        return [
            events.open_account(
                task,
                node,
                deposit,
                stated.accuracy,
                stated.info.version,
                digest=stated.info.digest,
                newcomer=True,
            )
            for node, client in self._node_clients.by_node(task).items()
            if (stated := client.description) is not None and (state is None or node not in state.accounts)
        ]

    def _versions(self, task: str, state: TaskState) -> list[events.Event]:
        """A version is another one once it has been for a while: a rolling update shows both by turns."""
        promotions = []
        for node, client in self._node_clients.by_node(task).items():
            account = state.accounts.get(node)
            if client.description is None or account is None:
                continue
            info, key = client.description.info, (task, node)
            if not account.admits(info.version, info.digest):
                # It is not asked, so no record of it is kept.
                self._contradicted.pop(key, None)
                continue
            served, recorded = _file(info.version, info.digest), _file(account.version, account.digest)
            # Another replica has taken back what this one once wrote: the two see two pods of one node.
            seconds = DISPUTED_SECONDS if self._promoted.get(key) == served else CONTRADICTED_SECONDS
            is_noted = account.version == info.version and account.digest is None
            if account.version is None or is_noted or self._is_contradicted(key, served, recorded, seconds):
                self._promoted[key] = served
                promotions.append(
                    events.promote(
                        task, node, info.version, account.changes, digest=info.digest, newcomer=True
                    )
                )
        return promotions

    def _changes(self, state: State) -> list[events.Event]:
        """The changes of standing that a state calls for; Conflict where another replica has made them."""
        due = [event for task_events in self._standing_events(state) for event in task_events]
        if not due:
            raise Conflict("No change of standing is due any more.")
        return due

    def _standing_events(self, state: State) -> Iterator[Sequence[events.Event]]:
        """The changes of standing that are due, for each of the declared tasks that has any."""
        for name, settings in self._ensembles.declared.items():
            if name in state.tasks:
                task = state.tasks[name]
                due = review(name, task, self._malformed(name)).events or release_missing_voters(
                    name, task, settings.nodes
                )
                if due:
                    yield due

    def _malformed(self, task: str) -> dict[str, int]:
        return {node: client.malformed for node, client in self._node_clients.by_node(task).items()}

    def _is_contradicted(self, key: tuple[str, str], declared: str, current: str, seconds: float) -> bool:
        """Whether the ledger has had another value than the declared one for so many seconds."""
        if declared == current:
            self._contradicted.pop(key, None)
            return False
        now = asyncio.get_running_loop().time()
        value, since = self._contradicted.get(key, (declared, now))
        if value != declared:
            since = now
        self._contradicted[key] = (declared, since)
        return now - since >= seconds

    async def _read_schemas(self) -> None:
        schemas = await asyncio.to_thread(self._journal.schemas)
        for task, (_, document) in schemas.items():
            try:
                if task not in self._ensembles.last_schemas:
                    self._ensembles.last_schemas[task] = TaskSchema.from_json(document)
            except ConfigurationError as error:
                _log.warning("schema forgotten", extra={"of": task, "reason": error.message})
        self._has_schemas = True

    async def _save_schema(self, task: str) -> None:
        schema = self._ensembles.stated_schema(task)
        if schema is not None and self._ensembles.last_schemas.get(task) != schema:
            await asyncio.to_thread(self._journal.save_schema, task, schema.digest, schema.to_json())
            self._ensembles.last_schemas[task] = schema

    # Metrics

    def _show_state(self) -> None:
        """Brings the metrics up to date with the newest block, and counts what it took from nodes."""
        head = self._settler.head
        if self._counted_height is None and self._settler.ledger_read:
            # What was settled before the start is no event of this process.
            self._counted_height = head.height
        for block in head.blocks if self._counted_height is not None else ():
            if block.height > (self._counted_height or 0):
                for body in block.events.values():
                    if body["kind"] == "settle":
                        _count_debits(body)
        self._counted_height = head.height if self._settler.ledger_read else None
        metrics.LEDGER_HEIGHT.set(head.height)
        for name, task in self._ensembles.states().items():
            _show_accounts(name, task)
        for name in self._ensembles.declared:
            if name in head.state.tasks:
                self._show_withheld(name, head.state.tasks[name])
        for name in self._ensembles.names():
            with contextlib.suppress(ConcordError):
                _show_weights(self._ensembles.build(name))

    def _show_withheld(self, name: str, task: TaskState) -> None:
        """Shows whose jailing is withheld, and counts malformed answers anew of nodes jailed for them."""
        clients = self._node_clients.by_node(name)
        for node, account in task.accounts.items():
            if account.reason == "invalid" and node in clients:
                clients[node].forget_malformed()
        withheld = review(name, task, self._malformed(name)).withheld
        for node in task.accounts:
            metrics.JAIL_WITHHELD.labels(name, node).set(node in withheld)


def _file(version: str | None, digest: str | None) -> str:
    return f"{version} {digest}"


def _show_weights(ensemble: Ensemble) -> None:
    for voter, weight in zip(ensemble.voters, ensemble.weights, strict=True):
        metrics.WEIGHT.labels(ensemble.task, voter.node).set(weight)
    for non_voter in ensemble.non_voters:
        metrics.WEIGHT.labels(ensemble.task, non_voter.node).set(0)


def _show_accounts(name: str, task: TaskState) -> None:
    metrics.IMBALANCE.labels(name).set(task.imbalance / MICRO)
    metrics.LABELLED_ROUNDS.labels(name).set(task.labels)
    for node, account in task.accounts.items():
        metrics.STAKE.labels(name, node).set(account.stake / MICRO)
        metrics.SKILL.labels(name, node).set(account.skill / PPM)
        metrics.REGRET.labels(name, node).set(account.regret / PPM)
        if account.labelled:
            metrics.HIT_RATE.labels(name, node).set(account.hits / account.labelled)
        metrics.JAILED.labels(name, node).set(account.standing == "jailed")
        metrics.PROBATION.labels(name, node).set(account.standing == "probation")


def _count_debits(settlement: events.Body) -> None:
    for node, (_rounds, delta, *_rest) in settlement["nodes"].items():
        if delta < 0:
            metrics.SLASHES.labels(settlement["task"], node).inc()
            metrics.SLASHED_STAKE.labels(settlement["task"], node).inc(-delta / MICRO)
