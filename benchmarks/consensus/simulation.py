"""Simulation of Concord's rule on a stream, in memory, with an audit of each block.

Voters, answers, settlement and ledger state are computed by Concord's own code. Network and clock are left
out: every node that is present answers in time, and the quorum is always reached.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from benchmarks.consensus.actors import Actor, can_afford_to_lie
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
    """A policy and the score that it pays for."""

    name: str
    policy: str = "wager"
    score: str = "hit"


WAGER: Final = Rule("wager hit")
BRIER: Final = Rule("wager brier", score="brier")
SEED: Final = Rule("seed", "seed")
RULES: Final = (WAGER, BRIER, SEED)


@dataclass
class Audit:
    """Totals of the audit of all blocks.

    Attributes:
        blocks: Settled blocks.
        unbalanced: Blocks after which stake and treasury are not what was paid in, or whose events or
            records don't sum to 0.
        right_debited: Right votes that lost stake, levelling apart.
        wrong_credited: Wrong votes that gained stake, levelling apart.
        right: Right votes in settled rounds.
        debits: All debits in µS, levelling apart.
        debits_of_wrong: Debits of votes that did not name the truth, in µS.
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
class Simulation:
    """The result of a simulation.

    Attributes:
        answers: The consensus of each round.
        labelled: Labelled rounds settled before each round.
        weights: Node → weight in ppm in each round, 0 where it did not count.
        lied: Adaptive node → the rounds in which it chose to lie.
        audit: Totals of the audit of all blocks.
        state: The task's final state.
    """

    answers: npt.NDArray[np.int64]
    labelled: npt.NDArray[np.int64]
    weights: Mapping[str, npt.NDArray[np.int64]]
    lied: Mapping[str, npt.NDArray[np.bool_]]
    audit: Audit
    state: TaskState


def simulate(
    stream: Stream,
    actors: Sequence[Actor],
    arriving: Sequence[Sequence[tuple[int, int]]],
    rule: Rule,
    warm: int = WARM_LABELS,
) -> Simulation:
    """Simulates all rounds of a stream under a rule.

    Args:
        stream: The stream.
        actors: The nodes, sorted by name.
        arriving: For each round, the labels that arrive right before it: (round, label).
        rule: The rule; `seed` settles without labels.
        warm: Labelled rounds from which on skill is believed.
    """
    return _Simulator(stream, actors, rule, warm).simulate(arriving)


