"""Settling the rounds of one batch: events for the ledger, and records for the journal.

A pure function of the rounds and the state before the block, so a block can be checked by computing it again.
The records, sorted by id, are the leaves under the root that the event names. Changes of standing that follow
from a settlement are events of the same block.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from concord.errors import LedgerBroken, LedgerUnavailable, UnknownName
from concord.journal.rows import SettlementRound
from concord.ledger import events
from concord.ledger.events import Event, NodeSums, RecordTree
from concord.ledger.merkle import merkle_root
from concord.ledger.state import State, TaskState, fold
from concord.policies.stake import SeedRound, SeedSettlement, settle_seed
from concord.settlement.evidence import read_seed
from concord.settlement.jailing import review
from concord.settlement.label_settlement import read_round, settle_labels
from concord.settlement.records import RECORD_FORMAT, write_record

Rounds = Sequence[SettlementRound]


@dataclass(frozen=True, slots=True)
class Settlement:
    """The effect of a batch.

    Attributes:
        events: One for each task and policy, and the changes of standing that follow.
        records: Round id → its votes, scores and deltas, as canonical JSON.
        debits: Task → µS taken under `wager` from nodes that were right in a round, and from wrong ones.
    """

    events: tuple[Event, ...]
    records: dict[str, bytes]
    debits: Mapping[str, tuple[int, int]]


def group_rounds(rounds: Iterable[SettlementRound]) -> dict[tuple[str, str], list[SettlementRound]]:
    """Task and policy → their rounds, sorted by id."""
    in_order = sorted(rounds, key=attrgetter("task", "policy", "id"))
    return {key: list(group) for key, group in groupby(in_order, attrgetter("task", "policy"))}


def settle_batch(batch: str, rounds: Rounds, state: State, record_format: int = RECORD_FORMAT) -> Settlement:
    """Settles the rounds of a batch on a state.

    Args:
        batch: The id that the rounds were claimed under.
        rounds: The rounds, in any order.
        state: The ledger's state before the block.
        record_format: Of the records; that of the block, where it is there already.

    Raises:
        LedgerBroken: A round that does not fit this ledger, or whose evidence cannot be read.
        LedgerUnavailable: A labelled round of a task that is not open yet: it was answered while the ledger
            was away.
    """
    groups = group_rounds(rounds)
    settled = Settlement((), {}, {})
    after = state
    for (task, policy), group in groups.items():
        settle = _settle_seed if policy == "seed" else _settle_wager
        part = settle(batch, task, group, _task_state(after, task, policy), record_format)
        # Of a task whose policy was changed, rounds of both may be due: they move stake one after the other.
        after = fold(after, part.events)
        settled = Settlement(
            (*settled.events, *part.events), settled.records | part.records, {**settled.debits, **part.debits}
        )
    tasks = sorted({task for task, _ in groups})
    changes = [event for task in tasks for event in review(task, after.task(task)).events]
    return replace(settled, events=(*settled.events, *changes))


def _settle_seed(batch: str, task: str, rounds: Rounds, state: TaskState, record_format: int) -> Settlement:
    read = {round_.id: SeedRound(round_.id, *read_seed(round_.id, round_.evidence)) for round_ in rounds}
    settled = settle_seed(state.balances, read.values())
    by_id = {
        id_: {"answer": round_.answer, "votes": round_.votes, "deltas": settled.deltas[id_]}
        for id_, round_ in read.items()
    }
    records = _write_records(rounds, by_id, record_format)
    event = events.settle(
        batch,
        task,
        "seed",
        _tree(records, record_format),
        nodes=_sums(settled),
        treasury=settled.treasury,
    )
    return Settlement((event,), records, {})


def _settle_wager(batch: str, task: str, rounds: Rounds, state: TaskState, record_format: int) -> Settlement:
    result = settle_labels(state, [read_round(round_.id, round_.evidence, round_.label) for round_ in rounds])
    records = _write_records(rounds, result.records, record_format)
    event = events.settle(
        batch,
        task,
        "wager",
        _tree(records, record_format),
        nodes=result.nodes,
        learned=result.learned,
    )
    return Settlement((event,), records, {task: result.debits})


def _write_records(
    rounds: Rounds, settled: Mapping[str, Mapping[str, Any]], record_format: int
) -> dict[str, bytes]:
    """Id → its record, in the order of the ids."""
    in_order = sorted(rounds, key=attrgetter("id"))
    return {round_.id: write_record(round_, settled[round_.id], record_format) for round_ in in_order}


def _tree(records: Mapping[str, bytes], record_format: int) -> RecordTree:
    return RecordTree(len(records), merkle_root(list(records.values())), record_format)


def _task_state(state: State, task: str, policy: str) -> TaskState:
    try:
        return state.task(task)
    except UnknownName as error:
        message = f"The journal has rounds of {task!r}, which the ledger does not know."
        if policy == "wager":
            # While the ledger is away, nodes answer without accounts, which are opened once it is back.
            raise LedgerUnavailable(f"{message} They wait until its accounts are open.") from error
        raise LedgerBroken(message) from error


def _sums(settled: SeedSettlement) -> dict[str, NodeSums]:
    rounds, total = Counter[str](), Counter[str]()
    for deltas in settled.deltas.values():
        rounds.update(deltas.keys())
        total.update(deltas)
    return {node: NodeSums(rounds[node], total[node]) for node in sorted(rounds)}
