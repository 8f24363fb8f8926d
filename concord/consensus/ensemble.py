"""The ensemble of a task: its nodes on the state of one ledger height, and what their votes amount to.

An ensemble is a snapshot of the nodes' accounts (stake, deposit, accuracy, skill), the policy and the schema,
so that everything a verdict says belongs to one state. A node on probation or in jail is a non-voter: it may
be asked, and does not count. A new ensemble is built when the ledger or a node changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, get_args

import numpy as np

from concord.consensus.node_client import NodeClient, Reply
from concord.consensus.poll import PollLimits
from concord.errors import ConfigurationError
from concord.ledger.state import TaskState
from concord.policies import voting
from concord.policies.columns import wager_rows
from concord.policies.voting import PPM, Method, PooledAnswer, Voter
from concord.settings import BelowQuorum, PolicyName
from concord.settlement import evidence
from concord.settlement.evidence import RawVote
from concord.tasks.schema import TaskSchema
from concord.types.answers import ChallengerVote, Outcome, Pool, Status, Verdict, Vote

_POOLS: Mapping[Method, Pool] = {method: Pool(method) for method in get_args(Method)}


@dataclass(frozen=True)
class TaskPolicy:
    """How a task is decided, as its operator has set: the policy, and what happens below the quorum."""

    name: PolicyName
    limits: PollLimits
    below_quorum: BelowQuorum = "refuse"
    fallback: str | float | None = None


@dataclass(frozen=True, slots=True)
class NonVoter:
    """A node that does not count: a `shadow` is asked unless it has no client, a `jailed` one is not."""

    node: str
    outcome: Outcome
    client: NodeClient | None
    version: str | None = None


class RoundResult(NamedTuple):
    """One row decided: the verdict, and what its evidence is made of besides.

    Attributes:
        verdict: What the caller gets.
        decision: How it was decided; None without a quorum, and then no money ever moves.
        voted: Which replies it was decided from, by their place among the voters.
    """

    verdict: Verdict
    decision: PooledAnswer | None = None
    voted: Sequence[int] = ()


def voters_of(task: TaskState) -> tuple[Voter, ...]:
    """A task's accounts as voters, sorted by node; under `seed` all nodes count."""
    return tuple(
        Voter(
            node,
            account.stake,
            account.deposit,
            account.accuracy,
            account.skill,
            account.standing == "active" or task.policy == "seed",
            account.version,
            account.is_newcomer,
        )
        for node, account in sorted(task.accounts.items())
    )


