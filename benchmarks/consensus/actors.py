"""The nodes of a simulation: honest ones, failing ones and adversaries.

All votes are drawn before the first round, so that every rule gets the same ones. An adaptive adversary
has two sets of votes and chooses between them each block, by its account in the ledger. All nodes open the
task and so count from the first round.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.consensus.streams import RESOLUTION, Floats, Stream
from concord.policies.stake import MICRO, Account
from concord.policies.voting import PPM, one_hot, read_probabilities, read_values

Votes = npt.NDArray[np.int64]
Rounds = npt.NDArray[np.bool_]

DEPOSIT: Final = 1000 * MICRO

LIE_DISTANCE: Final = 3
"""Typical errors between a liar's value and the truth: where its score reaches 0."""


@dataclass(frozen=True)
class Actor:
    """One node's votes on a whole stream.

    Attributes:
        node: Its name.
        votes: ppm of shape (rounds, classes), or steps of shape (rounds, 1).
        honest: Whether it is no adversary; a node that crashes is honest.
        present: Which rounds it votes in; None: all.
        lies: Votes of the rounds in which it chooses to lie; None for a node that doesn't choose.
        deposit: Opening deposit of its account, in µS.
    """

    node: str
    votes: Votes
    honest: bool = True
    present: Rounds | None = None
    lies: Votes | None = None
    deposit: int = DEPOSIT


def make_actors(stream: Stream, adversary: str, rng: np.random.Generator) -> tuple[Actor, ...]:
    """All nodes of a stream, sorted by name.

    Args:
        stream: The stream.
        adversary: A key of `ADVERSARIES`.
        rng: Random numbers.
    """
    honest = {node: Actor(node, read(stream, outputs)) for node, outputs in stream.outputs.items()}
    actors = ADVERSARIES[adversary](stream, honest, rng)
    return tuple(sorted(actors.values(), key=lambda actor: actor.node))


def read(stream: Stream, outputs: Floats) -> Votes:
    """A node's answers as integers, converted as the service does on reading."""
    votes, valid = read_probabilities(outputs) if stream.classes else read_values(outputs, RESOLUTION)
    assert valid.all()
    return votes


def can_afford_to_lie(account: Account) -> bool:
    """Whether an adaptive adversary lies in the next block.

    It lies while it counts, is far from the jail's 6,000,000 of regret, and holds half its deposit.
    """
    return account.standing == "active" and account.regret < 3 * PPM and 2 * account.stake >= account.deposit


Honest = Mapping[str, Actor]
Adversary = Callable[[Stream, Honest, np.random.Generator], dict[str, Actor]]


def _nobody(_stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    return dict(honest)


def _liar(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    return {**honest, "liar": Actor("liar", _lies(stream), honest=False)}


def _random(stream: Stream, honest: Honest, rng: np.random.Generator) -> dict[str, Actor]:
    return {**honest, "random": Actor("random", _noise(stream, rng), honest=False)}


def _colluding(share: float) -> Adversary:
    """Adds colluders that hold this share of the deposits and always lie."""

    def join(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
        lies = _lies(stream)
        return {**honest, **_copies("sybil", share, honest, Actor("", lies, honest=False))}

    return join


def _sleeper(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    best = honest[_best(stream, honest)]
    votes = best.votes.copy()
    votes[stream.rounds // 2 :] = _lies(stream)[stream.rounds // 2 :]
    return {**honest, best.node: replace(best, votes=votes, honest=False)}


def _degrading(stream: Stream, honest: Honest, rng: np.random.Generator) -> dict[str, Actor]:
    """A growing share of the best node's votes is noise, from none at 1/4 of the stream to all at 3/4."""
    best = honest[_best(stream, honest)]
    share = np.clip(2 * np.arange(stream.rounds) / stream.rounds - 0.5, 0, 1)
    noisy = rng.random(stream.rounds) < share
    votes = np.where(noisy[:, None], _noise(stream, rng), best.votes)
    return {**honest, best.node: replace(best, votes=votes, honest=False)}


def _crashing(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    best = honest[_best(stream, honest)]
    present = np.ones(stream.rounds, dtype=np.bool_)
    present[stream.rounds // 3 : stream.rounds // 2] = False
    return {**honest, best.node: replace(best, present=present)}


def _adapting(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    best = honest[_best(stream, honest)]
    return {**honest, best.node: replace(best, honest=False, lies=_lies(stream))}


def _adapting_together(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    """Adds copies of the best node with a third of the deposits; each lies while it can afford to."""
    copy = replace(honest[_best(stream, honest)], honest=False, lies=_lies(stream))
    return {**honest, **_copies("adaptive", 0.33, honest, copy)}


def _copies(name: str, share: float, honest: Honest, template: Actor) -> dict[str, Actor]:
    """Nodes with equal votes that hold a share of the deposits, each about an honest node's."""
    exact_count = len(honest) * share / (1 - share)
    count = max(1, round(exact_count))
    deposit = round(DEPOSIT * exact_count / count)
    names = [f"{name}_{i:02d}" for i in range(1, count + 1)]
    return {node: replace(template, node=node, deposit=deposit) for node in names}


ADVERSARIES: Final[Mapping[str, Adversary]] = {
    "nobody": _nobody,
    "liar": _liar,
    "random": _random,
    "33 % collude": _colluding(0.33),
    "49 % collude": _colluding(0.49),
    "80 % collude": _colluding(0.80),
    "sleeper": _sleeper,
    "degrading": _degrading,
    "crash": _crashing,
    "adaptive": _adapting,
    "33 % adaptive": _adapting_together,
}


def _lies(stream: Stream) -> Votes:
    if not stream.classes:
        return (stream.truth + LIE_DISTANCE * stream.scale)[:, None]
    one_hot_votes = np.array([one_hot(k, stream.classes) for k in range(stream.classes)], dtype=np.int64)
    return one_hot_votes[(stream.truth + 1) % stream.classes]


def _noise(stream: Stream, rng: np.random.Generator) -> Votes:
    if stream.classes:
        return read(stream, rng.dirichlet(np.ones(stream.classes), size=stream.rounds))
    return rng.permutation(stream.truth)[:, None]


def _best(stream: Stream, honest: Honest) -> str:
    """The honest node that is right most often."""
    if stream.classes:
        return max(honest, key=lambda n: int((honest[n].votes.argmax(axis=1) == stream.truth).sum()))
    return min(honest, key=lambda n: int(np.abs(honest[n].votes[:, 0] - stream.truth).sum()))
