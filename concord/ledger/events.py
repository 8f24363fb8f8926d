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
from concord.stake import PPM

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """A key and what happens under it."""

    key: str
    body: Body

    @property
    def kind(self) -> str:
        """`params`, `open`, `deposit`, `settle` or `withdraw`."""
        return str(self.body["kind"])


@dataclass(frozen=True, slots=True)
class NodeSums:
    """What one settlement does to one node; the sums that later policies fill are 0 under `seed`.

    Attributes:
        rounds: Rounds that the node voted in.
        delta: Σ δ in µS.
        levelling: In µS.
        score: Σ q in ppm.
        regret: Σ regret in ppm.
    """

    rounds: int
    delta: int
    levelling: int = 0
    score: int = 0
    regret: int = 0

    def to_json(self) -> list[int]:
        """The five numbers in the order of `consensus.md`."""
        return [self.rounds, self.delta, self.levelling, self.score, self.regret]


def params(task: str, policy: str, asks: str | None = None, members: Sequence[str] | None = None) -> Event:
    """Opens a task, or changes how it is settled.

    Its key names its content. It states how things shall be, so whether it is already there is seen in
    the state: a task that goes back to former parameters gets an event of the same key again.

    Args:
        task: The task's name.
        policy: `wager` or `seed`.
        asks: The task whose nodes this one asks, where it has none of its own.
        members: The nodes that it asks, where not all.
    """
    if policy not in {"wager", "seed"}:
        raise InvalidInput(f"A policy is wager or seed, not {policy!r}.", field="policy")
    body: dict[str, Any] = {"kind": "params", "task": task, "policy": policy}
    if asks is not None:
        body["asks"] = asks
    if members is not None:
        body["members"] = list(members)
    return Event(f"params:{task}:{_digest(body)[:16]}", body)


def open_account(task: str, node: str, deposit: int, accuracy: int) -> Event:
    """Opens a node's account with a deposit in µS and its stated accuracy in ppm."""
    if deposit < 0 or not 0 <= accuracy <= PPM:
        raise InvalidInput("A deposit is 0 µS or more, an accuracy 0 to 1,000,000 ppm.", field="deposit")
    body = {"kind": "open", "task": task, "node": node, "deposit": deposit, "accuracy": accuracy}
    return Event(f"open:{task}:{node}", body)


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
    treasury: int,
) -> Event:
    """Settles a task's rounds of one batch.

    Args:
        batch: Id of the batch that the rounds were claimed under; it makes the key.
        task: The task's name.
        policy: The policy that they were settled by.
        rounds: How many they are.
        root: Merkle root over their records, sorted by id.
        nodes: Node → its sums.
        treasury: What the treasury gains, in µS; with all δ and levelling it sums to 0.
    """
    body = {
        "kind": "settle",
        "task": task,
        "policy": policy,
        "rounds": rounds,
        "root": root,
        "nodes": {node: sums.to_json() for node, sums in nodes.items()},
        "treasury": treasury,
    }
    return Event(f"settle:{batch}:{task}", body)


def _payment(kind: str, task: str, node: str, amount: int, key: str) -> Event:
    if amount <= 0:
        raise InvalidInput(f"The amount of a {kind} is above 0 µS.", field="amount")
    return Event(f"{kind}:{key}", {"kind": kind, "task": task, "node": node, "amount": amount})


def _digest(body: Body) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
