"""Balances as a fold over events: what each kind of event does, and what always holds.

The events of a block have no order of their own, so they are folded by kind (parameters, openings,
decisions about versions, new versions, deposits, settlements, jailings, releases, withdrawals) and then
by key. After every event the money of its task must add up exactly (I1) and no account may be below zero
(I2); a fold that breaks this raises `LedgerBroken` and never mends a number. An event that its author
could have known to be wrong raises one of the caller's errors instead.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from concord.errors import Conflict, InvalidInput, LedgerBroken, UnknownName
from concord.ledger.events import Body, Event, NodeSums
from concord.policies.scoring import PPM, Trial, faded, next_regret
from concord.policies.stake import MICRO, Account, Appointment

PROBATION_ROUNDS: Final = 20
"""Labelled rounds that a newcomer, or a version that nobody knows, is watched for."""

SHADOW_ROUNDS: Final = 50
"""Labelled rounds after which a jailed node's regret is looked at, and counted anew."""

FEWEST_ACTIVE: Final = 2
"""A consensus of one is none: where fewer would count, nobody waits in probation and nobody is jailed."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task's money and how it is settled; amounts in µS.

    Attributes:
        policy: `wager` or `seed`.
        asks: The task whose nodes it asks, where it has none of its own.
        members: The nodes that it asks, where not all.
        opens: The nodes that opened it, so that any other begins in probation; None: all did.
        score: What `wager` pays for in a classification.
        treasury: What slashing took.
        paid_in: All deposits ever.
        paid_out: All withdrawals ever.
        labels: Labelled rounds that were settled.
        sigma: σ, the usual error of a regression, in steps of the resolution; None before its first label.
        accounts: Node → account.
    """

    policy: str
    asks: str | None = None
    members: tuple[str, ...] | None = None
    opens: tuple[str, ...] | None = None
    score: str = "hit"
    treasury: int = 0
    paid_in: int = 0
    paid_out: int = 0
    labels: int = 0
    sigma: int | None = None
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

    @property
    def active(self) -> dict[str, Account]:
        """The accounts of the nodes that count."""
        return {node: one for node, one in self.accounts.items() if one.standing == "active"}

    @property
    def imbalance(self) -> int:
        """Money held less money paid in and not out, in µS: always 0."""
        held = sum(account.stake for account in self.accounts.values()) + self.treasury
        return held - (self.paid_in - self.paid_out)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not set is left out, as it was before there was such a thing."""
        document: dict[str, Any] = {
            "policy": self.policy,
            "treasury": self.treasury,
            "paid_in": self.paid_in,
            "paid_out": self.paid_out,
            "accounts": {node: _account_json(account) for node, account in self.accounts.items()},
        }
        if self.asks is not None:
            document["asks"] = self.asks
        if self.members is not None:
            document["members"] = list(self.members)
        if self.opens is not None:
            document["opens"] = list(self.opens)
        if self.score != "hit":
            document["score"] = self.score
        if self.labels:
            document["labels"] = self.labels
        if self.sigma is not None:
            document["sigma"] = self.sigma
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "TaskState":
        """Reads what `to_json` wrote."""
        given = dict(document)
        given["accounts"] = {node: _read_account(account) for node, account in given["accounts"].items()}
        for name in ("members", "opens"):
            if name in given:
                given[name] = tuple(given[name])
        return cls(**given)


_ALWAYS: Final = ("stake", "deposit", "accuracy", "rounds")
_LATER: Final = tuple((one.name, one.default) for one in fields(Account) if one.name not in _ALWAYS)


def _account_json(account: Account) -> dict[str, Any]:
    document = {name: getattr(account, name) for name in _ALWAYS}
    for name, default in _LATER:
        value = getattr(account, name)
        if value != default:
            document[name] = _plain(value) if name in _NESTED else value
    return document


_NESTED: Final = {"trial": Trial, "appointment": Appointment}


def _plain(value: Any) -> dict[str, Any]:  # noqa: ANN401 - one of the dataclasses above
    return {name: one for name, one in asdict(value).items() if one is not None}


def _read_account(document: Mapping[str, Any]) -> Account:
    nested = {name: kind(**document[name]) for name, kind in _NESTED.items() if document.get(name)}
    return Account(**{**document, **nested})


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
    for event in in_order(events):
        state = _apply(state, event)
    return state


def in_order(events: Iterable[Event]) -> list[Event]:
    """The events of one block in the order in which they are folded."""
    return sorted(events, key=_place)


def fold_task(task: TaskState, event: Event) -> TaskState:
    """A task's state after one event of its own, as `fold` has it."""
    name = event.body["task"]
    return fold(State({name: task}), [event]).tasks[name]


