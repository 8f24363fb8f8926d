"""The ledger's state: accounts as a fold over events.

The events of a block have no order of their own, so they are folded by kind (parameters, openings, decisions
about versions, new versions, deposits, settlements, jailings, releases, withdrawals) and then by key. After
every event the money of its task must add up exactly (I1), and no account may be below zero (I2); else
`LedgerBroken` is raised. An event that does not fit the state raises one of the caller's errors.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, get_args

from concord.errors import Conflict, InvalidInput, LedgerBroken, UnknownName
from concord.ledger.events import Body, Event, NodeSums
from concord.policies.scoring import Trial, faded, next_regret
from concord.policies.stake import MICRO, PROVEN_ROUNDS, Account, Action, Appointment, Standing
from concord.policies.voting import PPM

PROBATION_ROUNDS: Final = PROVEN_ROUNDS
"""Labelled rounds for which a new node, or a version without a record, is watched."""

SHADOW_ROUNDS: Final = 50
"""Labelled rounds after which a jailed node's regret is reviewed, and counted anew."""

PACKAGED: Final = "packaged"
"""In a decision in place of a number: the version in the node's image, which the registry does not have."""

FEWEST_ACTIVE: Final = 2
"""Least number of voters: where fewer would count, no node waits on probation and none is jailed."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task's parameters and accounts; amounts in µS.

    Attributes:
        policy: `wager` or `seed`.
        asks: The task whose nodes it asks, if it has none of its own.
        members: The nodes that it asks, if not all.
        opens: The nodes that opened it; any other starts on probation. None: no node does.
        score: The score that `wager` pays for in a classification.
        treasury: The sum of what slashing took.
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
        """The accounts of the nodes whose votes count."""
        return {node: account for node, account in self.accounts.items() if account.standing == "active"}

    @property
    def imbalance(self) -> int:
        """Money held less money paid in and not out, in µS: always 0."""
        held = sum(account.stake for account in self.accounts.values()) + self.treasury
        return held - (self.paid_in - self.paid_out)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        document = _to_json(self, always=("policy", "treasury", "paid_in", "paid_out"))
        document["accounts"] = {node: _account_json(account) for node, account in self.accounts.items()}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "TaskState":
        """Reads what `to_json` wrote."""
        values = dict(document)
        values["accounts"] = {node: _read_account(account) for node, account in values["accounts"].items()}
        for name in ("members", "opens"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)


def _to_json(instance: "TaskState | Account", always: Container[str]) -> dict[str, Any]:
    """Fields as JSON; those beyond `always` only if set, so that older states keep their bytes."""
    values = {field_.name: (getattr(instance, field_.name), field_.default) for field_ in fields(instance)}
    return {
        name: [*value] if isinstance(value, tuple) else value
        for name, (value, default) in values.items()
        if name in always or value != default
    }


_NESTED: Final = {"trial": Trial, "appointment": Appointment}


def _account_json(account: Account) -> dict[str, Any]:
    document = _to_json(account, always=("stake", "deposit", "accuracy", "rounds"))
    for name in _NESTED.keys() & document.keys():
        document[name] = {key: value for key, value in asdict(document[name]).items() if value is not None}
    return document


def _read_account(document: Mapping[str, Any]) -> Account:
    nested = {name: kind(**document[name]) for name, kind in _NESTED.items() if document.get(name)}
    return Account(**{**document, **nested})


@dataclass(frozen=True, slots=True)
class State:
    """The state of all tasks at one height."""

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
        CallerError: An event does not fit: no such task or account, or too little stake to withdraw.
        LedgerBroken: The money does not add up afterwards.
    """
    for event in in_order(events):
        state = _apply(state, event)
    return state


def in_order(events: Iterable[Event]) -> list[Event]:
    """The events of one block in the order in which they are folded."""
    return sorted(events, key=lambda event: (list(_RULES).index(event.kind), event.key))


def fold_task(task: TaskState, event: Event) -> TaskState:
    """A task's state after one of its events, folded as by `fold`."""
    name = event.body["task"]
    return fold(State({name: task}), [event]).tasks[name]


def _apply(state: State, event: Event) -> State:
    name = event.body["task"]
    is_new = event.kind == "params" and name not in state.tasks
    before = TaskState(event.body["policy"]) if is_new else state.task(name)
    task = _RULES[event.kind](before, event.body)
    _check(name, task)
    return State({**state.tasks, name: task})


def _check(name: str, task: TaskState) -> None:
    if task.imbalance:
        raise LedgerBroken(f"The money of {name} does not add up: {task.imbalance} µS too many.", field=name)
    if task.treasury < 0 or any(account.stake < 0 for account in task.accounts.values()):
        raise LedgerBroken(f"An account of {name} is below zero.", field=name)


def _with(task: TaskState, node: str, account: Account) -> TaskState:
    return replace(task, accounts={**task.accounts, node: account})


def _params(task: TaskState, body: Body) -> TaskState:
    return replace(
        task,
        policy=body["policy"],
        asks=body.get("asks"),
        members=tuple(body["members"]) if "members" in body else None,
        opens=tuple(body["opens"]) if "opens" in body else None,
        score=body.get("score", "hit"),
    )


def _open(task: TaskState, body: Body) -> TaskState:
    node, deposit = body["node"], body["deposit"]
    if node in task.accounts:
        raise Conflict(f"The account of {node!r} in {body['task']!r} is open already.", field="node")
    counts = task.opens is None or node in task.opens or len(task.active) < FEWEST_ACTIVE
    standing: Standing = "active" if counts else "probation"
    account = Account(
        deposit,
        deposit,
        body["accuracy"],
        version=body.get("version"),
        standing=standing,
        digest=body.get("digest"),
        tried=0 if body.get("newcomer") else None,
    )
    return replace(_with(task, node, account), paid_in=task.paid_in + deposit)


