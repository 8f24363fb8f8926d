"""Which tasks there are, and who sits in each right now.

Three sources meet here: the nodes file (what the operator declared), the members (what the nodes
say of themselves) and the ledger's head (accounts, policy, standing, tasks that borrow another's
nodes). It reads all three and writes none; `concord.consensus.reconciler` does. The last schema known of a task
is remembered, so that a service that starts before its nodes answers `no_quorum` and not `unknown_task`.

A service that starts while ledger or journal are away answers all the same, with every node on the
deposit that the nodes file gives it, as on the ledger's first day, and height 0, as long as the ledger
could not be read. A policy that moves money on an answer (`seed`) is refused then: its answer is made of
stakes.
"""

from collections.abc import Mapping

from concord.consensus.ensemble import Ensemble, NonVoter, TaskPolicy
from concord.consensus.ensemble import seats as seats_of
from concord.consensus.node_client import NodeClient, NodeClients, NodeDescription
from concord.consensus.poll import OnReply, Pollable, PollLimits, Question, Reply, Ticket
from concord.errors import (
    ConcordError,
    JournalUnavailable,
    LedgerUnavailable,
    NoQuorum,
    UnknownName,
)
from concord.ledger.state import TaskState
from concord.observability import metrics
from concord.policies.scoring import PPM
from concord.policies.stake import MICRO, Account
from concord.policies.voting import Voter
from concord.settings import NodesFile, PolicyName, TaskSettings
from concord.settlement.settler import Settler
from concord.tasks.schema import TaskSchema


