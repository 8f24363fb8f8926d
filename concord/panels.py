"""Which tasks there are, and who sits in each right now.

Three sources meet here: the nodes file (what the operator declared), the members (what the nodes
say of themselves) and the ledger's head (accounts, policy, tasks that borrow another's nodes). A
node met for the first time gets an account; a task's policy goes into the ledger before it is
used. The last schema known of a task is kept in the journal, so that a service that starts before
its nodes answers `no_quorum` and not `unknown_task`.

A service that starts while ledger or journal are away answers all the same, with every node on the
deposit that the nodes file gives it, as on the ledger's first day, and height 0, as long as the ledger
could not be read. A policy that moves money on an answer (`seed`) is refused then: its answer is made of
stakes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Final

from concord import metrics
from concord.background import spawn
from concord.errors import (
    ConcordError,
    ConfigurationError,
    JournalUnavailable,
    LedgerUnavailable,
    NoQuorum,
    UnknownName,
)
from concord.journal import Journal
from concord.ledger import events
from concord.ledger.state import TaskState
from concord.members import Member, Members, Profile
from concord.panel import Panel, Terms
from concord.pool import ONE, Seat
from concord.round import Asked, OnReply, Patience, Question, Reply, Ticket
from concord.schema import TaskSchema
from concord.settings import NodesFile, PolicyName, TaskSettings
from concord.settler import Settler
from concord.stake import MICRO

HOUSEKEEPING_SECONDS: Final = 0.1
"""How soon a node that has just been met gets its account."""

CONTRADICTED_SECONDS: Final = 10.0
"""How long the ledger may have another policy than the nodes file before it is set again: while replicas are
rolled, old ones and new ones have different files, and they must not set it by turns."""

_log = logging.getLogger(__name__)


class Panels:
    """The panel of every task, rebuilt when the ledger or a member has changed."""

    def __init__(self, declared: NodesFile, members: Members, settler: Settler, journal: Journal) -> None:
        self._declared = declared.tasks
        self._members = members
        self._settler = settler
        self._journal = journal
        self._schemas: dict[str, TaskSchema] = {}
        self._panels: dict[str, tuple[tuple[int, int], Panel]] = {}
        self._task: asyncio.Task[None] | None = None
        self._counted: int | None = None
        self._remembered = False
        self._contradicted_since: float | None = None

    async def start(self) -> None:
        """Begins to open accounts; reads the schemas known from before, if the journal lets it."""
        with contextlib.suppress(JournalUnavailable):
            await self._remember_schemas()
        self._task = spawn(self._keep_house(), "panels")

    async def close(self) -> None:
        """Stops opening accounts."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def names(self) -> list[str]:
        """All tasks, declared or opened in the ledger, sorted."""
        borrowed = (task for task, state in self._states().items() if state.asks in self._declared)
        return sorted({*self._declared, *borrowed})

    def asks(self, task: str) -> str | None:
        """The task whose nodes this one asks, where it has none of its own."""
        state = self._states().get(task)
        return state.asks if state and task not in self._declared else None

    def members(self, task: str) -> dict[str, Member]:
        """The nodes that the task may ask, by name, whatever they state."""
        asks = self.asks(task)
        nodes = self._members.of(asks or task)
        chosen = self._states()[task].members if asks else None
        return {name: member for name, member in nodes.items() if chosen is None or name in chosen}

    def settings(self, task: str) -> TaskSettings:
        """How the task is asked.

        Raises:
            UnknownName: There is no such task.
        """
        settings = self._declared.get(self.asks(task) or task)
        if settings is None and not self._settler.known:
            # It may be one that only the ledger knows.
            raise self._not_started(task)
        if settings is None:
            known = ", ".join(self.names()) or "none"
            raise UnknownName(
                f"There is no task {task[:60]!r}. Known: {known}.", field="task", code="unknown_task"
            )
        return settings

    def schema(self, task: str) -> TaskSchema:
        """The schema that most of the task's deposits state, or the last one known.

        Raises:
            UnknownName: There is no such task.
            NoQuorum: It is declared, and no node has ever said what it asks.
        """
        self.settings(task)
        schema = self._stated(task) or self._schemas.get(self.asks(task) or task)
        if schema is None:
            raise NoQuorum(
                f"No node of {task} has answered yet, so what it asks is not known. Try again soon."
            )
        return schema

    def panel(self, task: str) -> Panel:
        """The task's panel on the newest height.

        Raises:
            UnknownName: There is no such task.
            NoQuorum: None of its nodes has an account yet.
            LedgerUnavailable: Its policy needs the stakes, and the ledger could not be read yet.
            JournalUnavailable: The same, where no account can be opened yet.
        """
        key = (self._members.revision, self._settler.head.height)
        cached = self._panels.get(task)
        if cached and cached[0] == key:
            return cached[1]
        panel = self._build(task)
        self._panels[task] = (key, panel)
        self._show(panel)
        return panel

    def is_ready(self, task: str) -> bool:
        """Whether nodes that hold the quorum are up; a cached view, it asks nobody."""
        try:
            panel = self.panel(task)
        except ConcordError:
            return False
        up = sum(
            seat.deposit
            for seat, member in zip(panel.seats, panel.members, strict=True)
            if isinstance(member, Member) and member.status == "up"
        )
        return up * ONE >= sum(panel.deposits) * panel.terms.patience.quorum

    def account(self, task: str, node: str) -> Seat | None:
        """A node's seat, whether or not it is asked; None before its account is open."""
        state = self._states().get(task)
        account = state.accounts.get(node) if state else None
        return Seat(node, account.stake, account.deposit, account.accuracy) if account else None

    def policy(self, task: str) -> PolicyName:
        """The policy in force, or the one declared as long as the ledger knows none."""
        state = self._states().get(task)
        return _policy(state) if state else self.settings(task).policy

    def mismatch(self, task: str, member: Member) -> str | None:
        """Why a member is not asked although it is up: it states another schema than most."""
        if member.profile is None or member.profile.digest == self.schema(task).digest:
            return None
        return (
            f"It states schema {member.profile.digest[:12]}, the task's is {self.schema(task).digest[:12]}."
        )

    def _build(self, task: str) -> Panel:
        settings, schema = self.settings(task), self.schema(task)
        accounted, policy = bool((state := self._states().get(task)) and state.accounts), self.policy(task)
        if not accounted and self._settler.started:
            raise NoQuorum(f"No node of {task} has an account yet; the first ones are being opened.")
        if not accounted and policy == "seed":
            raise self._not_started(task)
        seats: list[Seat] = []
        members: list[Asked] = []
        for name, member in self.members(task).items():
            seat = self.account(task, name) if accounted else _as_opened(name, member, settings)
            seats.append(seat or Seat(name, 0, 0))
            members.append(_Absent() if self.mismatch(task, member) else member)
        patience = Patience(
            round(settings.quorum * ONE), settings.deadline_ms / 1000, settings.grace_ms / 1000
        )
        terms = Terms(policy, patience, settings.below_quorum, settings.fallback)
        return Panel(task, schema, tuple(members), tuple(seats), terms, self._settler.head.height)

    def _not_started(self, task: str) -> ConcordError:
        """Why what needs stakes is refused for now."""
        if self._settler.known:
            return JournalUnavailable(
                f"No node of {task[:60]} has an account, and none can be opened without the journal."
            )
        return LedgerUnavailable(
            f"The ledger could not be read since the start, and {task[:60]} needs its stakes. Try again soon."
        )

    def _stated(self, task: str) -> TaskSchema | None:
        """The schema with most deposits behind it; ties go to the smaller digest."""
        behind: dict[str, int] = {}
        schemas: dict[str, TaskSchema] = {}
        for name, member in self.members(task).items():
            if member.profile is not None:
                seat = self.account(task, name)
                digest = member.profile.digest
                behind[digest] = behind.get(digest, 0) + (seat.deposit if seat else 0)
                schemas[digest] = member.profile.schema
        return schemas[min(behind, key=lambda digest: (-behind[digest], digest))] if behind else None

    def _states(self) -> Mapping[str, TaskState]:
        return self._settler.head.state.tasks

    async def _keep_house(self) -> None:
        """Opens accounts and keeps schemas whenever a member has changed, or another has set other terms."""
        settled_in, shown = -1, (-1, -1)
        while True:
            state = (self._members.revision, self._settler.head.height)
            if (state[0] != settled_in or self._is_contradicted()) and await self._settle_in():
                settled_in = state[0]
            if state != shown:
                self._show_state()
                shown = state
            metrics.LEDGER_ALARM.set(self._settler.alarm is not None)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    def _is_contradicted(self) -> bool:
        """Whether the ledger has had another policy than the nodes file for a while."""
        states = self._states()
        if all(states[task].policy == one.policy for task, one in self._declared.items() if task in states):
            self._contradicted_since = None
            return False
        now = asyncio.get_running_loop().time()
        self._contradicted_since = self._contradicted_since or now
        return now - self._contradicted_since >= CONTRADICTED_SECONDS

    async def _settle_in(self) -> bool:
        """Opens what accounts are wanted; false if some could not be, and are to be tried again."""
        if not self._settler.started:
            return False
        try:
            wanted = [event for task in self._declared for event in self._opening(task)]
            if wanted:
                await self._settler.append(wanted)
            if not self._remembered:
                await self._remember_schemas()
            for task in self._declared:
                await self._keep_schema(task)
        except ConcordError as error:
            _log.error("accounts not opened", extra={"reason": error.message})
            await asyncio.sleep(1)
            return False
        return True

    async def _remember_schemas(self) -> None:
        known = await asyncio.to_thread(self._journal.schemas)
        for task, (_, document) in known.items():
            try:
                self._schemas.setdefault(task, TaskSchema.from_json(document))
            except ConfigurationError as error:
                _log.warning("schema forgotten", extra={"of": task, "reason": error.message})
        self._remembered = True

    async def _keep_schema(self, task: str) -> None:
        schema = self._stated(task)
        if schema is not None and self._schemas.get(task) != schema:
            await asyncio.to_thread(self._journal.save_schema, task, schema.digest, schema.to_json())
            self._schemas[task] = schema

    def _opening(self, task: str) -> list[events.Event]:
        """The events by which a declared task becomes what the nodes file says."""
        settings, state = self._declared[task], self._states().get(task)
        opening = []
        if state is None or state.policy != settings.policy:
            opening.append(events.params(task, settings.policy))
        for node, member in self._members.of(task).items():
            if member.profile is not None and (state is None or node not in state.accounts):
                accuracy = _accuracy(member.profile)
                opening.append(events.open_account(task, node, settings.deposit * MICRO, accuracy))
        return opening

    def _show_state(self) -> None:
        """Brings the metrics up to date with the newest block, and counts what it took from nodes."""
        head = self._settler.head
        if self._counted is None and self._settler.known:
            # What was settled before the start is no event of this process.
            self._counted = head.height
        for block in head.blocks if self._counted is not None else ():
            if block.height > (self._counted or 0):
                for body in block.events.values():
                    if body["kind"] == "settle":
                        _count_debits(body)
        self._counted = head.height if self._settler.known else None
        metrics.LEDGER_HEIGHT.set(head.height)
        for task in self.names():
            with contextlib.suppress(ConcordError):
                self.panel(task)

    def _show(self, panel: Panel) -> None:
        for seat, weight in zip(panel.seats, panel.weights, strict=True):
            metrics.STAKE.labels(panel.task, seat.node).set(seat.stake / MICRO)
            metrics.WEIGHT.labels(panel.task, seat.node).set(weight)


def _policy(state: TaskState) -> PolicyName:
    return "seed" if state.policy == "seed" else "wager"


def _as_opened(name: str, member: Member, settings: TaskSettings) -> Seat | None:
    """A node's seat as its account will be opened, once it has said what it serves."""
    if member.profile is None:
        return None
    deposit = settings.deposit * MICRO
    return Seat(name, deposit, deposit, _accuracy(member.profile))


def _accuracy(profile: Profile) -> int:
    return round((profile.info.accuracy or 0) * ONE)


def _count_debits(settlement: events.Body) -> None:
    for node, (_rounds, delta, *_rest) in settlement["nodes"].items():
        if delta < 0:
            metrics.SLASHES.labels(settlement["task"], node).inc()
            metrics.SLASHED_STAKE.labels(settlement["task"], node).inc(-delta / MICRO)


class _Absent:
    """Stands for a node that is not asked, because it speaks of another schema."""

    def ask(self, _question: Question, on_reply: OnReply) -> Ticket | None:
        on_reply(Reply("unavailable"))
        return None
