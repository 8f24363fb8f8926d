"""Explains a round: why it was answered as it was, its label, its settlement, and the proof of that.

The sources are the round, labels and records in the journal, and the ledger at two heights: the one on which
the round was decided, and that of the block that settled it. Where the ledger cannot be read, or the records
do not lead to the block's root, that part is left out and named as a problem.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import orjson

from concord.errors import LedgerBroken, LedgerError, UnknownName
from concord.explain.contradictions import find_contradiction
from concord.explain.votes import AnswerDecoder, RoundContext, explain_vote
from concord.explain.weights import WeightReasons
from concord.journal import Journal
from concord.journal.rows import StoredRound
from concord.ledger.chain import Block
from concord.ledger.decisions import list_decisions
from concord.ledger.events import Body
from concord.ledger.ledger import Ledger
from concord.ledger.merkle import merkle_proof, proves
from concord.ledger.state import TaskState
from concord.policies.stake import MICRO
from concord.settlement import evidence
from concord.settlement.evidence import Evidence
from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict
from concord.types.explanation import Decided, Explanation, Proof, Settled, Stage, Truth
from concord.util.times import DAY, iso

_FORGOTTEN: Final = "Its row was forgotten or has expired; votes, settlement and proof need none of it."


class Explanations:
    """Explains rounds; synchronous, called in a thread.

    Args:
        ledger: The ledger.
        journal: The journal.
        label_days: Days after a round within which it can be labelled.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, ledger: Ledger, journal: Journal, *, label_days: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._ledger, self._journal = ledger, journal
        self._label_days, self._clock = label_days, clock

    def explain(
        self, stored: StoredRound, verdict: Verdict, schema: TaskSchema | None, alarm: str | None = None
    ) -> Explanation:
        """Explains a round.

        Args:
            stored: The round.
            verdict: Its answer.
            schema: The task's schema; None where it is not known any more.
            alarm: Why settling has stopped, if it has.

        Raises:
            JournalUnavailable: The journal is away.
        """
        decoder, facts = AnswerDecoder(verdict, schema), self._read_facts(stored, verdict)
        settlement, task = facts.settlement, facts.task
        reasons = WeightReasons(verdict, task, tuple(facts.evidence.shadows))
        sigma = settlement.sigma(facts.evidence) if settlement else None
        accounts = task.accounts if task else {}
        context = RoundContext(stored, facts.evidence, decoder, reasons, accounts, sigma)
        proof = self._prove(stored, settlement) if settlement else None
        record = orjson.loads(proof.record) if proof else None
        contradiction = find_contradiction(stored, verdict, record, decoder) if record else None
        return Explanation(
            *self._stage(stored, alarm),
            reasons.method,
            [explain_vote(vote, context) for vote in verdict.votes] if contradiction is None else [],
            self._truth(stored, decoder) if contradiction is None else None,
            settlement.describe(stored) if settlement else None,
            proof,
            _FORGOTTEN if stored.features is None else None,
            facts.problem or (_unproven(stored.block) if stored.block is not None and not proof else None),
            facts.decisions,
            contradiction,
        )

    def _read_facts(self, stored: StoredRound, verdict: Verdict) -> "_Facts":
        """Reads evidence and ledger, as far as they can be read."""
        facts = _Facts()
        try:
            facts.evidence = _read_evidence(stored)
            facts.task = self._task_before(stored.task, verdict.height + 1)
            if stored.block is not None:
                facts.settlement = self._find_settlement(stored, stored.block)
            newest = self._ledger.newest.state
            for vote in verdict.votes:
                facts.decisions += list_decisions(self._ledger, stored.task, vote.node, newest)
            facts.decisions.sort(key=lambda decision: (decision.block, decision.node))
        except LedgerError as error:
            facts.problem = f"Weights and proof cannot be explained in full: {error.message}"
        return facts

    def _task_before(self, name: str, height: int) -> TaskState | None:
        """A task's state before a block; None where the ledger has no such block or task."""
        try:
            return self._ledger.state_before(height).tasks.get(name)
        except UnknownName:
            return None

    def _find_settlement(self, stored: StoredRound, height: int) -> "_Settlement | None":
        block, before = self._ledger.block(height), self._task_before(stored.task, height)
        for key, body in block.events.items():
            if body["kind"] == "settle" and (body["task"], body["policy"]) == (stored.task, stored.policy):
                return _Settlement(block, key, body, before)
        return None

    def _prove(self, stored: StoredRound, settlement: "_Settlement") -> Proof | None:
        block = settlement.block
        rounds = [
            round_
            for round_ in self._journal.rounds_of_block(block.height, stored.task)
            if round_.policy == stored.policy
        ]
        records, root = [round_.leaf for round_ in rounds], str(settlement.body["root"])
        index = next((i for i, round_ in enumerate(rounds) if round_.id == stored.id), None)
        if index is None:
            return None
        path = merkle_proof(records, index)
        if not proves(path, records[index], root):
            return None
        return Proof(
            records[index].decode(),
            [("left" if side == "left" else "right", sibling) for side, sibling in path],
            root,
            settlement.key,
            block.height,
            block.hash,
        )

    def _truth(self, stored: StoredRound, decoder: AnswerDecoder) -> Truth | None:
        if stored.label is None or stored.label_time is None:
            return None
        label = decoder.decode_label(stored.label, stored.label_source or "", stored.label_time)
        return Truth(
            label,
            [
                decoder.decode_label(dispute.label, dispute.source, dispute.time)
                for dispute in self._journal.disputes(stored.id)
            ],
        )

    def _stage(self, stored: StoredRound, alarm: str | None) -> tuple[Stage, str]:
        """The stage of the round's settlement, and a sentence about it."""
        if stored.block is not None:
            return "settled", f"It was settled in block {stored.block}."
        if stored.evidence is None:
            return "never", "It never settles: below the quorum there is no consensus, and no stake moves."
        if stored.due:
            wait = (
                f"settling has stopped ({alarm})"
                if alarm
                else "the next block comes within ten seconds or so"
            )
            what = "its label is there" if stored.policy == "wager" else "policy seed needs no label"
            return "due", f"It waits for its block: {what}, and {wait}."
        last = stored.time + self._label_days * DAY
        if self._clock() * 1_000_000 > last:
            days = "1 day" if self._label_days == 1 else f"{self._label_days} days"
            return "never", f"It never settles: no label came within {days}."
        return (
            "awaits_label",
            f"It waits for its label until {iso(last)[:10]}: `concord feedback {stored.id} LABEL`.",
        )