class _Simulator:
    """A simulation under way: the ledger's state and the rounds that wait for settlement."""

    def __init__(self, stream: Stream, actors: Sequence[Actor], rule: Rule, warm: int) -> None:
        self._stream, self._rule, self._actors, self._warm = stream, rule, actors, warm
        self._truth = stream.truth.tolist()
        self._votes: dict[str, Counts] = {actor.node: actor.votes.tolist() for actor in actors}
        self._lies: dict[str, Counts] = {
            actor.node: actor.lies.tolist() for actor in actors if actor.lies is not None
        }
        self._present = {actor.node: actor.present.tolist() for actor in actors if actor.present is not None}
        self._state = fold(State(), _opening_events(stream, actors, rule))
        self._audit = Audit()
        self._waiting: list[SettlementRound] = []
        self._evidence: list[bytes | None] = [None] * stream.rounds
        self._read_nodes()

    def simulate(self, arriving: Sequence[Sequence[tuple[int, int]]]) -> Simulation:
        rounds = self._stream.rounds
        answers, labelled = np.full(rounds, -1, dtype=np.int64), np.zeros(rounds, dtype=np.int64)
        weights = {actor.node: np.zeros(rounds, dtype=np.int64) for actor in self._actors}
        lied = {node: np.zeros(rounds, dtype=np.bool_) for node in self._lies}
        for round_ in range(rounds):
            for labelled_round, label in arriving[round_] if self._rule.policy == "wager" else ():
                self._queue(labelled_round, label)
            labelled[round_] = self._task.labels
            voters, decision = self._decide(round_)
            answers[round_] = decision.answer
            for voter, weight in zip(voters, decision.weights, strict=True):
                weights[voter.node][round_] = weight
            for node in self._lying:
                lied[node][round_] = True
            if self._rule.policy == "seed":
                self._queue(round_, None)
        return Simulation(answers, labelled, weights, lied, self._audit, self._task)

    @property
    def _task(self) -> TaskState:
        return self._state.task(TASK)

    def _read_nodes(self) -> None:
        """Reads voters and non-voters, and the nodes that decide to lie, from the state: once a block."""
        self._nodes = voters_of(self._task)
        self._lying = {node for node in self._lies if can_afford_to_lie(self._task.account(node))}

    def _decide(self, round_: int) -> tuple[list[Voter], PooledAnswer]:
        votes: dict[str, list[int]] = {}
        for node, counts in self._votes.items():
            if node not in self._present or self._present[node][round_]:
                votes[node] = self._lies[node][round_] if node in self._lying else counts[round_]
        voters = [voter for voter in self._nodes if voter.counts and voter.node in votes]
        decision = self._pool(voters, [votes[voter.node] for voter in voters])
        if self._rule.policy == "seed":
            choices = {voter.node: k for voter, k in zip(voters, decision.choices, strict=True)}
            self._evidence[round_] = evidence.write_seed(decision.answer, choices)
        else:
            self._evidence[round_] = self._write(decision, voters, votes)
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
        non_voters = {
            non_voter.node: ["1", *votes[non_voter.node]]
            for non_voter in self._nodes
            if not non_voter.counts and non_voter.node in votes and self._is_watched(non_voter.node)
        }
        voter_votes = {voter.node: ["1", *votes[voter.node]] for voter in voters}
        scale = None if self._stream.classes else self._stream.scale
        return evidence.write(decision.answer, voter_votes, non_voters, scale=scale)

    def _is_watched(self, node: str) -> bool:
        """Whether a node without a vote is asked too."""
        return self._task.account(node).reason != "invalid"

    def _queue(self, round_: int, label: int | None) -> None:
        due = SettlementRound(f"r{round_:07d}", TASK, self._rule.policy, self._evidence[round_], label)
        self._waiting.append(due)
        if len(self._waiting) == BLOCK:
            self._settle()

    def _settle(self) -> None:
        before = self._task
        settlement = settle_batch(f"b{self._audit.blocks:07d}", self._waiting, self._state)
        self._state = fold(self._state, settlement.events)
        self._audit_block(settlement, before)
        self._waiting = []
        self._read_nodes()

    def _audit_block(self, settlement: Settlement, before: TaskState) -> None:
        audit, task = self._audit, self._task
        total = sum(account.stake for account in task.accounts.values()) + task.treasury
        records = [orjson.loads(record) for record in settlement.records.values()]
        event_sum = sum(_event_sum(event.body) for event in settlement.events if event.kind == "settle")
        round_sum = sum(sum(record["deltas"].values()) for record in records)
        round_sum += task.treasury - before.treasury
        audit.blocks += 1
        audit.unbalanced += bool(total != task.paid_in - task.paid_out or event_sum or round_sum)
        for record in records:
            self._audit_round(record)
        for event in settlement.events:
            if event.kind == "jail":
                audit.jailed.setdefault(event.body["node"], (task.labels, event.body["reason"]))

    def _audit_round(self, record: Mapping[str, Any]) -> None:
        """Adds a settled round to the totals, by its label and by the truth."""
        if not self._stream.classes:
            return
        truth = self._truth[int(record["id"][1:])]
        for node, delta in record["deltas"].items():
            vote = record["votes"][node]
            choice = pool.argmax(vote[1:]) if self._rule.policy == "wager" else vote
            right = choice == (record["label"] if self._rule.policy == "wager" else truth)
            self._audit.right += right
            self._audit.right_debited += right and delta < 0
            self._audit.wrong_credited += not right and delta > 0
            self._audit.debits += max(0, -delta)
            self._audit.debits_of_wrong += max(0, -delta) if choice != truth else 0


def _opening_events(stream: Stream, actors: Sequence[Actor], rule: Rule) -> Iterator[Event]:
    nodes = [actor.node for actor in actors]
    yield events.params(TASK, rule.policy, opens=nodes, score=rule.score)
    for actor in actors:
        accuracy = _stated_accuracy(stream, actor)
        yield events.open_account(TASK, actor.node, actor.deposit, accuracy, version="1", newcomer=True)


def _stated_accuracy(stream: Stream, actor: Actor) -> int:
    """The accuracy that a node states, which only `seed` uses: its own where it is honest, else 1."""
    if not stream.classes:
        return PPM
    return round(float((actor.votes.argmax(axis=1) == stream.truth).mean()) * PPM) if actor.honest else PPM


def _event_sum(body: Mapping[str, Any]) -> int:
    nodes = (events.NodeSums(*numbers) for numbers in body["nodes"].values())
    return sum(sums.delta + sums.levelling for sums in nodes) + int(body["treasury"])