def _place(event: Event) -> tuple[int, str]:
    return list(_RULES).index(event.kind), event.key


def _apply(state: State, event: Event) -> State:
    name = event.body["task"]
    task = _RULES[event.kind](state, event.body)
    _check(name, task)
    return State({**state.tasks, name: task})


def _check(name: str, task: TaskState) -> None:
    if task.imbalance:
        raise LedgerBroken(f"The money of {name} does not add up: {task.imbalance} µS too many.", field=name)
    if task.treasury < 0 or any(account.stake < 0 for account in task.accounts.values()):
        raise LedgerBroken(f"An account of {name} is below zero.", field=name)


def _with(task: TaskState, node: str, account: Account) -> TaskState:
    return replace(task, accounts={**task.accounts, node: account})


def _params(state: State, body: Body) -> TaskState:
    before = state.tasks.get(body["task"], TaskState(body["policy"]))
    return replace(
        before,
        policy=body["policy"],
        asks=body.get("asks"),
        members=tuple(body["members"]) if "members" in body else None,
        opens=tuple(body["opens"]) if "opens" in body else None,
        score=body.get("score", "hit"),
    )


def _open(state: State, body: Body) -> TaskState:
    task, node, deposit = state.task(body["task"]), body["node"], body["deposit"]
    if node in task.accounts:
        raise Conflict(f"The account of {node!r} in {body['task']!r} is open already.", field="node")
    counts = task.opens is None or node in task.opens or len(task.active) < FEWEST_ACTIVE
    account = Account(deposit, deposit, body["accuracy"], version=body.get("version"))
    if not counts:
        account = replace(account, standing="probation")
    return replace(_with(task, node, account), paid_in=task.paid_in + deposit)


_APPOINTED: Final = frozenset({"challenge", "promote", "rollback", "dismiss"})


def _appoint(state: State, body: Body) -> TaskState:
    task = state.task(body["task"])
    account, action = task.account(body["node"]), body["action"]
    if action not in _APPOINTED:
        raise InvalidInput(f"{action!r} is no decision about a version.", field="action")
    before = account.appointment
    previous = {"promote": body["from"], "rollback": None}.get(action, before.previous if before else None)
    appointment = Appointment(
        action,
        body["version"],
        body["from"],
        body["by"],
        body["at"],
        account.changes,
        previous,
        task.sigma,
    )
    return _with(task, body["node"], replace(account, appointment=appointment, changes=account.changes + 1))


def _promote(state: State, body: Body) -> TaskState:
    task = state.task(body["task"])
    before, version = task.account(body["node"]), body["version"]
    if before.version == version:
        # By a writer whose head was a moment old; it would cost the version its record.
        raise Conflict(f"{body['node']} serves version {version} already.", field="node")
    account = replace(before, version=version, changes=before.changes + 1)
    if before.version is None:
        # What it has answered so far is taken for this version's: nobody said otherwise.
        return _with(task, body["node"], account)
    tried = before.trial if before.trial and before.trial.version == version else Trial(version)
    account = replace(
        account,
        score=tried.score,
        answered=tried.answered,
        # Or who lies would do so under a new version each time.
        regret=before.regret if before.standing == "active" and tried.rounds < PROBATION_ROUNDS else 0,
        labelled=0,
        hits=0,
        watched_regret=0,
        trial=_shadowed(before, version) or (None if tried is before.trial else before.trial),
    )
    if before.standing == "probation" or before.reason in {"regret", "invalid"}:
        # Rounds as a challenger are rounds on probation.
        account = replace(account, standing="probation", reason=None, watched=tried.rounds)
    return _with(task, body["node"], account)


