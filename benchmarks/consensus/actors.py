"""Who votes: the honest nodes of a stream, and those that mean harm or fail.

Every vote is drawn before the first round, so that all rules face the same ones. Liars know the
truth and name the class after it, sure of themselves: the worst that a vote can be. Only the ones
that adapt choose while the stream runs, from what anyone can read in the ledger; they bring two
sets of votes. All of them open the task and so count from the first round: whoever comes later has
no weight before 20 labelled rounds.
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

FAR: Final = 3
"""By how many typical errors a liar's value is off: where its score reaches 0."""


@dataclass(frozen=True)
class Actor:
    """One node's votes on a whole stream.

    Attributes:
        node: Its name.
        votes: ppm of shape (rounds, classes), or steps of shape (rounds, 1).
        honest: Whether it means well; one that crashes does.
        present: Which rounds it votes in; None: all.
        lies: What it says instead where it chooses to lie; None for one that doesn't choose.
        deposit: What it opens its account with, in µS.
    """

    node: str
    votes: Votes
    honest: bool = True
    present: Rounds | None = None
    lies: Votes | None = None
    deposit: int = DEPOSIT


def cast(stream: Stream, adversary: str, rng: np.random.Generator) -> tuple[Actor, ...]:
    """All nodes of a stream, sorted by name.

    Args:
        stream: The stream.
        adversary: A key of `ADVERSARIES`.
        rng: Where chance comes from.
    """
    honest = {node: Actor(node, read(stream, says)) for node, says in stream.says.items()}
    found = ADVERSARIES[adversary](stream, honest, rng)
    return tuple(sorted(found.values(), key=lambda actor: actor.node))


def read(stream: Stream, says: Floats) -> Votes:
    """Turns what a node says into integers, as the service does on reading."""
    votes, valid = read_probabilities(says) if stream.classes else read_values(says, RESOLUTION)
    assert valid.all()
    return votes


def wants_to_lie(account: Account) -> bool:
    """Whether a node that adapts to its own state can afford a lie in the next block.

    It lies as long as it counts, is far from the jail's 6,000,000 of regret, and holds half its deposit.
    """
    return account.standing == "active" and account.regret < 3 * PPM and 2 * account.stake >= account.deposit


Honest = Mapping[str, Actor]
Adversary = Callable[[Stream, Honest, np.random.Generator], dict[str, Actor]]


def _none(_stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    return dict(honest)


def _liar(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    return {**honest, "liar": Actor("liar", _lies(stream), honest=False)}


def _random(stream: Stream, honest: Honest, rng: np.random.Generator) -> dict[str, Actor]:
    return {**honest, "random": Actor("random", _noise(stream, rng), honest=False)}


def _colluding(share: float) -> Adversary:
    """Colluders that join with this share of the deposits and always lie."""

    def join(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
        lies = _lies(stream)
        return {**honest, **_joining("sybil", share, honest, Actor("", lies, honest=False))}

    return join


def _sleeper(stream: Stream, honest: Honest, _rng: np.random.Generator) -> dict[str, Actor]:
    best = honest[_best(stream, honest)]
    votes = best.votes.copy()
    votes[stream.rounds // 2 :] = _lies(stream)[stream.rounds // 2 :]
    return {**honest, best.node: replace(best, votes=votes, honest=False)}


def _degrading(stream: Stream, honest: Honest, rng: np.random.Generator) -> dict[str, Actor]:
    """From the first quarter to the third, more and more of the best node's votes are noise."""
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
    """A third of the deposits: copies of the best node, each of which lies while it can afford to."""
    copy = replace(honest[_best(stream, honest)], honest=False, lies=_lies(stream))
    return {**honest, **_joining("adaptive", 0.33, honest, copy)}


def _joining(name: str, share: float, honest: Honest, like: Actor) -> dict[str, Actor]:
    """Nodes that vote alike and together hold a share of the deposits, each about an honest one's."""
    theirs = len(honest) * share / (1 - share)
    count = max(1, round(theirs))
    deposit = round(DEPOSIT * theirs / count)
    names = [f"{name}_{i:02d}" for i in range(1, count + 1)]
    return {node: replace(like, node=node, deposit=deposit) for node in names}


ADVERSARIES: Final[Mapping[str, Adversary]] = {
    "nobody": _none,
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
        return (stream.truth + FAR * stream.scale)[:, None]
    certain = np.array([one_hot(k, stream.classes) for k in range(stream.classes)], dtype=np.int64)
    return certain[(stream.truth + 1) % stream.classes]


def _noise(stream: Stream, rng: np.random.Generator) -> Votes:
    if stream.classes:
        return read(stream, rng.dirichlet(np.ones(stream.classes), size=stream.rounds))
    return rng.permutation(stream.truth)[:, None]


def _best(stream: Stream, honest: Honest) -> str:
    """The honest node that is right most often: whom it hurts most to lose."""
    if stream.classes:
        return max(honest, key=lambda n: int((honest[n].votes.argmax(axis=1) == stream.truth).sum()))
    return min(honest, key=lambda n: int(np.abs(honest[n].votes[:, 0] - stream.truth).sum()))
