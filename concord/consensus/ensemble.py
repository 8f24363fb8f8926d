"""Who sits in a task at one height, and what their votes amount to.

A panel is a snapshot: the members, their seats (stake, deposit, accuracy, skill) at one block, the policy
and the schema. Who is on probation or jailed sits aside: it may be asked, and no answer sees its vote.
Rounds are decided on a panel, so that everything a verdict says belongs to one state. It is rebuilt when
the ledger or a member changes, and never reads the network, a clock or a file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from concord.consensus.poll import Pollable, PollLimits, Reply
from concord.errors import ConfigurationError
from concord.ledger.state import TaskState
from concord.policies import voting as pool
from concord.policies.scoring import PPM
from concord.policies.voting import Method, PooledAnswer, Voter
from concord.settings import BelowQuorum, PolicyName
from concord.settlement import evidence
from concord.tasks.schema import TaskSchema
from concord.types.answers import ChallengerVote, Pool, Status, Verdict, Vote

_POOLS: Mapping[Method, Pool] = {
    "weighted_median": Pool("weighted_median"),
    "stake_mean": Pool("stake_mean"),
    "linear": Pool("linear"),
}


@dataclass(frozen=True)
class TaskPolicy:
    """What an operator has settled for a task: the policy, and what happens below the quorum."""

    policy: PolicyName
    patience: PollLimits
    below_quorum: BelowQuorum = "refuse"
    fallback: str | float | None = None


@dataclass(frozen=True, slots=True)
class NonVoter:
    """A node that does not count: asked as a shadow, or (`member` None) not asked at all."""

    node: str
    member: Pollable | None
    version: str | None = None


class RoundResult(NamedTuple):
    """One row's outcome.

    Attributes:
        verdict: What the caller gets.
        decision: How it was decided; None without a quorum, and then no money ever moves.
        voters: Which replies it was decided from, by their place among the seats.
    """

    verdict: Verdict
    decision: PooledAnswer | None = None
    voters: Sequence[int] = ()


def seats(task: TaskState) -> tuple[Voter, ...]:
    """The seats of a task's accounts, sorted by node; under `seed` everybody counts."""
    return tuple(
        Voter(
            node,
            account.stake,
            account.deposit,
            account.accuracy,
            account.skill,
            account.standing == "active" or task.policy == "seed",
            account.version,
        )
        for node, account in sorted(task.accounts.items())
    )