def _shadowed(before: Account, version: str) -> Trial | None:
    """The record of the version that was served, where it answers on beside the one that was promoted."""
    appointed = before.appointment
    if appointed is None or before.version is None:
        return None
    if (appointed.action, appointed.version, appointed.before) != ("promote", version, before.version):
        return None
    return Trial(before.version, before.labelled, before.score, before.answered)


def _deposit(state: State, body: Body) -> TaskState:
    task, amount = state.task(body["task"]), body["amount"]
    account = task.account(body["node"])
    account = replace(account, stake=account.stake + amount, deposit=account.deposit + amount)
    return replace(_with(task, body["node"], account), paid_in=task.paid_in + amount)


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
    return replace(_with(task, body["node"], account), paid_out=task.paid_out + amount)


def _settle(state: State, body: Body) -> TaskState:
    task, learns = state.task(body["task"]), body["policy"] == "wager"
    accounts = dict(task.accounts)
    for node, numbers in body["nodes"].items():
        sums, account = NodeSums(*numbers), task.account(node)
        account = replace(
            account,
            stake=account.stake + sums.delta + sums.levelling,
            rounds=account.rounds + sums.rounds,
        )
        accounts[node] = _learn(account, sums) if learns else account
    for node, (version, rounds, score) in body.get("trials", {}).items():
        trial = accounts[node].trial
        if trial is None or trial.version != version:
            if _keeps_its_trial(accounts[node], version):
                continue
            trial = Trial(version)
        accounts[node] = replace(accounts[node], trial=trial.after(rounds, score))
    return replace(
        task,
        treasury=task.treasury + body["treasury"],
        labels=task.labels + (body["rounds"] if learns else 0),
        sigma=body.get("sigma", task.sigma),
        accounts=accounts,
    )


def _keeps_its_trial(account: Account, version: str) -> bool:
    """Whether rounds of another version leave the record of the one under trial alone.

    While a promotion is rolled the former champion is the challenger already, and labels of rounds from
    before a decision come after it. Where nobody ever decided, it is as it was before there were decisions.
    """
    appointed = account.appointment
    if appointed is None:
        return False
    is_appointed = account.trial is not None and account.trial.version == appointed.challenger
    return is_appointed or version == account.version


def _learn(account: Account, sums: NodeSums) -> Account:
    """The account with the scores of a block's rounds."""
    n = sums.rounds
    account = replace(
        account,
        score=faded(account.score, n) + sums.score,
        answered=faded(account.answered, n) + n * PPM,
        regret=next_regret(account.regret, sums.regret, n),
        labelled=account.labelled + n,
        hits=account.hits + sums.hits,
    )
    if account.standing == "active":
        return account
    looked_at = account.standing == "jailed" and account.watched >= SHADOW_ROUNDS
    watched, regret = (0, 0) if looked_at else (account.watched, account.watched_regret)
    return replace(account, watched=watched + n, watched_regret=regret + sums.regret)


def _jail(state: State, body: Body) -> TaskState:
    task = state.task(body["task"])
    account = task.account(body["node"])
    if account.standing == "jailed":
        raise Conflict(f"{body['node']} is jailed already.", field="node")
    account = replace(
        account,
        standing="jailed",
        reason=body["reason"],
        watched=0,
        watched_regret=0,
        changes=account.changes + 1,
    )
    return _with(task, body["node"], account)


def _release(state: State, body: Body) -> TaskState:
    task = state.task(body["task"])
    account = task.account(body["node"])
    if account.standing == "active":
        raise Conflict(f"{body['node']} is neither jailed nor in probation: it counts already.", field="node")
    account = replace(
        account,
        standing=body["to"],
        reason=None,
        # Paying in buys back a vote, not a record.
        regret=account.regret if account.reason == "stake" else 0,
        watched=0,
        watched_regret=0,
        changes=account.changes + 1,
    )
    return _with(task, body["node"], account)


_RULES: dict[str, Callable[[State, Body], TaskState]] = {
    "params": _params,
    "open": _open,
    "appoint": _appoint,
    "promote": _promote,
    "deposit": _deposit,
    "settle": _settle,
    "jail": _jail,
    "release": _release,
    "withdraw": _withdraw,
}
