"""What the service writes into the ledger by itself: accounts, versions, standing, the policy declared.

A node met for the first time gets an account; one that serves another version gets its record started
anew; a task's policy goes into the ledger before it is used; and whoever is due to be jailed or released
is, also between two settlements (`concord.settlement.standing` says who). Every replica does all of this, and the
events' keys see to it that each happens once. It decides nothing about rounds and moves no stake.

Beside that it shows the newest state as metrics and keeps the schemas of tasks in the journal.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Final

from concord.consensus.ensembles import Ensembles, stated_accuracy
from concord.consensus.node_client import NodeClients
from concord.errors import ConcordError, ConfigurationError, Conflict, JournalUnavailable
from concord.journal import Journal
from concord.ledger import events
from concord.ledger.state import State, TaskState
from concord.observability import metrics
from concord.policies.scoring import PPM
from concord.policies.stake import MICRO
from concord.settlement.settler import Settler
from concord.settlement.standing import release_missing_voters, review
from concord.tasks.schema import TaskSchema
from concord.util.background import spawn

HOUSEKEEPING_SECONDS: Final = 0.1
"""How soon a node that has just been met gets its account."""

CONTRADICTED_SECONDS: Final = 10.0
"""How long the ledger may have another policy or version than what is declared or served, before it is set:
while replicas or nodes are rolled, old ones and new ones say different things by turns."""

DISPUTED_SECONDS: Final = 600.0
"""The same for a version that this replica has written before and another has replaced since: each promotion
starts a record anew, and two replicas that see two pods of one node would do so by turns."""

_log = logging.getLogger(__name__)


class Reconciler:
    """Keeps the ledger's accounts in line with what is declared and served.

    Args:
        panels: What there is.
        members: The nodes.
        settler: Who appends.
        journal: Where schemas are kept.
    """

    def __init__(self, panels: Ensembles, members: NodeClients, settler: Settler, journal: Journal) -> None:
        self._ensembles, self._members, self._settler, self._journal = panels, members, settler, journal
        self._task: asyncio.Task[None] | None = None
        self._remembered = False
        self._counted: int | None = None
        self._since: dict[tuple[str, str], tuple[str, float]] = {}
        self._promoted: dict[tuple[str, str], str] = {}

    async def start(self) -> None:
        """Begins; reads the schemas known from before, if the journal lets it."""
        with contextlib.suppress(JournalUnavailable):
            await self._remember_schemas()
        self._task = spawn(self._run(), "housekeeping")

    async def close(self) -> None:
        """Stops."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Acts whenever a member or the ledger has changed, or something was to be waited for."""
        done, shown = (-1, -1), (-1, -1)
        while True:
            state = (self._members.revision, self._settler.head.height)
            if (state != done or self._since) and await self._tidy():
                done = state
            if state != shown:
                self._show_state()
                shown = state
            metrics.LEDGER_ALARM.set(self._settler.alarm is not None)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _tidy(self) -> bool:
        """Appends what is wanted and keeps schemas; false if something failed and is to be tried again."""
        if not self._settler.started:
            return False
        try:
            wanted = [event for task in self._ensembles.declared for event in self._wanted(task)]
            if wanted:
                await self._settler.append(wanted)
            elif any(self._reviewed(self._settler.head.state)):
                # Made anew on the head that they are written on: what another replica has done meanwhile may
                # leave too few who count.
                await self._settler.append(self._changes)
            if not self._remembered:
                await self._remember_schemas()
            for task in self._ensembles.declared:
                await self._keep_schema(task)
        except Conflict:
            # Another replica has just written the same change from another state: look again.
            return False
        except ConcordError as error:
            _log.error("ledger not tidied", extra={"reason": error.message})
            await asyncio.sleep(1)
            return False
        return True

    def _wanted(self, task: str) -> list[events.Event]:
        """The events by which a declared task becomes what is declared, served and due."""
        state = self._ensembles.states().get(task)
        wanted = [*self._parameters(task, state), *self._openings(task, state)]
        return wanted if state is None or wanted else self._versions(task, state)

    def _parameters(self, task: str, state: TaskState | None) -> list[events.Event]:
        settings = self._ensembles.declared[task]
        if state is None:
            opens = sorted(settings.nodes)
            return [events.params(task, settings.policy, opens=opens, score=settings.score)]
        policy, score = settings.policy, settings.score
        declared, known = f"{policy} {score}", f"{state.policy} {state.score}"
        if not self._is_contradicted((task, ""), declared, known, CONTRADICTED_SECONDS):
            if state.opens is not None or not state.accounts:
                return []
            # A ledger from before there was probation does not say who opened the task: whoever is there.
            return [events.params(task, state.policy, opens=sorted(state.accounts), score=state.score)]
        return [events.params(task, policy, opens=state.opens, score=score)]

    def _openings(self, task: str, state: TaskState | None) -> list[events.Event]:
        deposit = self._ensembles.declared[task].deposit * MICRO
        return [
            events.open_account(
                task, node, deposit, stated_accuracy(member.profile), member.profile.info.version
            )
            for node, member in self._members.of(task).items()
            if member.profile is not None and (state is None or node not in state.accounts)
        ]

    def _versions(self, task: str, state: TaskState) -> list[events.Event]:
        """A version is another one once it has been for a while: a rolling update shows both by turns."""
        found = []
        for node, member in self._members.of(task).items():
            account = state.accounts.get(node)
            if member.profile is None or account is None:
                continue
            served, key = member.profile.info.version, (task, node)
            # Somebody has taken back what this replica once wrote: two of them see two pods of one node.
            seconds = DISPUTED_SECONDS if self._promoted.get(key) == served else CONTRADICTED_SECONDS
            if account.version is None or self._is_contradicted(key, served, account.version, seconds):
                self._promoted[key] = served
                found.append(events.promote(task, node, served, account.changes))
        return found

    def _changes(self, state: State) -> list[events.Event]:
        """The changes of standing that a state calls for; Conflict where another replica has made them."""
        due = [event for found in self._reviewed(state) for event in found]
        if not due:
            raise Conflict("No change of standing is due any more.")
        return due

    def _reviewed(self, state: State) -> Iterator[Sequence[events.Event]]:
        """What is due in each of the declared tasks in which anything is."""
        for name, settings in self._ensembles.declared.items():
            if name in state.tasks:
                task = state.tasks[name]
                due = review(name, task, self._malformed(name)).events or release_missing_voters(
                    name, task, settings.nodes
                )
                if due:
                    yield due

    def _malformed(self, name: str) -> dict[str, int]:
        return {node: member.malformed for node, member in self._members.of(name).items()}

    def _look_at(self, name: str, task: TaskState) -> None:
        """Counts malformed answers anew of who is jailed for them, and shows whose jailing is withheld."""
        members = self._members.of(name)
        for node, account in task.accounts.items():
            if account.reason == "invalid" and node in members:
                members[node].forget_malformed()
        due = {one.node for one in review(name, task, self._malformed(name)).withheld}
        for node in task.accounts:
            metrics.JAIL_WITHHELD.labels(name, node).set(node in due)

    def _is_contradicted(self, key: tuple[str, str], declared: str, known: str, seconds: float) -> bool:
        """Whether the ledger has known something else for so long."""
        if declared == known:
            self._since.pop(key, None)
            return False
        now = asyncio.get_running_loop().time()
        said, since = self._since.get(key, (declared, now))
        if said != declared:
            since = now
        self._since[key] = (declared, since)
        return now - since >= seconds

    async def _remember_schemas(self) -> None:
        known = await asyncio.to_thread(self._journal.schemas)
        for task, (_, document) in known.items():
            try:
                if self._ensembles.remembered(task) is None:
                    self._ensembles.remember(task, TaskSchema.from_json(document))
            except ConfigurationError as error:
                _log.warning("schema forgotten", extra={"of": task, "reason": error.message})
        self._remembered = True

    async def _keep_schema(self, task: str) -> None:
        schema = self._ensembles.stated(task)
        if schema is not None and self._ensembles.remembered(task) != schema:
            await asyncio.to_thread(self._journal.save_schema, task, schema.digest, schema.to_json())
            self._ensembles.remember(task, schema)

    # Metrics

    def _show_state(self) -> None:
        """Brings the metrics up to date with the newest block, and counts what it took from nodes."""
        head = self._settler.head
        if self._counted is None and self._settler.ledger_read:
            # What was settled before the start is no event of this process.
            self._counted = head.height
        for block in head.blocks if self._counted is not None else ():
            if block.height > (self._counted or 0):
                for body in block.events.values():
                    if body["kind"] == "settle":
                        _count_debits(body)
        self._counted = head.height if self._settler.ledger_read else None
        metrics.LEDGER_HEIGHT.set(head.height)
        for name, task in self._ensembles.states().items():
            _show_accounts(name, task)
        for name in self._ensembles.declared:
            if name in head.state.tasks:
                self._look_at(name, head.state.tasks[name])
        for name in self._ensembles.names():
            with contextlib.suppress(ConcordError):
                self._ensembles.panel(name)


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
