"""The rules by which stake moves: pure functions over integers, one for each policy.

Stake is counted in µS (1 stake = 1,000,000 µS). Shares are apportioned by largest remainder with ties by node
id; every other inexact division is floored. A block is settled against the stakes at its start and its rounds
are taken by id, so the order in which they arrived does not matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from concord.policies.scoring import FIRST_ANSWERED, FIRST_SCORE, Trial
from concord.policies.voting import PPM, apportion

MICRO = 1_000_000
"""µS in one stake."""

SLASH_DIVISOR = 10
"""Policy `seed` takes ⌊stake / 10⌋ of a node that dissents."""

MIN_STAKE = 10 * MICRO
"""Below this, a node takes no part in a settlement by `wager`."""

PROVEN_ROUNDS = 20
"""Labelled rounds from which on a version's record is believed."""

Standing = Literal["active", "probation", "jailed"]
"""Whether a node's vote counts, is watched until it does, or is excluded."""

JailReason = Literal["regret", "invalid", "stake"]

Action = Literal["challenge", "promote", "rollback", "dismiss"]
"""A decision about a node's versions."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """The last decision about the versions that a node is to serve.

    Attributes:
        action: What was decided.
        version: The version that challenges, becomes champion, or is dismissed.
        before: The champion when it was decided.
        by: Name of the token that decided.
        at: Time in µs since the epoch.
        number: The account's changes before it, which make the key of its event.
        previous: The version that a rollback returns to; None where there is none.
        sigma: σ of the task then, which scores the comparison of both versions since; None for classes.
        digest: SHA-256 of the version's ONNX file; like the digests below None where it was not stated.
        champion_digest: Of the version whose votes count after the decision; None where it is the image's.
        previous_digest: Of the version that a rollback returns to.
    """

    action: Action
    version: str
    before: str
    by: str
    at: int
    number: int
    previous: str | None = None
    sigma: int | None = None
    digest: str | None = None
    champion_digest: str | None = None
    previous_digest: str | None = None

    @property
    def champion(self) -> str:
        """The version whose votes count after the decision."""
        return self.version if self.action in {"promote", "rollback"} else self.before

    @property
    def challenger(self) -> str | None:
        """The version that answers beside the champion after the decision."""
        return {"challenge": self.version, "promote": self.before}.get(self.action)

    @property
    def challenger_digest(self) -> str | None:
        """SHA-256 of the challenger's file."""
        return {"challenge": self.digest, "promote": self.previous_digest}.get(self.action)


@dataclass(frozen=True, slots=True)
class Account:
    """The account of one node in one task.

    Stake and deposit belong to the node; score, answered, regret, labelled and hits belong to the version
    that it serves, and another version starts with new ones.

    Attributes:
        stake: Balance in µS.
        deposit: What was paid in and not withdrawn, in µS; quorum and levelling use it.
        accuracy: Accuracy stated when the account was opened, in ppm.
        rounds: Settled rounds that the node voted in; under `wager`, with the version that it served then.
        version: The version that the record belongs to; None where the node has not stated one yet.
        score: A, the faded sum of scores in ppm.
        answered: N, the faded number of labelled rounds, in ppm.
        regret: C, how much worse than the mean it scored, beyond what is forgiven, in ppm.
        labelled: Labelled rounds that its version answered.
        hits: Those of them in which its answer was right.
        standing: Whether its vote counts.
        reason: Why it is jailed; None unless it is.
        watched: Labelled rounds since it entered probation or jail; in jail, since they were last reviewed.
        watched_regret: Its regret in those rounds, in ppm.
        changes: Changes of standing and version so far; they make the key of the next one.
        trial: The record of its challenger.
        appointment: The last decision about its versions; None before the first.
        digest: SHA-256 of the ONNX file of the version; None where it was not noted.
        tried: Labelled rounds that its version answered as a challenger; None where it began before
            newcomers' weights were limited.
    """

    stake: int
    deposit: int
    accuracy: int
    rounds: int = 0
    version: str | None = None
    score: int = FIRST_SCORE
    answered: int = FIRST_ANSWERED
    regret: int = 0
    labelled: int = 0
    hits: int = 0
    standing: Standing = "active"
    reason: JailReason | None = None
    watched: int = 0
    watched_regret: int = 0
    changes: int = 0
    trial: Trial | None = None
    appointment: Appointment | None = None
    digest: str | None = None
    tried: int | None = None

    @property
    def skill(self) -> int:
        """Mean score in ppm, b = ⌊10⁶ A / N⌋."""
        return PPM * self.score // self.answered

    @property
    def champion(self) -> tuple[str | None, str | None]:
        """The version that was appointed, or else the one that it serves, and the digest of its file."""
        last = self.appointment
        if last is not None and last.champion_digest is not None:
            return last.champion, last.champion_digest
        return self.version, self.digest

    def admits(self, version: str, digest: str) -> bool:
        """Whether a node may answer with this file.

        Where a version was appointed by its digest: that file, and the one before it, while the node is
        rolled. Where the node's image decides: any.
        """
        last = self.appointment
        if last is None or last.champion_digest is None:
            return True
        if self.digest is None and version == self.version:
            return True
        return digest in {last.champion_digest, last.previous_digest, self.digest}

    def find_digest(self, version: str) -> str | None:
        """The digest that the ledger has for a version's file; None where it has none."""
        known = {self.version: self.digest}
        last = self.appointment
        if last is not None:
            stated = [
                (last.previous, last.previous_digest),
                (last.champion, last.champion_digest),
                (last.version, last.digest),
            ]
            known |= {named: digest for named, digest in stated if digest is not None}
        return known.get(version)

    @property
    def known_rounds(self) -> int:
        """Labelled rounds that its version answered, those as a challenger included."""
        return self.labelled + (self.tried or 0)

    @property
    def is_newcomer(self) -> bool:
        """Whether its version may not weigh more than the median of its peers yet."""
        return self.tried is not None and self.known_rounds < PROVEN_ROUNDS


