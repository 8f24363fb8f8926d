"""Events of the ledger: a constructor for each kind.

An event is a key and a body of plain JSON without floats. The same key with the same body is one event; the
same key with another body is refused. Bodies name tasks and nodes, never a row, a feature or a person,
because nothing can be deleted from the ledger.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from concord.errors import InvalidInput
from concord.policies.stake import Action, JailReason, Standing
from concord.policies.voting import PPM

Body = Mapping[str, Any]

RULE = "rule"
"""Who released a node where the rules did."""


@dataclass(frozen=True, slots=True)
class Event:
    """A key and a body."""

    key: str
    body: Body

    @property
    def kind(self) -> str:
        """`params`, `open`, `appoint`, `promote`, `deposit`, `settle`, `jail`, `release` or `withdraw`."""
        return str(self.body["kind"])


@dataclass(frozen=True, slots=True)
class NodeSums:
    """The sums of one settlement for one node; under `seed` only the first two are not 0.

    Attributes:
        rounds: Rounds that the node voted in; under `wager`, with the version of its account.
        delta: Σ δ in µS.
        levelling: In µS.
        score: Σ q in ppm.
        regret: Σ regret in ppm.
        hits: Rounds in which it was right.
    """

    rounds: int
    delta: int
    levelling: int = 0
    score: int = 0
    regret: int = 0
    hits: int = 0

    def to_json(self) -> list[int]:
        """The numbers in the order of `consensus.md`; hits last, if there are any."""
        sums = [self.rounds, self.delta, self.levelling, self.score, self.regret]
        return [*sums, self.hits] if self.hits else sums


@dataclass(frozen=True, slots=True)
class RecordTree:
    """The records of a settlement's rounds.

    Attributes:
        rounds: The number of rounds.
        root: Merkle root over their records, sorted by id.
        format: The records' format, by which an audit makes them again.
    """

    rounds: int
    root: str
    format: int = 1

    def to_json(self) -> dict[str, int | str]:
        """The fields of a settlement; without a format it is the first."""
        said: dict[str, int | str] = {"rounds": self.rounds, "root": self.root}
        return said if self.format == 1 else said | {"records": self.format}


@dataclass(frozen=True, slots=True)
class TrialSums:
    """The sums of one settlement for a node's challenger: version, rounds and Σ q in ppm."""

    version: str
    rounds: int
    score: int

    def to_json(self) -> list[str | int]:
        """Version, rounds, score."""
        return [self.version, self.rounds, self.score]


@dataclass(frozen=True, slots=True)
class Learned:
    """Sums of challengers, and σ, after a settlement under `wager`.

    Attributes:
        trials: Node → the sums of its challenger.
        sigma: σ after the block, in steps of the resolution, for a regression.
    """

    trials: Mapping[str, TrialSums]
    sigma: int | None = None


def params(
    task: str,
    policy: str,
    asks: str | None = None,
    members: Sequence[str] | None = None,
    *,
    opens: Sequence[str] | None = None,
    score: str = "hit",
) -> Event:
    """Opens a task, or changes its parameters.

    The key is made of the parameters, so a task that returns to former ones gets an event of the same key
    again.

    Args:
        task: The task's name.
        policy: `wager` or `seed`.
        asks: The task whose nodes this one asks, if it has none of its own.
        members: The nodes that it asks, if not all.
        opens: The nodes that open the task; a later one starts on probation. None: no node does.
        score: The score that `wager` pays for in a classification: `hit` or `brier`.
    """
    if policy not in {"wager", "seed"}:
        raise InvalidInput(f"A policy is wager or seed, not {policy!r}.", field="policy")
    if score not in {"hit", "brier"}:
        raise InvalidInput(f"A score is hit or brier, not {score!r}.", field="score")
    optional = {
        "asks": asks,
        "members": None if members is None else list(members),
        "opens": None if opens is None else sorted(opens),
        "score": None if score == "hit" else score,
    }
    body = {"kind": "params", "task": task, "policy": policy, **_without_none(optional)}
    return Event(f"params:{task}:{_digest(body)[:16]}", body)


def open_account(
    task: str,
    node: str,
    deposit: int,
    accuracy: int,
    version: str | None = None,
    *,
    digest: str | None = None,
    newcomer: bool = False,
) -> Event:
    """Opens a node's account.

    Args:
        task: The task's name.
        node: The node.
        deposit: In µS.
        accuracy: As the node states it, in ppm.
        version: The version that it serves.
        digest: SHA-256 of that version's ONNX file, in hex.
        newcomer: Whether the version's weight is limited until it has a record.
    """
    if deposit < 0 or not 0 <= accuracy <= PPM:
        raise InvalidInput("A deposit is 0 µS or more, an accuracy 0 to 1,000,000 ppm.", field="deposit")
    body = {"kind": "open", "task": task, "node": node, "deposit": deposit, "accuracy": accuracy}
    optional = {"version": version, "digest": digest, "newcomer": newcomer or None}
    return Event(f"open:{task}:{node}", body | _without_none(optional))


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about a node's versions.

    Attributes:
        action: `challenge`, `promote`, `rollback` or `dismiss`.
        version: The version that it is about.
        before: The champion when it was decided; `packaged` if it is not in the registry.
        by: Name of the token.
        why: The reason, for people.
        digest: SHA-256 of the version's ONNX file, in hex; None where it is the image's.
    """

    action: Action
    version: str
    before: str
    by: str
    why: str
    digest: str | None = None


def appoint(task: str, node: str, decision: Decision, at: int, changes: int) -> Event:
    """Records a decision about the versions that a node is to serve; `promote` records that it serves them.

    Args:
        task: The task's name.
        node: The node.
        decision: The decision.
        at: Time in µs since the epoch.
        changes: The account's changes so far, which make the key.
    """
    body = {
        "kind": "appoint",
        "task": task,
        "node": node,
        "action": decision.action,
        "version": decision.version,
        "from": decision.before,
        "by": decision.by,
        "why": decision.why,
        "at": at,
    }
    body |= _without_none({"digest": decision.digest})
    return Event(appointment_key(task, node, changes), body)


def appointment_key(task: str, node: str, changes: int) -> str:
    """The key of a decision, by the account's changes before it."""
    return f"appoint:{task}:{node}:{changes}"


