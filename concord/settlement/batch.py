"""What a batch of rounds does to stake and standing, as events for the ledger and records for the journal.

A pure function of the rounds and the state that they are settled on, so anyone who has both can
check a block: the records, sorted by id, are the leaves under the root that the event names. Changes of
standing that the settlement calls for stand in the same block. It knows the policies' rules only through
`concord.policies.stake`, `concord.policies.scoring` and `concord.settlement.standing`, and refuses a round whose evidence it cannot
read rather than settle the others without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from concord.errors import LedgerBroken, LedgerUnavailable, UnknownName
from concord.ledger import events
from concord.ledger.chain import canonical
from concord.ledger.events import Event, NodeSums
from concord.ledger.merkle import merkle_root
from concord.ledger.state import State, TaskState, fold
from concord.policies.stake import SeedRound, SeedSettlement, settle_seed
from concord.settlement.evidence import read_seed
from concord.settlement.standing import review
from concord.settlement.wager import WagerRound, settle_labels


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

    @property
    def label(self) -> int | None:
        """The truth: class index, or value in steps of the resolution; `seed` needs none."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a batch does.

    Attributes:
        events: One a task and policy, and the changes of standing that follow.
        records: Round id → what the settlement did in it, as canonical JSON.
        debits: Task → µS taken under `wager` from nodes that were right in a round, and from wrong ones.
    """

    events: tuple[Event, ...]
    records: dict[str, bytes]
    debits: Mapping[str, tuple[int, int]]


def settle_batch(batch: str, rounds: Sequence[DueRound], state: State) -> Settlement:
    """Settles the rounds of a batch on a state.

    Args:
        batch: The id that the rounds were claimed under.
        rounds: The rounds, in any order.
        state: The ledger's state before the block.

    Raises:
        LedgerBroken: A round that does not fit this ledger, or whose evidence cannot be read.
        LedgerUnavailable: A labelled round of a task that is not opened yet: it was answered while the ledger
            was away.
    """
    parts: dict[tuple[str, str], list[DueRound]] = {}
    for one in rounds:
        parts.setdefault((one.task, one.policy), []).append(one)
    made: list[Event] = []
    after = state
    records: dict[str, bytes] = {}
    debits: dict[str, tuple[int, int]] = {}
    for (task, policy), some in sorted(parts.items()):
        settle = _settle_seed if policy == "seed" else _settle_wager
        part = settle(batch, task, some, _task(after, task, policy))
        made.append(part.event)
        # Of a task whose policy was changed, rounds of both may be due: they move stake one after the other.
        after = fold(after, [part.event])
        records |= part.records
        if part.debits is not None:
            debits[task] = part.debits
    changed = [event for task in sorted({task for task, _ in parts}) for event in _review(task, after)]
    return Settlement((*made, *changed), records, debits)


@dataclass(frozen=True, slots=True)
class _Part:
    """What the rounds of one task and policy do."""

    event: Event
    records: dict[str, bytes]
    debits: tuple[int, int] | None = None


def _review(task: str, state: State) -> tuple[Event, ...]:
    return review(task, state.task(task)).events


def _settle_seed(batch: str, task: str, rounds: Sequence[DueRound], state: TaskState) -> _Part:
    read = {one.id: SeedRound(one.id, *read_seed(one.id, one.evidence)) for one in rounds}
    settled = settle_seed(state.balances, read.values())
    records = {one: _seed_record(task, read[one], settled.deltas[one]) for one in sorted(read)}
    root = merkle_root(list(records.values()))
    event = events.settle(
        batch, task, "seed", rounds=len(read), root=root, nodes=_sums(settled), treasury=settled.treasury
    )
    return _Part(event, records)


def _settle_wager(batch: str, task: str, rounds: Sequence[DueRound], state: TaskState) -> _Part:
    reckoned = settle_labels(state, [WagerRound.of(one.id, one.evidence, one.label) for one in rounds])
    records = {one: canonical({"id": one, "task": task, **said}) for one, said in reckoned.records.items()}
    event = events.settle(
        batch,
        task,
        "wager",
        rounds=len(rounds),
        root=merkle_root(list(records.values())),
        nodes=reckoned.nodes,
        learned=reckoned.learned,
    )
    return _Part(event, records, reckoned.debits)


def _task(state: State, task: str, policy: str) -> TaskState:
    try:
        return state.task(task)
    except UnknownName as error:
        message = f"The journal has rounds of {task!r}, which the ledger does not know."
        if policy == "wager":
            # Its nodes answer without accounts as long as the ledger is away; these are opened any moment.
            raise LedgerUnavailable(f"{message} They wait until its accounts are open.") from error
        raise LedgerBroken(message) from error


def _seed_record(task: str, one: SeedRound, deltas: Mapping[str, int]) -> bytes:
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