class Ensembles:
    """The panel of every task, rebuilt when the ledger or a member has changed."""

    def __init__(self, declared: NodesFile, members: NodeClients, settler: Settler) -> None:
        self._declared = declared.tasks
        self._members = members
        self._settler = settler
        self._schemas: dict[str, TaskSchema] = {}
        self._ensembles: dict[str, tuple[tuple[int, int], Ensemble]] = {}

    @property
    def declared(self) -> Mapping[str, TaskSettings]:
        """What the nodes file says of each of its tasks."""
        return self._declared

    def remember(self, task: str, schema: TaskSchema) -> None:
        """Takes note of the last schema known of a task."""
        self._schemas[task] = schema

    def remembered(self, task: str) -> TaskSchema | None:
        """The last schema known of a task."""
        return self._schemas.get(task)

    def names(self) -> list[str]:
        """All tasks, declared or opened in the ledger, sorted."""
        borrowed = (task for task, state in self.states().items() if state.asks in self._declared)
        return sorted({*self._declared, *borrowed})

    def asks(self, task: str) -> str | None:
        """The task whose nodes this one asks, where it has none of its own."""
        state = self.states().get(task)
        return state.asks if state and task not in self._declared else None

    def members(self, task: str) -> dict[str, NodeClient]:
        """The nodes that the task may ask, by name, whatever they state."""
        asks = self.asks(task)
        nodes = self._members.of(asks or task)
        chosen = self.states()[task].members if asks else None
        return {name: member for name, member in nodes.items() if chosen is None or name in chosen}

    def settings(self, task: str) -> TaskSettings:
        """How the task is asked.

        Raises:
            UnknownName: There is no such task.
        """
        settings = self._declared.get(self.asks(task) or task)
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
        """The schema that most of the task's deposits state, or the last one known.

        Raises:
            UnknownName: There is no such task.
            NoQuorum: It is declared, and no node has ever said what it asks.
        """
        self.settings(task)
        schema = self.stated(task) or self._schemas.get(self.asks(task) or task)
        if schema is None:
            raise NoQuorum(
                f"No node of {task} has answered yet, so what it asks is not known. Try again soon."
            )
        return schema

    def panel(self, task: str) -> Ensemble:
        """The task's panel on the newest height.

        Raises:
            UnknownName: There is no such task.
            NoQuorum: None of its nodes has an account yet.
            LedgerUnavailable: Its policy needs the stakes, and the ledger could not be read yet.
            JournalUnavailable: The same, where no account can be opened yet.
        """
        key = (self._members.revision, self._settler.head.height)
        cached = self._ensembles.get(task)
        if cached and cached[0] == key:
            return cached[1]
        panel = self._build(task)
        self._ensembles[task] = (key, panel)
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
            if isinstance(member, NodeClient) and member.status == "up"
        )
        return bool(panel.seats) and up * PPM >= sum(panel.deposits) * panel.terms.patience.quorum

    def account(self, task: str, node: str) -> Account | None:
        """A node's account, whether or not it is asked; None before it is open."""
        state = self.states().get(task)
        return state.accounts.get(node) if state else None

    def policy(self, task: str) -> PolicyName:
        """The policy in force, or the one declared as long as the ledger knows none."""
        state = self.states().get(task)
        return _policy(state) if state else self.settings(task).policy

    def mismatch(self, task: str, member: NodeClient) -> str | None:
        """Why a member is not asked although it is up: it states another schema than most."""
        if member.profile is None or member.profile.digest == self.schema(task).digest:
            return None
        return (
            f"It states schema {member.profile.digest[:12]}, the task's is {self.schema(task).digest[:12]}."
        )

    def _build(self, task: str) -> Ensemble:
        settings, schema = self.settings(task), self.schema(task)
        state, policy = self.states().get(task), self.policy(task)
        accounted = state is not None and bool(state.accounts)
        if not accounted and self._settler.started:
            raise NoQuorum(f"No node of {task} has an account yet; the first ones are being opened.")
        if not accounted and policy == "seed":
            raise self._not_started(task)
        known = {seat.node: seat for seat in seats_of(state)} if accounted and state else {}
        seats: list[Voter] = []
        members: list[Pollable] = []
        aside: list[NonVoter] = []
        for name, member in self.members(task).items():
            seat = known.get(name) if accounted else _as_opened(name, member, settings)
            asked = _Absent() if self.mismatch(task, member) else member
            if seat is None or seat.counts:
                seats.append(seat or Voter(name, 0, 0))
                members.append(asked)
            else:
                barred = state is not None and state.accounts[name].reason == "invalid"
                aside.append(NonVoter(name, None if barred else asked, seat.version))
        patience = PollLimits(
            round(settings.quorum * PPM), settings.deadline_ms / 1000, settings.grace_ms / 1000
        )
        return Ensemble(
            task,
            schema,
            tuple(members),
            tuple(seats),
            TaskPolicy(policy, patience, settings.below_quorum, settings.fallback),
            self._settler.head.height,
            tuple(aside),
            state.labels if state else 0,
            state.sigma if state else None,
        )

    def _not_started(self, task: str) -> ConcordError:
        """Why what needs stakes is refused for now."""
        if self._settler.ledger_read:
            return JournalUnavailable(
                f"No node of {task[:60]} has an account, and none can be opened without the journal."
            )
        return LedgerUnavailable(
            f"The ledger could not be read since the start, and {task[:60]} needs its stakes. Try again soon."
        )

    def stated(self, task: str) -> TaskSchema | None:
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

    def states(self) -> Mapping[str, TaskState]:
        """The newest state of every task that the ledger knows."""
        return self._settler.head.state.tasks

    def _show(self, panel: Ensemble) -> None:
        for seat, weight in zip(panel.seats, panel.weights, strict=True):
            metrics.WEIGHT.labels(panel.task, seat.node).set(weight)
        for one in panel.aside:
            metrics.WEIGHT.labels(panel.task, one.node).set(0)


def _policy(state: TaskState) -> PolicyName:
    return "seed" if state.policy == "seed" else "wager"


def _as_opened(name: str, member: NodeClient, settings: TaskSettings) -> Voter | None:
    """A node's seat as its account will be opened, once it has said what it serves."""
    if member.profile is None:
        return None
    deposit = settings.deposit * MICRO
    return Voter(name, deposit, deposit, stated_accuracy(member.profile))


def stated_accuracy(profile: NodeDescription) -> int:
    """The accuracy that a node states, in ppm; 0 for a regression."""
    return round((profile.info.accuracy or 0) * PPM)


class _Absent:
    """Stands for a node that is not asked, because it speaks of another schema."""

    def ask(self, _question: Question, on_reply: OnReply) -> Ticket | None:
        on_reply(Reply("unavailable"))
        return None
