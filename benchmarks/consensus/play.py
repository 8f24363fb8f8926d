"""Plays a stream through the shipped rule: voters, pool, evidence, settlement and ledger, round by round.

Nothing of the rule is written here: who counts and with what comes from the ledger's state, the
answer from `concord.policies.voting`, what moves from `settle_batch`, and the next state from `fold`. What is
left out is the network and the clock: every node that is present answers in time, and nobody's
absence reaches the quorum. Each block is audited as it is settled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from benchmarks.consensus.actors import Actor, wants_to_lie
from benchmarks.consensus.streams import Stream
from concord.consensus.ensemble import voters_of
from concord.journal.rows import SettlementRound
from concord.ledger import events
from concord.ledger.events import Event
from concord.ledger.state import State, TaskState, fold
from concord.policies import voting as pool
from concord.policies.voting import PPM, WARM_LABELS, PooledAnswer, Voter
from concord.settlement import evidence
from concord.settlement.batch import Settlement, settle_batch

TASK: Final = "stream"
BLOCK: Final = 5
"""Labelled rounds that settle together."""

Counts = list[list[int]]


@dataclass(frozen=True)
class Rule:
    """What a stream is played under: a policy, and what it pays for."""

    name: str
    policy: str = "wager"
    score: str = "hit"


WAGER: Final = Rule("wager hit")
BRIER: Final = Rule("wager brier", score="brier")
SEED: Final = Rule("seed", "seed")
RULES: Final = (WAGER, BRIER, SEED)


@dataclass
class Audit:
    """What is looked at in every block.

    Attributes:
        blocks: How many were settled.
        unbalanced: Blocks after which stake and treasury are not what was paid in, or whose events or
            records don't sum to 0.
        right_debited: Votes that were right and lost, levelling apart.
        wrong_credited: Votes that were wrong and gained, levelling apart.
        right: Votes that were right in a settled round.
        debits: All debits in µS, levelling apart.
        debits_of_wrong: Those of votes that did not name the truth.
        jailed: Node → labelled rounds when it was first jailed, and why.
    """

    blocks: int = 0
    unbalanced: int = 0
    right_debited: int = 0
    wrong_credited: int = 0
    right: int = 0
    debits: int = 0
    debits_of_wrong: int = 0
    jailed: dict[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Played:
    """What happened.

    Attributes:
        answers: The consensus of each round.
        labelled: Labelled rounds settled before each round.
        weights: Node → weight in ppm in each round, 0 where it did not count.
        lied: Adaptive node → the rounds in which it chose to lie.
        audit: What was looked at in every block.
        state: The task at the end.
    """

    answers: npt.NDArray[np.int64]
    labelled: npt.NDArray[np.int64]
    weights: Mapping[str, npt.NDArray[np.int64]]
    lied: Mapping[str, npt.NDArray[np.bool_]]
    audit: Audit
    state: TaskState


def play(
    stream: Stream,
    actors: Sequence[Actor],
    arriving: Sequence[Sequence[tuple[int, int]]],
    rule: Rule,
    warm: int = WARM_LABELS,
) -> Played:
    """Plays all rounds of a stream under a rule.

    Args:
        stream: The stream.
        actors: Who votes, sorted by node.
        arriving: For each round, the labels that arrive right before it: (round, label).
        rule: The rule; `seed` settles without labels.
        warm: Labelled rounds from which on skill is believed.
    """
    return _Game(stream, actors, rule, warm).play(arriving)


class _Game:
    """One run: the ledger's state, and what is waiting to be settled."""

    def __init__(self, stream: Stream, actors: Sequence[Actor], rule: Rule, warm: int) -> None:
        self._stream, self._rule, self._actors, self._warm = stream, rule, actors, warm
        self._truth = stream.truth.tolist()
        self._votes: dict[str, Counts] = {one.node: one.votes.tolist() for one in actors}
        self._lies: dict[str, Counts] = {
            one.node: one.lies.tolist() for one in actors if one.lies is not None
        }
        self._present = {one.node: one.present.tolist() for one in actors if one.present is not None}
        self._state = fold(State(), _opening(stream, actors, rule))
        self._audit = Audit()
        self._waiting: list[SettlementRound] = []
        self._evidence: list[bytes | None] = [None] * stream.rounds
        self._read_nodes()

    def play(self, arriving: Sequence[Sequence[tuple[int, int]]]) -> Played:
        rounds = self._stream.rounds
        answers, labelled = np.full(rounds, -1, dtype=np.int64), np.zeros(rounds, dtype=np.int64)
        weights = {one.node: np.zeros(rounds, dtype=np.int64) for one in self._actors}
        lied = {node: np.zeros(rounds, dtype=np.bool_) for node in self._lies}
        for one in range(rounds):
            for which, label in arriving[one] if self._rule.policy == "wager" else ():
                self._queue(which, label)
            labelled[one] = self._task.labels
            voters, decision = self._decide(one)
            answers[one] = decision.answer
            for voter, weight in zip(voters, decision.weights, strict=True):
                weights[voter.node][one] = weight
            for node in self._lying:
                lied[node][one] = True
            if self._rule.policy == "seed":
                self._queue(one, None)
        return Played(answers, labelled, weights, lied, self._audit, self._task)

    @property
    def _task(self) -> TaskState:
        return self._state.task(TASK)

    def _read_nodes(self) -> None:
        """Reads voters and non-voters, and the nodes that decide to lie, from the state: once a block."""
        self._nodes = voters_of(self._task)
        self._lying = {node for node in self._lies if wants_to_lie(self._task.account(node))}

    def _decide(self, one: int) -> tuple[list[Voter], PooledAnswer]:
        votes: dict[str, list[int]] = {}
        for node, counts in self._votes.items():
            if node not in self._present or self._present[node][one]:
                votes[node] = self._lies[node][one] if node in self._lying else counts[one]
        voters = [voter for voter in self._nodes if voter.counts and voter.node in votes]
        decision = self._pool(voters, [votes[voter.node] for voter in voters])
        if self._rule.policy == "seed":
            choices = {voter.node: k for voter, k in zip(voters, decision.choices, strict=True)}
            self._evidence[one] = evidence.write_seed(decision.answer, choices)
        else:
            self._evidence[one] = self._write(decision, voters, votes)
        return voters, decision

    def _pool(self, voters: Sequence[Voter], votes: Sequence[Sequence[int]]) -> PooledAnswer:
        task = self._task
        if self._rule.policy == "seed":
            return pool.seed(voters, votes)
        if self._stream.classes:
            return pool.wager(voters, votes, task.labels, self._warm)
        sigma = task.sigma if task.sigma is not None else self._stream.scale
        return pool.wager_value(voters, [vote[0] for vote in votes], sigma, task.labels, self._warm)

    def _write(
        self, decision: PooledAnswer, voters: Sequence[Voter], votes: Mapping[str, list[int]]
    ) -> bytes:
        shadows = {
            aside.node: ["1", *votes[aside.node]]
            for aside in self._nodes
            if not aside.counts and aside.node in votes and self._is_watched(aside.node)
        }
        counted = {voter.node: ["1", *votes[voter.node]] for voter in voters}
        scale = None if self._stream.classes else self._stream.scale
        return evidence.write(decision.answer, counted, shadows, scale=scale)

    def _is_watched(self, node: str) -> bool:
        """Whether a node that does not count is asked all the same."""
        return self._task.account(node).reason != "invalid"

    def _queue(self, one: int, label: int | None) -> None:
        due = SettlementRound(f"r{one:07d}", TASK, self._rule.policy, self._evidence[one], label)
        self._waiting.append(due)
        if len(self._waiting) == BLOCK:
            self._settle()

    def _settle(self) -> None:
        before = self._task
        settlement = settle_batch(f"b{self._audit.blocks:07d}", self._waiting, self._state)
        self._state = fold(self._state, settlement.events)
        self._look_at(settlement, before)
        self._waiting = []
        self._read_nodes()

    def _look_at(self, settlement: Settlement, before: TaskState) -> None:
        audit, task = self._audit, self._task
        held = sum(account.stake for account in task.accounts.values()) + task.treasury
        records = [orjson.loads(record) for record in settlement.records.values()]
        moved = sum(_moved(event.body) for event in settlement.events if event.kind == "settle")
        in_rounds = sum(sum(record["deltas"].values()) for record in records)
        in_rounds += task.treasury - before.treasury
        audit.blocks += 1
        audit.unbalanced += bool(held != task.paid_in - task.paid_out or moved or in_rounds)
        for record in records:
            self._look_at_round(record)
        for event in settlement.events:
            if event.kind == "jail":
                audit.jailed.setdefault(event.body["node"], (task.labels, event.body["reason"]))

    def _look_at_round(self, record: Mapping[str, Any]) -> None:
        """Who was paid and who paid, by the label that the settlement had, and by the truth."""
        if not self._stream.classes:
            return
        truth = self._truth[int(record["id"][1:])]
        for node, delta in record["deltas"].items():
            vote = record["votes"][node]
            named = pool.argmax(vote[1:]) if self._rule.policy == "wager" else vote
            right = named == (record["label"] if self._rule.policy == "wager" else truth)
            self._audit.right += right
            self._audit.right_debited += right and delta < 0
            self._audit.wrong_credited += not right and delta > 0
            self._audit.debits += max(0, -delta)
            self._audit.debits_of_wrong += max(0, -delta) if named != truth else 0


def _opening(stream: Stream, actors: Sequence[Actor], rule: Rule) -> Iterator[Event]:
    nodes = [one.node for one in actors]
    yield events.params(TASK, rule.policy, opens=nodes, score=rule.score)
    for one in actors:
        stated = _stated(stream, one)
        yield events.open_account(TASK, one.node, one.deposit, stated, version="1")


def _stated(stream: Stream, actor: Actor) -> int:
    """The accuracy that a node states, which only `seed` believes: its own where it is honest, else 1."""
    if not stream.classes:
        return PPM
    return round(float((actor.votes.argmax(axis=1) == stream.truth).mean()) * PPM) if actor.honest else PPM


def _moved(body: Mapping[str, Any]) -> int:
    nodes = (events.NodeSums(*numbers) for numbers in body["nodes"].values())
    return sum(one.delta + one.levelling for one in nodes) + int(body["treasury"])
