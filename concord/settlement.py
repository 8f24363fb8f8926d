"""What a batch of rounds does to stake, as events for the ledger and records for the journal.

A pure function of the rounds and the state that they are settled on, so anyone who has both can
check a block: the records, sorted by id, are the leaves under the root that the event names. It
knows the policies' rules only through `concord.stake`, and refuses a round whose evidence it cannot
read rather than settle the others without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from concord.errors import LedgerBroken, UnknownName
from concord.ledger import events
from concord.ledger.chain import canonical
from concord.ledger.events import Event, NodeSums
from concord.ledger.merkle import merkle_root
from concord.ledger.state import State, TaskState
from concord.stake import SeedRound, SeedSettlement, settle_seed


class DueRound(Protocol):
    """What a settlement needs of a round."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def task(self) -> str:
        """Its task."""

    @property
    def policy(self) -> str:
        """The policy it was answered under."""

    @property
    def evidence(self) -> bytes | None:
        """JSON of the answer and the votes, as integers."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a batch does: one event a task, one record a round."""

    events: tuple[Event, ...]
    records: dict[str, bytes]


def settle_batch(batch: str, rounds: Sequence[DueRound], state: State) -> Settlement:
    """Settles the rounds of a batch on a state.

    Args:
        batch: The id that the rounds were claimed under.
        rounds: The rounds, in any order.
        state: The ledger's state before the block.

    Raises:
        LedgerBroken: A round that does not fit this ledger, or whose evidence cannot be read.
    """
    by_task: dict[str, list[DueRound]] = {}
    for one in rounds:
        by_task.setdefault(one.task, []).append(one)
    made: list[Event] = []
    records: dict[str, bytes] = {}
    for task, some in sorted(by_task.items()):
        event, found = _settle_task(batch, task, some, state)
        made.append(event)
        records |= found
    return Settlement(tuple(made), records)


def _settle_task(
    batch: str, task: str, rounds: Sequence[DueRound], state: State
) -> tuple[Event, dict[str, bytes]]:
    read = {one.id: _seed_round(one) for one in rounds}
    settled = settle_seed(_task(state, task).balances, read.values())
    records = {one: _record(task, read[one], settled.deltas[one]) for one in sorted(read)}
    root = merkle_root(list(records.values()))
    event = events.settle(
        batch, task, "seed", rounds=len(read), root=root, nodes=_sums(settled), treasury=settled.treasury
    )
    return event, records


def _task(state: State, task: str) -> TaskState:
    try:
        return state.task(task)
    except UnknownName as error:
        raise LedgerBroken(f"The journal has rounds of {task!r}, which the ledger does not know.") from error


def _seed_round(one: DueRound) -> SeedRound:
    if one.policy != "seed":
        raise LedgerBroken(
            f"Round {one.id} is due under {one.policy!r}, which does not settle without labels."
        )
    try:
        evidence: dict[str, Any] = orjson.loads(one.evidence or b"")
        votes = {str(node): int(vote) for node, vote in evidence["votes"].items()}
        return SeedRound(one.id, int(evidence["answer"]), votes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerBroken(f"The evidence of round {one.id} cannot be read.") from error


def _record(task: str, one: SeedRound, deltas: Mapping[str, int]) -> bytes:
    return canonical(
        {
            "id": one.id,
            "task": task,
            "policy": "seed",
            "answer": one.answer,
            "votes": one.votes,
            "deltas": deltas,
        }
    )


def _sums(settled: SeedSettlement) -> dict[str, NodeSums]:
    rounds: dict[str, int] = {}
    total: dict[str, int] = {}
    for moved in settled.deltas.values():
        for node, delta in moved.items():
            rounds[node] = rounds.get(node, 0) + 1
            total[node] = total.get(node, 0) + delta
    return {node: NodeSums(rounds[node], total[node]) for node in sorted(rounds)}