@dataclass(frozen=True)
class Ensemble:
    """The nodes of a task on the state of one height.

    Attributes:
        task: The task's name.
        schema: What is asked and answered.
        clients: The nodes that count, in the order of `voters`; None for one that states another schema.
        voters: Their accounts, sorted by node.
        policy: How rounds are decided, and what happens below the quorum.
        height: The block whose state this is.
        non_voters: The nodes that do not count, sorted.
        labels: Labelled rounds of the task so far.
        sigma: The usual error of a regression in steps of its resolution; None before the first label.
    """

    task: str
    schema: TaskSchema
    clients: Sequence[NodeClient | None]
    voters: tuple[Voter, ...]
    policy: TaskPolicy
    height: int
    non_voters: tuple[NonVoter, ...] = ()
    labels: int = 0
    sigma: int | None = None

    def __post_init__(self) -> None:
        if self.moves_money and self.schema.is_regression:
            raise ConfigurationError(
                f"Task {self.task} answers with a value; policy 'seed' is for labels only. Use 'wager'.",
                field=f"tasks.{self.task}.policy",
            )
        fallback, value = self.policy.fallback, self.schema.value
        is_answer = isinstance(fallback, float | int) if value else fallback in self._label_names
        if fallback is not None and not is_answer:
            admitted = "a number" if value else f"one of {', '.join(self._label_names)}"
            raise ConfigurationError(
                f"The fallback of {self.task} must be {admitted}, not {fallback!r}.",
                field=f"tasks.{self.task}.fallback",
            )

    @cached_property
    def moves_money(self) -> bool:
        """Whether its rounds move stake by their answers alone, without a label."""
        return self.policy.name == "seed"

    @cached_property
    def deposits(self) -> tuple[int, ...]:
        """Deposits in µS, in the order of the voters."""
        return tuple(voter.deposit for voter in self.voters)

    @cached_property
    def shadows(self) -> tuple[tuple[str, NodeClient], ...]:
        """The nodes that are asked and do not count, by name."""
        return tuple((node.node, node.client) for node in self.non_voters if node.client is not None)

    @cached_property
    def _all_voters(self) -> range:
        return range(len(self.voters))

    @cached_property
    def _quorum(self) -> int:
        return sum(self.deposits) * self.policy.limits.quorum

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """Each node's weight in 0..1 if all of them vote."""
        if not self.voters:
            return ()
        blank = [0] if self.schema.is_regression else voting.one_hot(0, self.schema.width)
        votes = [blank] * len(self.voters)
        return tuple(weight / PPM for weight in self._pool(self.voters, votes).weights)

    def pool_rows(self, replies: Sequence[Reply], rows: range) -> Sequence[PooledAnswer | None]:
        """The answers to some rows of a poll, worked out together; None for each where that cannot be done.

        It can for a classification, under `wager`, where the same nodes have voted on all rows.

        Args:
            replies: What each node did, in the order of the voters.
            rows: Which rows of the poll.
        """
        alone = [None] * len(rows)
        voted = [i for i, reply in enumerate(replies) if reply.outcome == "voted"]
        if self.moves_money or self.schema.is_regression or not voted:
            return alone
        if any(replies[i].valid is not None for i in voted):
            return alone
        votes = np.array([replies[i].votes[rows.start : rows.stop] for i in voted], dtype=np.int64)
        return wager_rows([self.voters[i] for i in voted], votes.swapaxes(0, 1), self.labels)

    def decide(
        self, replies: Sequence[Reply], row: int, round_id: str, pooled: PooledAnswer | None = None
    ) -> RoundResult:
        """Decides one row of a poll.

        Args:
            replies: What each node did, in the order of the voters.
            row: Which row of the poll.
            round_id: The round's id.
            pooled: Its answer, where `pool_rows` has worked it out.
        """
        voted: Sequence[int] = [i for i, reply in enumerate(replies) if reply.usable(row)]
        if len(voted) == len(self.voters) > 0:
            # Nearly always, so what all voters have in common is not computed anew.
            status: Status = "ok"
            voted, voters = self._all_voters, self.voters
        else:
            status, voters = "degraded", tuple([self.voters[i] for i in voted])
            if not voted or sum([voter.deposit for voter in voters]) * PPM < self._quorum:
                return self._without_quorum(replies, row, voted, round_id)
        decision = pooled or self._pool(voters, [replies[i].votes[row] for i in voted])
        votes = self._votes(replies, row, voted, decision)
        return RoundResult(self._verdict(round_id, status, votes, decision), decision, voted)

    def evidence(
        self,
        result: RoundResult,
        replies: Sequence[Reply],
        row: int,
        shadows: Mapping[str, Reply] | None = None,
    ) -> bytes | None:
        """What settling the round will need; None where it never settles.

        A vote is put to the account of the version that the ledger has at this height, whatever version the
        answer names: that changes for moments while a node is rolled, and for good only with a lie.

        Args:
            result: The row, decided.
            replies: What it was decided from.
            row: Which row of the poll.
            shadows: What the shadows answered, by node.
        """
        decision = result.decision
        if decision is None:
            return None
        voted = {self.voters[i].node: replies[i] for i in result.voted}
        if self.moves_money:
            return evidence.write_seed(decision.answer, dict(zip(voted, decision.choices, strict=True)))
        shadows = shadows or {}
        challengers = {
            node: [reply.challenger, *reply.tried.votes[row]]
            for node, reply in (*voted.items(), *shadows.items())
            if reply.tried is not None and reply.tried.usable(row)
        }
        usable = {node: reply for node, reply in shadows.items() if reply.usable(row)}
        return evidence.write(
            decision.answer, self._raw(voted, row), self._raw(usable, row), challengers, self._scale
        )

    def _raw(self, replies: Mapping[str, Reply], row: int) -> dict[str, RawVote]:
        """The votes on a row, by node, as evidence has them."""
        versions = self._versions
        return {node: [versions[node] or reply.version, *reply.votes[row]] for node, reply in replies.items()}

    @cached_property
    def _versions(self) -> dict[str, str | None]:
        """The version that each node's record is of: a node that names another could not be scored for it."""
        versions = {voter.node: voter.version for voter in self.voters}
        return versions | {node.node: node.version for node in self.non_voters}

    @cached_property
    def _scale(self) -> int | None:
        """The usual error that the schema states, in steps; None for a classification."""
        value = self.schema.value
        return None if value is None else max(1, round(value.scale / float(value.step)))

    def _pool(self, voters: Sequence[Voter], votes: Sequence[Sequence[int]]) -> PooledAnswer:
        if self._scale is not None:
            sigma = self._scale if self.sigma is None else self.sigma
            return voting.wager_value(voters, [vote[0] for vote in votes], sigma, self.labels)
        return voting.seed(voters, votes) if self.moves_money else voting.wager(voters, votes, self.labels)

    def _verdict(
        self, round_id: str, status: Status, votes: list[Vote], decision: PooledAnswer | None
    ) -> Verdict:
        """The verdict of a decision, or without one that of a round below the quorum."""
        label, value, sentence = self._answer(decision.answer) if decision else self._fallback()
        return Verdict(
            id=round_id,
            task=self.task,
            status=status,
            label=label,
            value=value,
            unit=self.schema.value.unit if self.schema.value else None,
            sentence=sentence,
            probabilities=self._by_label(decision.pooled) if decision and decision.pooled else None,
            agreement=decision.agreement / PPM if decision else None,
            policy=self.policy.name,
            pool=_pool_view(decision) if decision else None,
            height=self.height,
            recorded=self.moves_money,
            settlement="due" if decision and self.moves_money else "none",
            votes=votes,
        )

    def _without_quorum(
        self, replies: Sequence[Reply], row: int, voted: Sequence[int], round_id: str
    ) -> RoundResult:
        verdict = self._verdict(round_id, "no_quorum", self._votes(replies, row, voted, None), None)
        verdict.error = {
            "code": "no_quorum",
            "message": f"{len(voted)} of {len(replies)} nodes of {self.task} gave a usable answer "
            "in time, and that is below the quorum.",
            "field": None,
        }
        return RoundResult(verdict)

    def _fallback(self) -> tuple[str | None, float | None, str | None]:
        fallback = self.policy.fallback
        if self.policy.below_quorum != "fallback" or fallback is None:
            return None, None, None
        if isinstance(fallback, str):
            return self._answer(self._label_names.index(fallback))
        return None, fallback, self._value_sentence(fallback)

    def _answer(self, answer: int) -> tuple[str | None, float | None, str]:
        """Label or value of an answer, and its sentence."""
        if self.schema.value is None:
            label = self.schema.labels[answer]
            return label.name, None, label.sentence
        value = self.schema.value.to_float(answer)
        return None, value, self._value_sentence(value)

    def _value_sentence(self, value: float) -> str:
        target = self.schema.value
        assert target is not None
        decimals = max(0, -int(target.step.as_tuple().exponent))
        return target.sentence.format(value=f"{value:,.{decimals}f}", unit=target.unit)

    def _votes(
        self, replies: Sequence[Reply], row: int, voted: Sequence[int], decision: PooledAnswer | None
    ) -> list[Vote]:
        """Each node's vote; a decision holds weight and choice of those that voted, in their order."""
        weights = decision.weights if decision else [0] * len(voted)
        choices = decision.choices if decision and decision.choices else [None] * len(voted)
        votes = [
            self._vote(self.voters[i].node, replies[i], row, weight, choice)
            for i, weight, choice in zip(voted, weights, choices, strict=True)
        ]
        if len(voted) == len(self.voters) and not self.non_voters:
            return votes
        votes += [
            Vote(voter.node, reply.row_outcome(row), reply.version, 0.0, reply.latency_ms)
            for i, (voter, reply) in enumerate(zip(self.voters, replies, strict=True))
            if i not in voted
        ]
        votes += [Vote(node.node, node.outcome, None, 0.0, None) for node in self.non_voters]
        return sorted(votes, key=lambda vote: vote.node)

    def _vote(self, node: str, reply: Reply, row: int, weight: int, choice: int | None) -> Vote:
        counts, share, version = reply.votes[row], weight / PPM, reply.version
        challenger = self._challenger_vote(reply, row) if reply.tried else None
        if self.schema.value is not None:
            value = self.schema.value.to_float(counts[0])
            return Vote(node, "voted", version, share, reply.latency_ms, None, None, value, challenger)
        label = self._label_names[voting.argmax(counts) if choice is None else choice]
        probabilities = self._by_label(counts)
        return Vote(node, "voted", version, share, reply.latency_ms, label, probabilities, None, challenger)

    def _challenger_vote(self, reply: Reply, row: int) -> ChallengerVote | None:
        if reply.tried is None or reply.challenger is None or not reply.tried.usable(row):
            return None
        counts = reply.tried.votes[row]
        if self.schema.value is not None:
            return ChallengerVote(reply.challenger, value=self.schema.value.to_float(counts[0]))
        label = self._label_names[voting.argmax(counts)]
        return ChallengerVote(reply.challenger, label, self._by_label(counts))

    @cached_property
    def _label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.schema.labels)

    def _by_label(self, shares: Sequence[int]) -> dict[str, float]:
        return {name: share / PPM for name, share in zip(self._label_names, shares, strict=True)}


def _pool_view(decision: PooledAnswer) -> Pool:
    if decision.mean is None:
        return _POOLS[decision.method]
    numerator, denominator = decision.mean
    return Pool("weighted_mean", numerator / denominator)