def promote(
    task: str,
    node: str,
    version: str,
    changes: int,
    *,
    digest: str | None = None,
    newcomer: bool = False,
) -> Event:
    """Records that a node serves another version, whose record starts anew or continues that of its trial.

    Args:
        task: The task's name.
        node: The node.
        version: The version that it serves now.
        changes: The account's changes so far, which make the key.
        digest: SHA-256 of the version's ONNX file, in hex.
        newcomer: Whether the version's weight is limited until it has a record.
    """
    body = {"kind": "promote", "task": task, "node": node, "version": version}
    body |= _without_none({"digest": digest, "newcomer": newcomer or None})
    return Event(f"promote:{task}:{node}:{changes}", body)


def jail(task: str, node: str, reason: JailReason, measured: int, changes: int) -> Event:
    """Jails a node: its votes do not count.

    Args:
        task: The task's name.
        node: The node.
        reason: Why.
        measured: Its regret in ppm, its malformed answers, or its stake in µS.
        changes: The account's changes so far, which make the key.
    """
    body = {"kind": "jail", "task": task, "node": node, "reason": reason, "measured": measured}
    return Event(f"jail:{task}:{node}:{changes}", body)


def release(task: str, node: str, *, to: Standing, by: str, why: str, key: str) -> Event:
    """Ends a node's jail or probation.

    Args:
        task: The task's name.
        node: The node.
        to: `active` or `probation`.
        by: `rule`, the name of an operator's token, or `operator` where his nodes file says so.
        why: The reason, for people.
        key: The rest of the event's key.
    """
    if to not in {"active", "probation"}:
        raise InvalidInput(f"A node is released to active or probation, not {to!r}.", field="to")
    body = {"kind": "release", "task": task, "node": node, "to": to, "by": by, "why": why}
    return Event(f"release:{key}", body)


def deposit(task: str, node: str, amount: int, key: str, *, by: str = "", why: str = "") -> Event:
    """Pays `amount` µS into a node's account.

    Args:
        task: The task's name.
        node: The node.
        amount: In µS.
        key: The rest of the event's key.
        by: Name of the token; empty where no operator pays, and in older ledgers.
        why: The reason, for people; likewise.
    """
    return _payment("deposit", task, node, amount, key, {"by": by, "why": why})


def withdraw(task: str, node: str, amount: int, key: str, *, by: str = "", why: str = "") -> Event:
    """Takes `amount` µS out of a node's account, which must hold them; arguments as of `deposit`."""
    return _payment("withdraw", task, node, amount, key, {"by": by, "why": why})


def settle(
    batch: str,
    task: str,
    policy: str,
    records: RecordTree,
    *,
    nodes: Mapping[str, NodeSums],
    treasury: int = 0,
    learned: Learned | None = None,
) -> Event:
    """Settles the rounds of one batch, task and policy.

    Args:
        batch: Id of the batch that the rounds were claimed under; it makes the key.
        task: The task's name.
        policy: The policy that they were answered under.
        records: Their records.
        nodes: Node → its sums.
        treasury: Gain of the treasury in µS; with all δ and levelling it sums to 0.
        learned: Sums of challengers and σ, under `wager`.
    """
    body: dict[str, Any] = {"kind": "settle", "task": task, "policy": policy, **records.to_json()}
    body |= {"nodes": {node: sums.to_json() for node, sums in nodes.items()}, "treasury": treasury}
    if learned:
        trials = {node: sums.to_json() for node, sums in learned.trials.items()}
        body |= _without_none({"trials": trials or None, "sigma": learned.sigma})
    # A batch may hold rounds of both policies, if a task's policy was changed in between.
    return Event(f"settle:{batch}:{task}" + (":wager" if policy == "wager" else ""), body)


def _without_none(fields: Body) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _payment(kind: str, task: str, node: str, amount: int, key: str, why: Mapping[str, str]) -> Event:
    if amount <= 0:
        raise InvalidInput(f"The amount of a {kind} is above 0 µS.", field="amount")
    body = {"kind": kind, "task": task, "node": node, "amount": amount}
    return Event(f"{kind}:{key}", body | {name: text for name, text in why.items() if text})


def _digest(body: Body) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
