"""What can be written into the ledger: one constructor for each kind of event.

An event is plain JSON of integers, strings, lists and objects, with a key. The same key and the
same body twice is one event; the same key with another body is refused. The bodies name tasks and
nodes, never a row, a feature or a person: nothing that is written here can be taken back.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from concord.errors import InvalidInput
from concord.policies.scoring import PPM
from concord.policies.stake import Action, JailReason, Standing

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """A key and what happens under it."""

    key: str
    body: Body

    @property
    def kind(self) -> str:
        """`params`, `open`, `appoint`, `promote`, `deposit`, `settle`, `jail`, `release` or `withdraw`."""
        return str(self.body["kind"])


@dataclass(frozen=True, slots=True)
class NodeSums:
    """What one settlement does to one node; under `seed` only the first two are not 0.

    Attributes:
        rounds: Rounds that the node voted in; under `wager`, that its version of then answered.
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
        """The numbers in the order of `consensus.md`; hits behind them, where there are any."""
        sums = [self.rounds, self.delta, self.levelling, self.score, self.regret]
        return [*sums, self.hits] if self.hits else sums


@dataclass(frozen=True, slots=True)
class TrialSums:
    """What one settlement adds to the record of a node's challenger: its version, rounds and Σ q in ppm."""

    version: str
    rounds: int
    score: int

    def to_json(self) -> list[str | int]:
        """Version, rounds, score."""
        return [self.version, self.rounds, self.score]


@dataclass(frozen=True, slots=True)
class Learned:
    """What a settlement under `wager` teaches beside its sums.

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
    """Opens a task, or changes how it is settled.

    Its key names its content. It states how things shall be, so whether it is already there is seen in
    the state: a task that goes back to former parameters gets an event of the same key again.

    Args:
        task: The task's name.
        policy: `wager` or `seed`.
        asks: The task whose nodes this one asks, where it has none of its own.
        members: The nodes that it asks, where not all.
        opens: The nodes that open the task; any that comes later begins in probation. None: all may.
        score: What `wager` pays for in a classification: `hit` or `brier`.
    """
    if policy not in {"wager", "seed"}:
        raise InvalidInput(f"A policy is wager or seed, not {policy!r}.", field="policy")
    if score not in {"hit", "brier"}:
        raise InvalidInput(f"A score is hit or brier, not {score!r}.", field="score")
    body: dict[str, Any] = {"kind": "params", "task": task, "policy": policy}
    if asks is not None:
        body["asks"] = asks
    if members is not None:
        body["members"] = list(members)
    if opens is not None:
        body["opens"] = sorted(opens)
    if score != "hit":
        body["score"] = score
    return Event(f"params:{task}:{_digest(body)[:16]}", body)


def open_account(task: str, node: str, deposit: int, accuracy: int, version: str | None = None) -> Event:
    """Opens a node's account with a deposit in µS, its stated accuracy in ppm, and the version it serves."""
    if deposit < 0 or not 0 <= accuracy <= PPM:
        raise InvalidInput("A deposit is 0 µS or more, an accuracy 0 to 1,000,000 ppm.", field="deposit")
    body = {"kind": "open", "task": task, "node": node, "deposit": deposit, "accuracy": accuracy}
    return Event(f"open:{task}:{node}", body | ({"version": version} if version is not None else {}))


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about a node's versions, by whom and why.

    Attributes:
        action: `challenge`, `promote`, `rollback` or `dismiss`.
        version: The version that it is about.
        before: The champion when it was decided; `packaged` where the registry does not know it.
        by: Name of the token.
        why: The reason, for people.
    """

    action: Action
    version: str
    before: str
    by: str
    why: str


def appoint(task: str, node: str, decision: Decision, at: int, changes: int) -> Event:
    """Says what a node is to serve from now on; that it does is `promote`'s to say.

    Args:
        task: The task's name.
        node: The node.
        decision: What is decided.
        at: When, in µs since the epoch.
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
    return Event(appointment_key(task, node, changes), body)


def appointment_key(task: str, node: str, changes: int) -> str:
    """The key of a decision, by the account's changes before it."""
    return f"appoint:{task}:{node}:{changes}"


def promote(task: str, node: str, version: str, changes: int) -> Event:
    """Says that a node serves another version, whose record starts anew or goes on from its trial.

    Args:
        task: The task's name.
        node: The node.
        version: The version that it serves now.
        changes: The account's changes so far, which make the key.
    """
    body = {"kind": "promote", "task": task, "node": node, "version": version}
    return Event(f"promote:{task}:{node}:{changes}", body)


def jail(task: str, node: str, reason: JailReason, measured: int, changes: int) -> Event:
    """Takes a node out of the answers.

    Args:
        task: The task's name.
        node: The node.
        reason: What it has done.
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
        by: `rule` or `operator`.
        why: The reason, for people.
        key: What makes it one event.
    """
    if to not in {"active", "probation"}:
        raise InvalidInput(f"A node is released to active or probation, not {to!r}.", field="to")
    body = {"kind": "release", "task": task, "node": node, "to": to, "by": by, "why": why}
    return Event(f"release:{key}", body)


def deposit(task: str, node: str, amount: int, key: str) -> Event:
    """Pays `amount` µS into a node's account."""
    return _payment("deposit", task, node, amount, key)


def withdraw(task: str, node: str, amount: int, key: str) -> Event:
    """Takes `amount` µS out of a node's account, which must hold them."""
    return _payment("withdraw", task, node, amount, key)


def settle(
    batch: str,
    task: str,
    policy: str,
    *,
    rounds: int,
    root: str,
    nodes: Mapping[str, NodeSums],
    treasury: int = 0,
    learned: Learned | None = None,
) -> Event:
    """Settles a task's rounds of one batch that were answered under one policy.

    Args:
        batch: Id of the batch that the rounds were claimed under; it makes the key.
        task: The task's name.
        policy: The policy that they were answered under.
        rounds: How many they are.
        root: Merkle root over their records, sorted by id.
        nodes: Node → its sums.
        treasury: What the treasury gains, in µS; with all δ and levelling it sums to 0.
        learned: What else they teach, under `wager`.
    """
    body: dict[str, Any] = {
        "kind": "settle",
        "task": task,
        "policy": policy,
        "rounds": rounds,
        "root": root,
        "nodes": {node: sums.to_json() for node, sums in nodes.items()},
        "treasury": treasury,
    }
    if learned and learned.trials:
        body["trials"] = {node: sums.to_json() for node, sums in learned.trials.items()}
    if learned and learned.sigma is not None:
        body["sigma"] = learned.sigma
    # A batch may hold rounds of both policies, where a task's was changed in between.
    return Event(f"settle:{batch}:{task}" + (":wager" if policy == "wager" else ""), body)


def _payment(kind: str, task: str, node: str, amount: int, key: str) -> Event:
    if amount <= 0:
        raise InvalidInput(f"The amount of a {kind} is above 0 µS.", field="amount")
    return Event(f"{kind}:{key}", {"kind": kind, "task": task, "node": node, "amount": amount})


def _digest(body: Body) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