def _appoint(task: TaskState, body: Body) -> TaskState:
    account, action = task.account(body["node"]), body["action"]
    if action not in get_args(Action):
        raise InvalidInput(f"{action!r} is no decision about a version.", field="action")
    before = account.appointment
    previous = {"promote": body["from"], "rollback": None}.get(action, before.previous if before else None)
    version, champion, by, at = (body[name] for name in ("version", "from", "by", "at"))
    appointment = Appointment(
        action,
        version,
        champion,
        by,
        at,
        account.changes,
        previous,
        task.sigma,
        **_digests(account, body),
    )
    return _with(task, body["node"], replace(account, appointment=appointment, changes=account.changes + 1))


def _digests(account: Account, body: Body) -> dict[str, str | None]:
    """The digests of an appointment's versions: of its event, and of what was appointed or served before."""
    last, action, champion = account.appointment, body["action"], body["from"]
    # A champion that the registry does not know any more is called packaged, and stays appointed.
    kept = last.champion_digest if last and champion in {last.champion, PACKAGED} else None
    served = account.digest if champion in {account.version, PACKAGED} else None
    digest, previous = body.get("digest"), last.previous_digest if last else None
    return {
        "digest": digest,
        # A version of the image is appointed by nobody.
        "champion_digest": kept if action in {"challenge", "dismiss"} else digest,
        "previous_digest": {"promote": served or kept, "rollback": None}.get(action, previous),
    }


def _promote(task: TaskState, body: Body) -> TaskState:
    before, version, digest = task.account(body["node"]), body["version"], body.get("digest")
    if before.version == version and digest in {None, before.digest}:
        # A writer with an outdated head; the version would lose its record.
        raise Conflict(f"{body['node']} serves version {version} already.", field="node")
    account = replace(before, version=version, digest=digest, changes=before.changes + 1)
    if before.version is None or (before.version == version and before.digest is None):
        # Its answers so far are counted as this version's, since no version or no file was stated.
        return _with(task, body["node"], account)
    tried = before.trial if before.trial and before.trial.version == version else Trial(version)
    account = replace(
        account,
        score=tried.score,
        answered=tried.answered,
        # Else a node could lie under a new version each time.
        regret=before.regret if before.standing == "active" and tried.rounds < PROBATION_ROUNDS else 0,
        labelled=0,
        hits=0,
        watched_regret=0,
        trial=_shadowed(before, version) or (None if tried is before.trial else before.trial),
        tried=tried.rounds if body.get("newcomer") else None,
    )
    if before.standing == "probation" or before.reason in {"regret", "invalid"}:
        # Rounds as a challenger are rounds on probation.
        account = replace(account, standing="probation", reason=None, watched=tried.rounds)
    return _with(task, body["node"], account)


def _shadowed(before: Account, version: str) -> Trial | None:
    """The record of the version before, if it continues as challenger of the promoted one."""
    appointed = before.appointment
    if appointed is None or before.version is None:
        return None
    if (appointed.action, appointed.version, appointed.before) != ("promote", version, before.version):
        return None
    return Trial(before.version, before.known_rounds, before.score, before.answered)


def _deposit(task: TaskState, body: Body) -> TaskState:
    account, amount = task.account(body["node"]), body["amount"]
    account = replace(account, stake=account.stake + amount, deposit=account.deposit + amount)
    return replace(_with(task, body["node"], account), paid_in=task.paid_in + amount)


def _withdraw(task: TaskState, body: Body) -> TaskState:
    account, amount = task.account(body["node"]), body["amount"]
    if amount > account.stake:
        raise Conflict(
            f"{body['node']} holds {account.stake / MICRO:,.6f} stake, less than is to be withdrawn.",
            field="amount",
        )
    # A node may withdraw more than it paid in, if it won it; then its deposit is 0.
    account = replace(account, stake=account.stake - amount, deposit=max(0, account.deposit - amount))
    return replace(_with(task, body["node"], account), paid_out=task.paid_out + amount)


def _settle(task: TaskState, body: Body) -> TaskState:
    learns = body["policy"] == "wager"
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
            if _keeps_trial(accounts[node], version):
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


def _keeps_trial(account: Account, version: str) -> bool:
    """Whether rounds of another challenger leave the account's trial unchanged.

    While a promotion is rolled out the former champion is the challenger already, and labels of rounds from
    before a decision come after it. Without any decision, another challenger starts a new trial.
    """
    appointed = account.appointment
    if appointed is None:
        return False
    is_appointed = account.trial is not None and account.trial.version == appointed.challenger
    return is_appointed or version == account.version


def _learn(account: Account, sums: NodeSums) -> Account:
    """The account after a block's rounds, with their scores."""
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
    is_reviewed = account.standing == "jailed" and account.watched >= SHADOW_ROUNDS
    watched, regret = (0, 0) if is_reviewed else (account.watched, account.watched_regret)
    return replace(account, watched=watched + n, watched_regret=regret + sums.regret)


def _jail(task: TaskState, body: Body) -> TaskState:
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


def _release(task: TaskState, body: Body) -> TaskState:
    account = task.account(body["node"])
    if account.standing == "active":
        raise Conflict(f"{body['node']} is neither jailed nor in probation: it counts already.", field="node")
    account = replace(
        account,
        standing=body["to"],
        reason=None,
        # A deposit gives the vote back, and not the record.
        regret=account.regret if account.reason == "stake" else 0,
        watched=0,
        watched_regret=0,
        changes=account.changes + 1,
    )
    return _with(task, body["node"], account)


_RULES: dict[str, Callable[[TaskState, Body], TaskState]] = {
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