@dataclass(frozen=True)
class Ensemble:
    """The nodes of a task on the state of one height.

    Attributes:
        task: The task's name.
        schema: What is asked and answered.
        members: Who is asked, in the order of `seats`.
        seats: The accounts of those that count, sorted by node.
        terms: Policy, patience and what happens below the quorum.
        height: The block whose state this is.
        aside: The nodes that do not count, sorted.
        labels: Labelled rounds of the task so far.
        sigma: The usual error of a regression in steps of its resolution; None before the first label.
    """

    task: str
    schema: TaskSchema
    members: Sequence[Pollable]
    seats: tuple[Voter, ...]
    terms: TaskPolicy
    height: int
    aside: tuple[NonVoter, ...] = ()
    labels: int = 0
    sigma: int | None = None

    def __post_init__(self) -> None:
        if self.terms.policy == "seed" and self.schema.is_regression:
            raise ConfigurationError(
                f"Task {self.task} answers with a value; policy 'seed' is for labels only. Use 'wager'.",
                field=f"tasks.{self.task}.policy",
            )

        fallback, value = self.terms.fallback, self.schema.value
        known = isinstance(fallback, float | int) if value else fallback in self._label_names
        if fallback is not None and not known:
            admitted = "a number" if value else f"one of {', '.join(self._label_names)}"
            raise ConfigurationError(
                f"The fallback of {self.task} must be {admitted}, not {fallback!r}.",
                field=f"tasks.{self.task}.fallback",
            )

    @cached_property
    def deposits(self) -> tuple[int, ...]:
        """Deposits in µS, in the order of the seats."""
        return tuple(seat.deposit for seat in self.seats)

    @cached_property
    def shadows(self) -> tuple[tuple[str, Pollable], ...]:
        """The nodes that are asked and do not count, by name."""
        return tuple((one.node, one.member) for one in self.aside if one.member is not None)

    @cached_property
    def _everybody(self) -> range:
        return range(len(self.seats))

    @cached_property
    def _quorum(self) -> int:
        return sum(self.deposits) * self.terms.patience.quorum

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """Each node's weight in 0..1 if all of them vote."""
        if not self.seats:
            return ()
        return tuple(weight / PPM for weight in self._weigh(self.seats))

    def rule(self, replies: Sequence[Reply], row: int, round_id: str, *, recorded: bool) -> RoundResult:
        """Decides one row of a poll.

        Args:
            replies: What each member did, in the order of the seats.
            row: Which row of the poll.
            round_id: The round's id.
            recorded: Whether the journal will have the round before the caller has the answer.
        """
        voters: Sequence[int] = [i for i, reply in enumerate(replies) if reply.usable(row)]
        if len(voters) == len(self.seats) > 0:
            # Nearly always, so what is known of all seats together is not put together anew.
            status: Status = "ok"
            voters, seats = self._everybody, self.seats
        else:
            status, seats = "degraded", tuple([self.seats[i] for i in voters])
            if not voters or sum([seat.deposit for seat in seats]) * PPM < self._quorum:
                return self._without_quorum(replies, row, voters, round_id, recorded=recorded)
        decision = self._decide(seats, [replies[i].votes[row] for i in voters])
        votes = self._votes(replies, row, voters, decision)
        verdict = self._verdict(decision, round_id, status, votes, recorded=recorded)
        return RoundResult(verdict, decision, voters)

    def evidence(
        self,
        ruling: RoundResult,
        replies: Sequence[Reply],
        row: int,
        shadows: Mapping[str, Reply] | None = None,
    ) -> bytes | None:
        """What settling the round will need; None where it never settles.

        A vote is put to the account of the version that the ledger knows at this height, whatever version
        the answer names: that changes for moments while a node is rolled, and for good only with a lie.

        Args:
            ruling: What became of the row.
            replies: What it was decided from.
            row: Which row of the poll.
            shadows: What the shadows answered, by node.
        """
        decision = ruling.decision
        if decision is None:
            return None
        voted = [(self.seats[i].node, replies[i]) for i in ruling.voters]
        if self.terms.policy == "seed":
            names = [node for node, _ in voted]
            return evidence.write_seed(decision.answer, dict(zip(names, decision.choices, strict=True)))
        return evidence.write(
            decision.answer,
            {node: [self._versions[node] or reply.version, *reply.votes[row]] for node, reply in voted},
            {
                node: [self._versions[node] or reply.version, *reply.votes[row]]
                for node, reply in (shadows or {}).items()
                if reply.usable(row)
            },
            {
                node: [reply.challenger, *reply.tried.votes[row]]
                for node, reply in (*voted, *(shadows or {}).items())
                if reply.tried is not None and reply.tried.usable(row)
            },
            self._scale,
        )

    @cached_property
    def _versions(self) -> dict[str, str | None]:
        """The version that each node's record is of: a node that names another could not be scored for it."""
        seated = {seat.node: seat.version for seat in self.seats}
        return seated | {one.node: one.version for one in self.aside}

    @cached_property
    def _scale(self) -> int | None:
        """The usual error that the schema states, in steps; None for a classification."""
        value = self.schema.value
        return None if value is None else max(1, round(value.scale / float(value.step)))

    def _decide(self, seats: Sequence[Voter], votes: Sequence[Sequence[int]]) -> PooledAnswer:
        if self._scale is not None:
            sigma = self._scale if self.sigma is None else self.sigma
            return pool.wager_value(seats, [vote[0] for vote in votes], sigma, self.labels)
        return (
            pool.seed(seats, votes) if self.terms.policy == "seed" else pool.wager(seats, votes, self.labels)
        )

    def _weigh(self, seats: Sequence[Voter]) -> tuple[int, ...]:
        blank = [0] if self.schema.is_regression else pool.one_hot(0, self.schema.width)
        return self._decide(seats, [blank] * len(seats)).weights

    def _verdict(
        self, decision: PooledAnswer, round_id: str, status: Status, votes: list[Vote], *, recorded: bool
    ) -> Verdict:
        label, value, sentence = self._say(decision.answer)
        return Verdict(
            id=round_id,
            task=self.task,
            status=status,
            label=label,
            value=value,
            unit=self.schema.value.unit if self.schema.value else None,
            sentence=sentence,
            probabilities=self._named(decision.pooled) if decision.pooled else None,
            agreement=decision.agreement / PPM,
            policy=self.terms.policy,
            pool=_pool(decision),
            height=self.height,
            recorded=recorded,
            settlement="due" if self.terms.policy == "seed" else "none",
            votes=votes,
        )

    def _without_quorum(
        self, replies: Sequence[Reply], row: int, voters: Sequence[int], round_id: str, *, recorded: bool
    ) -> RoundResult:
        label, value, sentence = self._fallback()
        verdict = Verdict(
            id=round_id,
            task=self.task,
            status="no_quorum",
            label=label,
            value=value,
            unit=self.schema.value.unit if self.schema.value else None,
            sentence=sentence,
            probabilities=None,
            agreement=None,
            policy=self.terms.policy,
            pool=None,
            height=self.height,
            recorded=recorded,
            settlement="none",
            votes=self._votes(replies, row, voters, None),
            error={
                "code": "no_quorum",
                "message": f"{len(voters)} of {len(replies)} nodes of {self.task} gave a usable answer "
                "in time, and that is below the quorum.",
                "field": None,
            },
        )
        return RoundResult(verdict)

    def _fallback(self) -> tuple[str | None, float | None, str | None]:
        fallback = self.terms.fallback
        if self.terms.below_quorum != "fallback" or fallback is None:
            return None, None, None
        if isinstance(fallback, str):
            sentence = next((label.sentence for label in self.schema.labels if label.name == fallback), None)
            return fallback, None, sentence
        return None, fallback, self._value_sentence(fallback)

    def _say(self, answer: int) -> tuple[str | None, float | None, str]:
        if self.schema.value is None:
            label = self.schema.labels[answer]
            return label.name, None, label.sentence
        value = self.schema.value.to_float(answer)
        return None, value, self._value_sentence(value)

    def _value_sentence(self, value: float) -> str:
        described = self.schema.value
        assert described is not None
        decimals = max(0, -int(described.step.as_tuple().exponent))
        return described.sentence.format(value=f"{value:,.{decimals}f}", unit=described.unit)

    def _votes(
        self, replies: Sequence[Reply], row: int, voters: Sequence[int], decision: PooledAnswer | None
    ) -> list[Vote]:
        """What each node said; a decision holds weight and choice of those that voted, in their order."""
        weights = decision.weights if decision else [0] * len(voters)
        choices = decision.choices if decision and decision.choices else [None] * len(voters)
        votes = [
            self._vote(self.seats[i].node, replies[i], row, weight, choice)
            for i, weight, choice in zip(voters, weights, choices, strict=True)
        ]
        if len(voters) == len(self.seats) and not self.aside:
            return votes
        votes += [
            Vote(seat.node, reply.outcome_of(row), reply.version, 0.0, reply.latency_ms)
            for i, (seat, reply) in enumerate(zip(self.seats, replies, strict=True))
            if i not in voters
        ]
        return sorted([*votes, *self._aside()], key=lambda vote: vote.node)

    def _aside(self) -> Iterator[Vote]:
        return (
            Vote(one.node, "jailed" if one.member is None else "shadow", None, 0.0, None)
            for one in self.aside
        )

    def _vote(self, node: str, reply: Reply, row: int, weight: int, choice: int | None) -> Vote:
        counts, share, version = reply.votes[row], weight / PPM, reply.version
        tried = self._tried(reply, row) if reply.tried else None
        if self.schema.value is not None:
            value = self.schema.value.to_float(counts[0])
            return Vote(node, "voted", version, share, reply.latency_ms, None, None, value, tried)
        label = self._label_names[pool.argmax(counts) if choice is None else choice]
        named = self._named(counts)
        return Vote(node, "voted", version, share, reply.latency_ms, label, named, None, tried)

    def _tried(self, reply: Reply, row: int) -> ChallengerVote | None:
        if reply.tried is None or reply.challenger is None or not reply.tried.usable(row):
            return None
        counts = reply.tried.votes[row]
        if self.schema.value is not None:
            return ChallengerVote(reply.challenger, value=self.schema.value.to_float(counts[0]))
        return ChallengerVote(reply.challenger, self._label_names[pool.argmax(counts)], self._named(counts))

    @cached_property
    def _label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.schema.labels)

    def _named(self, shares: Sequence[int]) -> dict[str, float]:
        return {name: share / PPM for name, share in zip(self._label_names, shares, strict=True)}


def _pool(decision: PooledAnswer) -> Pool:
    if decision.mean is None:
        return _POOLS[decision.method]
    numerator, denominator = decision.mean
    return Pool("weighted_mean", numerator / denominator)
