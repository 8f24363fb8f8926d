"""The audit of settlements: settles every block again from the journal's rounds, and compares.

`concord.ledger.audit` proves that the blocks are unchanged and that balances follow from their sums. This
audit proves the sums: each block's rounds are settled on the state before it, and events, records and Merkle
roots must come out the same. So it finds a label, a vote or a record that was changed in the journal, and
rounds that are missing or too many there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Final

from concord.errors import ConcordError, JournalUnavailable, LedgerBroken
from concord.journal import Journal
from concord.journal.rows import SettlementRound
from concord.ledger.chain import Block, fold_chain
from concord.ledger.events import Event
from concord.ledger.ledger import Ledger
from concord.ledger.state import State
from concord.settlement import differences
from concord.settlement.batch import group_rounds, settle_batch
from concord.settlement.records import read_format

MOST_PROBLEMS: Final = 100
"""Problems in a report; a chain beside another chain's journal has one in every block."""

Groups = Mapping[tuple[str, str], Sequence[SettlementRound]]
"""Task and policy → rounds, sorted by id."""


@dataclass(slots=True)
class SettlementReport:
    """The result of an audit of settlements.

    Attributes:
        height: Height up to which the chain was folded.
        blocks: Blocks that were settled again.
        rounds: Rounds that were settled again.
        unmarked: Those of them that are under a claim in the journal still: their block is a moment old.
        database: How the journal's database checked its own tables; None where it cannot.
        problems: Sentences that name the block, and the round where possible; empty where all is well.
        more: Problems beyond `MOST_PROBLEMS`.
    """

    height: int = 0
    blocks: int = 0
    rounds: int = 0
    unmarked: int = 0
    database: str | None = None
    problems: list[str] = field(default_factory=list)
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    def add(self, *problems: str) -> None:
        """Adds problems, or counts those for which there is no room."""
        room = MOST_PROBLEMS - len(self.problems)
        self.problems += problems[:room]
        self.more += len(problems[room:])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"ok": self.ok, **asdict(self)}


def audit_settlements(
    ledger: Ledger, journal: Journal, progress: Callable[[int, int], None] = lambda _height, _of: None
) -> SettlementReport:
    """Settles every block again.

    The journal's database first checks its own tables. Then the state is folded block by block, so nothing is
    read twice, and one block's rounds are in memory at a time.

    Args:
        ledger: The chain; one that `verify` finds sound.
        journal: Its rounds.
        progress: Called with the height of each block that was audited, and the head's.

    Raises:
        JournalUnavailable: The journal is away.
        LedgerUnavailable: The store is.
    """
    report, end = SettlementReport(), ledger.head().height
    integrity = journal.check_integrity()
    report.database = integrity.by
    report.add(*(f"The journal's database is damaged: {problem}" for problem in integrity.problems))
    try:
        for block, before, after in fold_chain(ledger.stream(1, end + 1)):
            _BlockAudit(block, before, after, journal, report).run()
            report.height = block.height
            progress(block.height, end)
    except LedgerBroken as error:
        report.add(f"Nothing after block {report.height} was settled again: {error.message}")
    except JournalUnavailable as error:
        if not integrity.problems:
            raise
        # A damaged table may not be read to its end.
        report.add(f"Nothing after block {report.height} was settled again: {error.message}")
    return report


class _BlockAudit:
    """The audit of one block; where one part of a block cannot be settled again, the others are.

    Args:
        block: The block.
        before: The state that it was built on.
        after: The state that it leads to.
        journal: Where its rounds are.
        report: What is counted and found goes here.
    """

    def __init__(
        self, block: Block, before: State, after: State, journal: Journal, report: SettlementReport
    ) -> None:
        self._block, self._before, self._after = block, before, after
        self._journal, self._report = journal, report
        self._settlements = [event for event in block.event_list if event.kind == "settle"]
        self._where = f"Block {block.height}"

    def run(self) -> None:
        """Settles the block again and adds to the report."""
        self._report.blocks += bool(self._settlements)
        batches = {_batch(event.key) for event in self._settlements}
        if len(batches) > 1:
            self._report.add(f"{self._where} settles {len(batches)} batches, and a block settles one.")
            return
        groups = self._read_rounds(*batches)
        settled = {_task_and_policy(event) for event in self._settlements}
        for (task, policy), rounds in groups.items():
            if (task, policy) not in settled:
                self._report.add(differences.unsettled(self._where, task, policy, rounds))
        for batch in batches:
            self._settle(batch, groups)

    def _read_rounds(self, batch: str | None = None) -> Groups:
        """The journal's rounds of the block."""
        groups = self._read_marked()
        if all(
            len(groups.get(_task_and_policy(event), ())) >= int(event.body["rounds"])
            for event in self._settlements
        ):
            return groups
        # Between a block and its mark in the journal its rounds are under the claim that made it.
        claimed = [
            round_ for claim in self._journal.open_claims() if claim.batch == batch for round_ in claim.rounds
        ]
        self._report.unmarked += len(claimed)
        return group_rounds(claimed) if claimed else self._read_marked()

    def _read_marked(self) -> Groups:
        tasks = sorted(self._after.tasks)
        return group_rounds(
            round_ for task in tasks for round_ in self._journal.rounds_of_block(self._block.height, task)
        )

    def _settle(self, batch: str, groups: Groups) -> None:
        fit: dict[tuple[str, str], Sequence[SettlementRound]] = {}
        broken: set[str] = set()
        for event in self._settlements:
            key = _task_and_policy(event)
            problems = differences.unfit_rounds(self._where, event, groups.get(key, ()))
            self._report.add(*problems)
            if problems:
                broken.add(key[0])
            else:
                fit[key] = groups.get(key, ())
        self._report.rounds += sum(map(len, fit.values()))
        if fit:
            self._compare(batch, fit, broken)

    def _compare(self, batch: str, groups: Groups, broken: set[str]) -> None:
        try:
            record_format = read_format(self._settlements[0].body)
            rounds = list(chain.from_iterable(groups.values()))
            settlement = settle_batch(batch, rounds, self._before, record_format)
        except (ConcordError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            # The journal may hold anything in the place of votes, and the audit goes on.
            self._report.add(f"{self._where} cannot be settled again: {error}")
            return
        computed = {event.key: event for event in settlement.events}
        for event in self._settlements:
            key = _task_and_policy(event)
            if key in groups and event.key in computed:
                problems = differences.compare_settlement(
                    self._where, event, computed[event.key], groups[key], settlement.records
                )
                self._report.add(*problems)
            elif key in groups:
                self._report.add(
                    f"{self._where} settles under the key {event.key!r}, which is none of a settlement's."
                )
        self._report.add(*differences.compare_standing(self._block, computed, self._before, broken))


def _batch(key: str) -> str:
    """The batch that a settlement's key names."""
    return key.split(":")[1] if ":" in key else key


def _task_and_policy(event: Event) -> tuple[str, str]:
    return str(event.body["task"]), str(event.body["policy"])
