"""Settling the labelled rounds of one block under `wager`: stake, skill, regret and σ, per node.

Section 2 of `consensus.md`, "Settling", over integers. Every round is computed from the stakes, the σ and the
versions at the block's start, so the order of the rounds does not matter. Stake moves between the nodes that
counted in a round and still count; other nodes that answered and challengers are only scored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from concord.errors import LedgerBroken
from concord.ledger.events import Learned, NodeSums, TrialSums
from concord.ledger.state import TaskState
from concord.policies.scoring import brier, closeness, hit, next_sigma
from concord.policies.stake import MIN_STAKE, WagerSettlement, settle_wager
from concord.policies.voting import PPM, lower_median
from concord.settlement.evidence import Ballot, Evidence, read


@dataclass(frozen=True, slots=True)
class WagerRound:
    """A round's votes and its label: class index, or value in steps of the resolution."""

    id: str
    evidence: Evidence
    label: int


def read_round(round_id: str, evidence: bytes | None, label: int | None) -> WagerRound:
    """Reads a round from what the journal holds of it; LedgerBroken where it cannot settle."""
    if label is None:
        raise LedgerBroken(f"Round {round_id} is due and has no label.")
    return WagerRound(round_id, read(round_id, evidence), label)


@dataclass(frozen=True, slots=True)
class WagerResult:
    """The effect of a block's rounds of one task.

    Attributes:
        nodes: Node → its sums.
        learned: The sums of challengers, and σ afterwards.
        records: Round id → its votes, scores and deltas, in the order of the ids.
        debits: µS taken from nodes that were right in the round, and from nodes that were wrong; without
            levelling.
    """

    nodes: dict[str, NodeSums]
    learned: Learned
    records: dict[str, dict[str, Any]]
    debits: tuple[int, int]


@dataclass(slots=True)
class _Scored:
    """One round, scored.

    Attributes:
        quality: Node → q in ppm, of every node that answered.
        scores: Node → s in ppm, of the nodes between which stake moves.
        right: Node → whether its answer was right.
        mean: Stake-weighted mean quality of the nodes between which stake moves; None without any.
        error: Stake-weighted median error of the same, in steps, for a value.
        challengers: Node → version and q in ppm of its challenger.
    """

    quality: dict[str, int]
    scores: dict[str, int]
    right: dict[str, bool]
    mean: int | None
    error: int | None = None
    challengers: dict[str, tuple[str, int]] = field(default_factory=dict)


def settle_labels(task: TaskState, rounds: Iterable[WagerRound]) -> WagerResult:
    """Settles a block's rounds of one task, on the task's state at the block's start."""
    by_id = {round_.id: round_ for round_ in sorted(rounds, key=lambda round_: round_.id)}
    stakes = {node: account.stake for node, account in task.active.items()}
    deposits = {node: account.deposit for node, account in task.active.items()}
    sigma = _sigma(task, by_id.values())
    scored = {id_: _score(task, stakes, round_, sigma) for id_, round_ in by_id.items()}
    settled = settle_wager(stakes, deposits, {id_: scores.scores for id_, scores in scored.items()})
    if sigma is not None:
        sigma = _sigma_after(sigma, [scores.error for scores in scored.values()], len(by_id))
    return WagerResult(
        _sums(task, by_id, scored, settled),
        Learned(_trials(scored.values()), sigma),
        {id_: _record(by_id[id_], scored[id_], settled.deltas[id_]) for id_ in by_id},
        _debits(scored, settled.deltas),
    )


def _debits(scored: Mapping[str, _Scored], deltas: Mapping[str, Mapping[str, int]]) -> tuple[int, int]:
    debits = [
        (scored[id_].right[node], -delta)
        for id_, of_round in deltas.items()
        for node, delta in of_round.items()
        if delta < 0
    ]
    return sum(debit for right, debit in debits if right), sum(debit for right, debit in debits if not right)


def _sigma(task: TaskState, rounds: Iterable[WagerRound]) -> int | None:
    """σ at the block's start: the ledger's, or before the first label the schema's; None for classes."""
    scales = [round_.evidence.scale for round_ in rounds if round_.evidence.scale is not None]
    if not scales:
        return None
    return max(1, scales[0] if task.sigma is None else task.sigma)