@dataclass(slots=True)
class _Facts:
    """What evidence and ledger say of a round, and why a part is missing."""

    evidence: Evidence = field(default_factory=lambda: Evidence(0, {}))
    task: TaskState | None = None
    settlement: "_Settlement | None" = None
    decisions: list[Decided] = field(default_factory=list)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Settlement:
    """The event that settled a round, its block, and the task's state before it."""

    block: Block
    key: str
    body: Body
    before: TaskState | None

    def sigma(self, evidence: Evidence) -> int | None:
        """σ at the block's start, within which a value was right; None for classes."""
        if evidence.scale is None:
            return None
        sigma = self.before.sigma if self.before else None
        return max(1, evidence.scale if sigma is None else sigma)

    def describe(self, stored: StoredRound) -> Settled:
        """The settlement in its wire type."""
        rounds = int(self.body["rounds"])
        levelling = {node: sums[2] / MICRO for node, sums in self.body["nodes"].items() if sums[2]}
        if stored.policy == "seed":
            note = "A node that dissented lost a tenth of what it had left, to the treasury."
        else:
            counted = "its only round" if rounds == 1 else f"its {rounds} rounds together"
            note = (
                f"A round of this block moved at most {min(10, 50 / rounds):.3g}% of a stake. "
                "Levelling, which draws stakes towards the deposits, is the block's, for "
                f"{counted}, and is part of no round's change."
            )
        return Settled(self.block.height, iso(self.block.time), self.key, rounds, levelling, note)


def _unproven(block: int) -> str:
    return (
        f"The journal's records do not lead to the root in block {block}. "
        "`concord ledger verify --deep` says where they differ."
    )


def _read_evidence(stored: StoredRound) -> Evidence:
    """The evidence of a round under either policy; a class under `seed` has no probabilities."""
    if stored.evidence is None:
        return Evidence(0, {})
    if stored.policy == "seed":
        return Evidence(evidence.read_seed(stored.id, stored.evidence)[0], {})
    document = evidence.read(stored.id, stored.evidence)
    ballots = [*document.votes.values(), *document.shadows.values(), *document.challengers.values()]
    if not all(ballot.counts for ballot in ballots):
        raise LedgerBroken(f"The evidence of round {stored.id} holds an empty vote.")
    return document
