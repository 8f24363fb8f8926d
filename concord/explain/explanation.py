"""Why a round was answered as it was, what was true, what that did to stake, and the proof of it.

Everything comes from three places: the round as the journal keeps it, the labels and records beside it,
and the ledger at two heights, that on which the round was decided and that of the block that settled it.
The module has no HTTP and changes nothing. It never guesses: where the ledger cannot be read, or the
records do not lead to the block's root, it says so and leaves that part out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from concord.errors import LedgerBroken, LedgerError, UnknownName
from concord.explain.votes import RoundOutcome, Words, testify
from concord.explain.weights import WeightReasons
from concord.journal import Journal, StoredRound
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
from concord.util.times import iso

_DAY: Final = 86_400 * 1_000_000
_FORGOTTEN: Final = "Its row was forgotten or has expired; votes, settlement and proof need none of it."


class Explanations:
    """Explains rounds, for as long as journal and ledger are there; synchronous, called in a thread.

    Args:
        ledger: The chain that the rounds settle in.
        journal: Where they are.
        label_days: How long after a round it can be labelled.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, ledger: Ledger, journal: Journal, *, label_days: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._ledger, self._journal = ledger, journal
        self._label_days, self._clock = label_days, clock

    def of(
        self, stored: StoredRound, verdict: Verdict, schema: TaskSchema | None, alarm: str | None = None
    ) -> Explanation:
        """Explains a round.

        Args:
            stored: The round.
            verdict: What was answered.
            schema: What its task asks; None where that is not known any more.
            alarm: Why settling has stopped, if it has.

        Raises:
            JournalUnavailable: The journal is away.
        """
        words, given, problem = Words(verdict, schema), Evidence(0, {}), None
        task, settling, decisions = None, None, list[Decided]()
        try:
            given = _read(stored)
            task = self._task(stored.task, verdict.height + 1)
            if stored.block is not None:
                settling = self._settling(stored)
            decisions = self._decisions(stored.task, verdict)
        except LedgerError as error:
            problem = f"Weights and proof cannot be explained in full: {error.message}"
        grounds = WeightReasons(verdict, task, tuple(given.shadows))
        outcome = RoundOutcome(stored, given, words, settling.sigma(given) if settling else None)
        proof = self._proof(stored, settling) if settling else None
        if stored.block is not None and problem is None and not proof:
            problem = (
                f"The journal's records do not lead to the root in block {stored.block}. "
                "`concord ledger verify --deep` says where they differ."
            )
        stage, summary = self._stage(stored, alarm)
        return Explanation(
            stage,
            summary,
            grounds.method,
            [testify(vote, grounds, task, outcome) for vote in verdict.votes],
            self._truth(stored, words),
            settling.told(stored) if settling else None,
            proof,
            _FORGOTTEN if stored.features is None else None,
            problem,
            decisions,
        )

    def _decisions(self, task: str, verdict: Verdict) -> list[Decided]:
        """What was decided about the versions of the nodes that were asked, before and since."""
        newest = self._ledger.newest.state
        told = [
            one for vote in verdict.votes for one in list_decisions(self._ledger, task, vote.node, newest)
        ]
        return sorted(told, key=lambda one: (one.block, one.node))

    def _task(self, name: str, height: int) -> TaskState | None:
        """A task's state before a height; None where the ledger has neither."""
        try:
            return self._ledger.state_before(height).tasks.get(name)
        except UnknownName:
            return None

    def _settling(self, stored: StoredRound) -> "_Settling | None":
        height = stored.block or 0
        block, before = self._ledger.block(height), self._task(stored.task, height)
        for key, body in block.events.items():
            if _settles(body, stored.task, stored.policy):
                return _Settling(block, key, body, before)
        return None

    def _proof(self, stored: StoredRound, settling: "_Settling") -> Proof | None:
        leaves = [
            one
            for one in self._journal.rounds_of_block(settling.block.height, stored.task)
            if one.policy == stored.policy
        ]
        records, root = [one.record or b"" for one in leaves], str(settling.body["root"])
        index = next((i for i, one in enumerate(leaves) if one.id == stored.id), None)
        if index is None:
            return None
        path = merkle_proof(records, index)
        if not proves(path, records[index], root):
            return None
        return Proof(
            records[index].decode(),
            [("left" if side == "left" else "right", sibling) for side, sibling in path],
            root,
            settling.key,
            settling.block.height,
            settling.block.hash,
        )

    def _truth(self, stored: StoredRound, words: "Words") -> Truth | None:
        if stored.label is None or stored.label_time is None:
            return None
        disputes = [words.said(one.label, one.source, one.time) for one in self._journal.disputes(stored.id)]
        return Truth(words.said(stored.label, stored.label_source or "", stored.label_time), disputes)

    def _stage(self, stored: StoredRound, alarm: str | None) -> tuple[Stage, str]:
        """How far the round's settlement is, and what it waits for."""
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
        last = stored.time + self._label_days * _DAY
        if self._clock() * 1_000_000 > last:
            days = "1 day" if self._label_days == 1 else f"{self._label_days} days"
            return "never", f"It never settles: no label came within {days}."
        return (
            "awaits_label",
            f"It waits for its label until {iso(last)[:10]}: `concord feedback {stored.id} LABEL`.",
        )


def _settles(body: Body, task: str, policy: str) -> bool:
    """Whether an event settles rounds of this task and policy."""
    return body["kind"] == "settle" and (body["task"], body["policy"]) == (task, policy)


@dataclass(frozen=True, slots=True)
class _Settling:
    """The event that settled a round, its block, and the task's state before it."""

    block: Block
    key: str
    body: Body
    before: TaskState | None

    def sigma(self, given: Evidence) -> int | None:
        """σ at the block's start, within which a value was right; None for classes."""
        if given.scale is None:
            return None
        known = self.before.sigma if self.before else None
        return max(1, given.scale if known is None else known)

    def told(self, stored: StoredRound) -> Settled:
        """The settlement, as it is told on the wire."""
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


def _read(stored: StoredRound) -> Evidence:
    """The evidence of a round under either policy; a class under `seed` has no probabilities."""
    if stored.evidence is None:
        return Evidence(0, {})
    if stored.policy == "seed":
        return Evidence(evidence.read_seed(stored.id, stored.evidence)[0], {})
    given = evidence.read(stored.id, stored.evidence)
    ballots = [*given.votes.values(), *given.shadows.values(), *given.challengers.values()]
    if not all(ballot.counts for ballot in ballots):
        raise LedgerBroken(f"The evidence of round {stored.id} holds an empty vote.")
    return given