def _sigma_after(sigma: int, errors: Sequence[int | None], rounds: int) -> int:
    measured = [error for error in errors if error is not None]
    return next_sigma(sigma, sum(measured) // len(measured), rounds) if measured else sigma


def _score(task: TaskState, stakes: Mapping[str, int], round_: WagerRound, sigma: int | None) -> _Scored:
    votes, label = round_.evidence.votes, round_.label
    if round_.evidence.scale is None:
        # A round from when the task had classes, settled beside those of a value.
        sigma = None
    quality: dict[str, int] = {}
    right: dict[str, bool] = {}
    for node, ballot in {**round_.evidence.shadows, **votes}.items():
        if node in task.accounts:
            quality[node] = _quality(ballot.counts, label, sigma)
            right[node] = _is_right(ballot.counts, label, sigma)
    paid = [node for node in votes if stakes.get(node, 0) >= MIN_STAKE]
    by_hit = sigma is None and task.score == "hit"
    scores = {node: PPM * right[node] if by_hit else quality[node] for node in paid}
    total = sum(stakes[node] for node in paid)
    mean = sum(stakes[node] * quality[node] for node in paid) // total if paid else None
    error = None
    if sigma is not None and paid:
        misses = [abs(votes[node].counts[0] - label) for node in paid]
        error = lower_median(misses, [stakes[node] for node in paid])
    challengers = {
        node: (ballot.version or "", _quality(ballot.counts, label, sigma))
        for node, ballot in round_.evidence.challengers.items()
        if node in task.accounts
    }
    return _Scored(quality, scores, right, mean, error, challengers)


def _quality(counts: Sequence[int], label: int, sigma: int | None) -> int:
    return brier(counts, label) if sigma is None else closeness(counts[0], label, sigma)


def _is_right(counts: Sequence[int], label: int, sigma: int | None) -> bool:
    return hit(counts, label) > 0 if sigma is None else abs(counts[0] - label) <= sigma


def _sums(
    task: TaskState,
    rounds: Mapping[str, WagerRound],
    scored: Mapping[str, _Scored],
    settled: WagerSettlement,
) -> dict[str, NodeSums]:
    """Node → its sums, of every node that answered or is levelled."""
    sums = {}
    for node in sorted(set(settled.levelling).union(*(scores.quality for scores in scored.values()))):
        # Answers of another version than the account's move stake, and are no skill of this version.
        answered = [
            scores
            for id_, scores in scored.items()
            if node in scores.quality and _is_of(_ballot(rounds[id_], node), task.accounts[node].version)
        ]
        sums[node] = NodeSums(
            rounds=len(answered),
            delta=sum(deltas.get(node, 0) for deltas in settled.deltas.values()),
            levelling=settled.levelling.get(node, 0),
            score=sum(scores.quality[node] for scores in answered),
            regret=sum(scores.mean - scores.quality[node] for scores in answered if scores.mean is not None),
            hits=sum(scores.right[node] for scores in answered),
        )
    return sums


def _ballot(round_: WagerRound, node: str) -> Ballot:
    evidence = round_.evidence
    return evidence.votes[node] if node in evidence.votes else evidence.shadows[node]


def _is_of(ballot: Ballot, version: str | None) -> bool:
    return version is None or ballot.version is None or ballot.version == version


def _trials(scored: Iterable[_Scored]) -> dict[str, TrialSums]:
    """Node → the sums of its challenger; of several in one block, the one that answered most."""
    qualities: dict[str, dict[str, list[int]]] = {}
    for scores in scored:
        for node, (version, quality) in scores.challengers.items():
            qualities.setdefault(node, {}).setdefault(version, []).append(quality)
    return {
        node: max(
            (TrialSums(version, len(values), sum(values)) for version, values in versions.items()),
            key=lambda sums: (sums.rounds, sums.version),
        )
        for node, versions in sorted(qualities.items())
    }


def _record(round_: WagerRound, scored: _Scored, deltas: Mapping[str, int]) -> dict[str, Any]:
    evidence = round_.evidence
    record: dict[str, Any] = {
        "answer": evidence.answer,
        "label": round_.label,
        "votes": _raw(evidence.votes),
        "scores": scored.scores,
        "quality": scored.quality,
        "deltas": deltas,
    }
    beside = {"shadows": evidence.shadows, "challengers": evidence.challengers}
    record |= {name: _raw(ballots) for name, ballots in beside.items() if ballots}
    if evidence.scale is not None:
        record["scale"] = evidence.scale
    return record


def _raw(ballots: Mapping[str, Ballot]) -> dict[str, list[Any]]:
    return {node: [ballot.version, *ballot.counts] for node, ballot in ballots.items()}
