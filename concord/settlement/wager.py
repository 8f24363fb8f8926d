"""What the labelled rounds of one block do under `wager`: money, skill, regret and σ, per node.

Section 2 of `consensus.md`, "Settling", over integers. Every round is reckoned against the stakes, the σ
and the versions at the block's start, so the order of the rounds cannot matter. Money moves between the
nodes that counted in a round and still count; whoever else answered is scored, and so is a challenger,
which nobody pays. The module writes no event and knows no store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from concord.errors import LedgerBroken
from concord.ledger.events import Learned, NodeSums, TrialSums
from concord.ledger.state import TaskState
from concord.policies.scoring import PPM, brier, closeness, hit, next_sigma
from concord.policies.stake import MIN_STAKE, WagerSettlement, settle_wager
from concord.policies.voting import lower_median
from concord.settlement.evidence import Ballot, Evidence, read


@dataclass(frozen=True, slots=True)
class WagerRound:
    """A round and its truth: class index, or value in steps of the resolution."""

    id: str
    evidence: Evidence
    label: int

    @classmethod
    def of(cls, round_id: str, evidence: bytes | None, label: int | None) -> "WagerRound":
        """Reads one as the journal has it; LedgerBroken where it cannot settle."""
        if label is None:
            raise LedgerBroken(f"Round {round_id} is due and has no label.")
        return cls(round_id, read(round_id, evidence), label)


@dataclass(frozen=True, slots=True)
class WagerResult:
    """What a block's rounds of one task come to.

    Attributes:
        nodes: Node → its sums.
        learned: The sums of challengers, and σ afterwards.
        records: Round id → what happened in it, in the order of the ids.
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
        quality: Node → q in ppm, of everyone that answered.
        scores: Node → s in ppm, of those between whom money moves.
        right: Node → whether its answer was right.
        mean: Stake-weighted mean quality of those between whom money moves; None without any.
        error: Stake-weighted median error of the same, in steps, for a value.
        tried: Node → version and q in ppm of its challenger.
    """

    quality: dict[str, int]
    scores: dict[str, int]
    right: dict[str, bool]
    mean: int | None
    error: int | None = None
    tried: dict[str, tuple[str, int]] = field(default_factory=dict)


def settle_labels(task: TaskState, rounds: Iterable[WagerRound]) -> WagerResult:
    """Reckons a block's rounds of one task, against its state at the block's start."""
    by_id = {one.id: one for one in sorted(rounds, key=lambda one: one.id)}
    stakes = {node: account.stake for node, account in task.active.items()}
    deposits = {node: account.deposit for node, account in task.active.items()}
    sigma = _sigma(task, by_id.values())
    scored = {name: _score(task, stakes, one, sigma) for name, one in by_id.items()}
    moved = settle_wager(stakes, deposits, {name: one.scores for name, one in scored.items()})
    if sigma is not None:
        sigma = _sigma_after(sigma, [one.error for one in scored.values()], len(by_id))
    return WagerResult(
        _sums(task, by_id, scored, moved),
        Learned(_trials(scored.values()), sigma),
        {name: _record(by_id[name], scored[name], moved.deltas[name]) for name in by_id},
        _debits(scored, moved.deltas),
    )


def _debits(scored: Mapping[str, _Scored], deltas: Mapping[str, Mapping[str, int]]) -> tuple[int, int]:
    taken = [
        (scored[name].right[node], -delta)
        for name, moved in deltas.items()
        for node, delta in moved.items()
        if delta < 0
    ]
    return sum(part for right, part in taken if right), sum(part for right, part in taken if not right)


def _sigma(task: TaskState, rounds: Iterable[WagerRound]) -> int | None:
    """σ at the block's start: the ledger's, or before its first the schema's; None for classes."""
    scales = [one.evidence.scale for one in rounds if one.evidence.scale is not None]
    if not scales:
        return None
    return max(1, scales[0] if task.sigma is None else task.sigma)