@dataclass(frozen=True, slots=True)
class SeedRound:
    """A round to be settled under `seed`: its id, the class that was answered, and each node's class."""

    id: str
    answer: int
    votes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SeedSettlement:
    """The effect of a block's rounds under `seed`.

    Attributes:
        deltas: Round id → node → change in µS, of every node that voted and has an account.
        treasury: What the treasury gains, in µS.
        balances: Node → balance afterwards, in µS.
    """

    deltas: dict[str, dict[str, int]]
    treasury: int
    balances: dict[str, int]


@dataclass(frozen=True, slots=True)
class WagerSettlement:
    """The effect of a block's labelled rounds under `wager`.

    Attributes:
        deltas: Round id → node → change in µS; each round sums to 0.
        levelling: Node → change in µS; sums to 0.
        stakes: Node → stake afterwards, in µS.
    """

    deltas: dict[str, dict[str, int]]
    levelling: dict[str, int]
    stakes: dict[str, int]


def settle_seed(balances: Mapping[str, int], rounds: Iterable[SeedRound]) -> SeedSettlement:
    """Takes ⌊10 %⌋ of what a node has left for each round in which it dissents.

    A node that did not vote keeps its balance; votes of nodes without an account are left out.

    >>> settle_seed({"a": 1000, "b": 1000}, [SeedRound("r1", 2, {"a": 2, "b": 1})]).balances
    {'a': 1000, 'b': 900}
    """
    left = {node: balances[node] for node in sorted(balances)}
    deltas: dict[str, dict[str, int]] = {}
    for round_ in sorted(rounds, key=lambda round_: round_.id):
        deltas[round_.id] = {
            node: 0 if round_.votes[node] == round_.answer else -(left[node] // SLASH_DIVISOR)
            for node in sorted(round_.votes.keys() & left.keys())
        }
        for node, delta in deltas[round_.id].items():
            left[node] += delta
    return SeedSettlement(deltas, sum(balances.values()) - sum(left.values()), left)


def wager_round(stakes: Mapping[str, int], scores: Mapping[str, int], block_rounds: int) -> dict[str, int]:
    """Deltas of one round: δ = λ S (s − Σ S s / ΣS) with λ = min(10 %, 1 / 2B); they sum to 0.

    Args:
        stakes: Node → stake at the block's start, in µS.
        scores: Node → score in ppm, of the nodes that were counted in the round.
        block_rounds: B, the labelled rounds of the block.

    Returns:
        Node → δ in µS, of those of them whose stake reaches `MIN_STAKE`.
    """
    nodes = [node for node in sorted(scores) if stakes.get(node, 0) >= MIN_STAKE]
    if not nodes:
        return {}
    total = sum(stakes[node] for node in nodes)
    mean = sum(stakes[node] * scores[node] for node in nodes)
    shares = [stakes[node] * (scores[node] * total - mean) for node in nodes]
    return dict(zip(nodes, apportion(shares, max(10, 2 * block_rounds) * PPM * total), strict=True))


def level(stakes: Mapping[str, int], deposits: Mapping[str, int], block_rounds: int) -> dict[str, int]:
    """Levelling: k (D ΣS / ΣD − S) with k = min(0.5 % · B, ½); sums to 0.

    It moves stakes towards their share of the deposits, so that weights can follow drift.

    Args:
        stakes: Active node → stake in µS.
        deposits: The same nodes' deposits in µS.
        block_rounds: B, the labelled rounds of the block.
    """
    nodes = sorted(stakes)
    paid = sum(deposits[node] for node in nodes)
    if not paid:
        return dict.fromkeys(nodes, 0)
    total = sum(stakes[node] for node in nodes)
    weight = min(block_rounds, 100)
    shares = [weight * (deposits[node] * total - stakes[node] * paid) for node in nodes]
    return dict(zip(nodes, apportion(shares, 200 * paid), strict=True))


def settle_wager(
    stakes: Mapping[str, int],
    deposits: Mapping[str, int],
    scores: Mapping[str, Mapping[str, int]],
) -> WagerSettlement:
    """Settles the labelled rounds of a block: deltas against the stakes at its start, then levelling.

    Args:
        stakes: Active node → stake at the block's start, in µS.
        deposits: The same nodes' deposits in µS.
        scores: Round id → node → score in ppm (`hit` or `brier`), of the nodes counted in that round.
    """
    deltas = {id_: wager_round(stakes, scores[id_], len(scores)) for id_ in sorted(scores)}
    after = {
        node: stakes[node] + sum(of_round.get(node, 0) for of_round in deltas.values())
        for node in sorted(stakes)
    }
    levelling = level(after, deposits, len(scores))
    return WagerSettlement(
        deltas, levelling, {node: stake + levelling[node] for node, stake in after.items()}
    )
