"""Balances as a fold over events: what each kind of event does, and what always holds.

The events of a block have no order of their own, so they are folded by kind (parameters, openings,
deposits, settlements, withdrawals) and then by key. After every event the money of its task must
add up exactly (I1) and no account may be below zero (I2); a fold that breaks this raises
`LedgerBroken` and never mends a number. An event that its author could have known to be wrong
raises one of the caller's errors instead.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from concord.errors import Conflict, LedgerBroken, UnknownName
from concord.ledger.events import Body, Event
from concord.stake import MICRO, Account


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task's money and how it is settled; amounts in µS.

    Attributes:
        policy: `wager` or `seed`.
        asks: The task whose nodes it asks, where it has none of its own.
        members: The nodes that it asks, where not all.
        treasury: What slashing took.
        paid_in: All deposits ever.
        paid_out: All withdrawals ever.
        accounts: Node → account.
    """

    policy: str
    asks: str | None = None
    members: tuple[str, ...] | None = None
    treasury: int = 0
    paid_in: int = 0
    paid_out: int = 0
    accounts: Mapping[str, Account] = field(default_factory=dict)

    def account(self, node: str) -> Account:
        """The account of a node, or `UnknownName`."""
        try:
            return self.accounts[node]
        except KeyError:
            raise UnknownName(f"The ledger has no account of {node!r}.", code="unknown_node") from None

    @property
    def balances(self) -> dict[str, int]:
        """Node → stake in µS."""
        return {node: account.stake for node, account in self.accounts.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not set is left out."""
        document: dict[str, Any] = {
            "policy": self.policy,
            "treasury": self.treasury,
            "paid_in": self.paid_in,
            "paid_out": self.paid_out,
            "accounts": {
                node: {"stake": a.stake, "deposit": a.deposit, "accuracy": a.accuracy, "rounds": a.rounds}
                for node, a in self.accounts.items()
            },
        }
        if self.asks is not None:
            document["asks"] = self.asks
        if self.members is not None:
            document["members"] = list(self.members)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "TaskState":
        """Reads what `to_json` wrote."""
        fields = dict(document)
        fields["accounts"] = {node: Account(**account) for node, account in fields["accounts"].items()}
        if "members" in fields:
            fields["members"] = tuple(fields["members"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the blocks up to one height add up to."""

    tasks: Mapping[str, TaskState] = field(default_factory=dict)

    def task(self, name: str) -> TaskState:
        """The state of a task, or `UnknownName`."""
        try:
            return self.tasks[name]
        except KeyError:
            raise UnknownName(f"The ledger has no task {name!r}.", code="unknown_task") from None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"tasks": {name: task.to_json() for name, task in self.tasks.items()}}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "State":
        """Reads what `to_json` wrote."""
        return cls({name: TaskState.from_json(task) for name, task in document["tasks"].items()})


def fold(state: State, events: Iterable[Event]) -> State:
    """Applies the events of one block.

    Raises:
        CallerError: An event that does not fit: no such task or account, or too little to withdraw.
        LedgerBroken: The money does not add up afterwards.
    """
    for event in sorted(events, key=_place):
        state = _apply(state, event)
    return state


def _place(event: Event) -> tuple[int, str]:
    return list(_RULES).index(event.kind), event.key


def _apply(state: State, event: Event) -> State:
    name = event.body["task"]
    task = _RULES[event.kind](state, event.body)
    _check(name, task)
    return State({**state.tasks, name: task})


def _check(name: str, task: TaskState) -> None:
    held = sum(account.stake for account in task.accounts.values()) + task.treasury
    if held != task.paid_in - task.paid_out:
        raise LedgerBroken(f"The money of {name} does not add up: {held} µS held.", field=name)
    if task.treasury < 0 or any(account.stake < 0 for account in task.accounts.values()):
        raise LedgerBroken(f"An account of {name} is below zero.", field=name)


def _params(state: State, body: Body) -> TaskState:
    members = tuple(body["members"]) if "members" in body else None
    before = state.tasks.get(body["task"], TaskState(body["policy"]))
    return replace(before, policy=body["policy"], asks=body.get("asks"), members=members)


def _open(state: State, body: Body) -> TaskState:
    task, node, deposit = state.task(body["task"]), body["node"], body["deposit"]
    if node in task.accounts:
        raise Conflict(f"The account of {node!r} in {body['task']!r} is open already.", field="node")
    accounts = {**task.accounts, node: Account(deposit, deposit, body["accuracy"])}
    return replace(task, paid_in=task.paid_in + deposit, accounts=accounts)


def _deposit(state: State, body: Body) -> TaskState:
    task, amount = state.task(body["task"]), body["amount"]
    account = task.account(body["node"])
    account = replace(account, stake=account.stake + amount, deposit=account.deposit + amount)
    return replace(task, paid_in=task.paid_in + amount, accounts={**task.accounts, body["node"]: account})


def _withdraw(state: State, body: Body) -> TaskState:
    task, amount = state.task(body["task"]), body["amount"]
    account = task.account(body["node"])
    if amount > account.stake:
        raise Conflict(
            f"{body['node']} holds {account.stake / MICRO:,.6f} stake, less than is to be withdrawn.",
            field="amount",
        )
    # A node that won more than it put in may take it out; its deposit is then used up.
    account = replace(account, stake=account.stake - amount, deposit=max(0, account.deposit - amount))
    return replace(task, paid_out=task.paid_out + amount, accounts={**task.accounts, body["node"]: account})


def _settle(state: State, body: Body) -> TaskState:
    task = state.task(body["task"])
    accounts = dict(task.accounts)
    for node, (rounds, delta, levelling, _score, _regret) in body["nodes"].items():
        account = task.account(node)
        accounts[node] = replace(
            account, stake=account.stake + delta + levelling, rounds=account.rounds + rounds
        )
    return replace(task, treasury=task.treasury + body["treasury"], accounts=accounts)


_RULES: dict[str, Callable[[State, Body], TaskState]] = {
    "params": _params,
    "open": _open,
    "deposit": _deposit,
    "settle": _settle,
    "withdraw": _withdraw,
}