def _sigma_after(sigma: int, errors: Sequence[int | None], rounds: int) -> int:
    known = [error for error in errors if error is not None]
    return next_sigma(sigma, sum(known) // len(known), rounds) if known else sigma


def _score(task: TaskState, stakes: Mapping[str, int], one: WagerRound, sigma: int | None) -> _Scored:
    votes, label = one.evidence.votes, one.label
    if one.evidence.scale is None:
        # A round from when the task had classes, settled beside those of a value.
        sigma = None
    quality: dict[str, int] = {}
    right: dict[str, bool] = {}
    for node, ballot in {**one.evidence.shadows, **votes}.items():
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
    tried = {
        node: (ballot.version or "", _quality(ballot.counts, label, sigma))
        for node, ballot in one.evidence.challengers.items()
        if node in task.accounts
    }
    return _Scored(quality, scores, right, mean, error, tried)


def _quality(counts: Sequence[int], label: int, sigma: int | None) -> int:
    return brier(counts, label) if sigma is None else closeness(counts[0], label, sigma)


def _is_right(counts: Sequence[int], label: int, sigma: int | None) -> bool:
    return hit(counts, label) > 0 if sigma is None else abs(counts[0] - label) <= sigma


def _sums(
    task: TaskState,
    rounds: Mapping[str, WagerRound],
    scored: Mapping[str, _Scored],
    moved: WagerSettlement,
) -> dict[str, NodeSums]:
    """Node → its sums, of every node that a round or the levelling touches."""
    touched = set(moved.levelling).union(*(one.quality for one in scored.values()))
    found = {}
    for node in sorted(touched):
        # What another version than the account's answered is paid or paid for, and is no skill of this one.
        answered = [
            one
            for name, one in scored.items()
            if node in one.quality and _is_of(_ballot(rounds[name], node), task.accounts[node].version)
        ]
        found[node] = NodeSums(
            rounds=len(answered),
            delta=sum(deltas.get(node, 0) for deltas in moved.deltas.values()),
            levelling=moved.levelling.get(node, 0),
            score=sum(one.quality[node] for one in answered),
            regret=sum(one.mean - one.quality[node] for one in answered if one.mean is not None),
            hits=sum(one.right[node] for one in answered),
        )
    return found


def _ballot(one: WagerRound, node: str) -> Ballot:
    return one.evidence.votes[node] if node in one.evidence.votes else one.evidence.shadows[node]


def _is_of(ballot: Ballot, version: str | None) -> bool:
    return version is None or ballot.version is None or ballot.version == version


def _trials(scored: Iterable[_Scored]) -> dict[str, TrialSums]:
    """Node → the sums of its challenger; of several in one block, the one that answered most."""
    found: dict[str, dict[str, list[int]]] = {}
    for one in scored:
        for node, (version, quality) in one.tried.items():
            found.setdefault(node, {}).setdefault(version, []).append(quality)
    return {
        node: max(
            (TrialSums(version, len(some), sum(some)) for version, some in versions.items()),
            key=lambda sums: (sums.rounds, sums.version),
        )
        for node, versions in sorted(found.items())
    }


def _record(one: WagerRound, scored: _Scored, deltas: Mapping[str, int]) -> dict[str, Any]:
    evidence = one.evidence
    record: dict[str, Any] = {
        "policy": "wager",
        "answer": evidence.answer,
        "label": one.label,
        "votes": _raw(evidence.votes),
        "scores": scored.scores,
        "quality": scored.quality,
        "deltas": deltas,
    }
    if evidence.shadows:
        record["shadows"] = _raw(evidence.shadows)
    if evidence.challengers:
        record["challengers"] = _raw(evidence.challengers)
    if evidence.scale is not None:
        record["scale"] = evidence.scale
    return record


def _raw(ballots: Mapping[str, Ballot]) -> dict[str, list[Any]]:
    return {node: [ballot.version, *ballot.counts] for node, ballot in ballots.items()}
