"""From what happened to figures: how often each was right, who had how much say, and what was audited.

Plain functions of one run. A classification is measured by how often the answer is the truth; a
regression by its mean score 1 − min(3σ, |v − y|)/3σ on the task's own scale, so that 0.01 means much
the same in both. The best single node is chosen in hindsight, over the very rounds that it is
compared on, among all nodes; where it was absent it was not right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.consensus.actors import Actor, cast
from benchmarks.consensus.labels import LABELLINGS
from benchmarks.consensus.play import RULES, WAGER, Played, Rule, play
from benchmarks.consensus.scenarios import Scenario
from benchmarks.consensus.streams import Floats, Stream, make, prolonged
from concord.policies.voting import WARM_LABELS

KNOWN: Final = WARM_LABELS
"""Labelled rounds after which the answer is held to the best node; before, nobody can know who that is."""

LAST: Final = 500
"""Rounds at the end over which the 80 % must have become harmless."""

GIVEN: Final = 40
"""Labelled rounds that colluders are given until their influence is looked at."""

MAJORITY: Final = "majority"
MEAN: Final = "plain mean"
BEST: Final = "best node"
BEST_HONEST: Final = "best honest"
SWITCHER: Final = "best switcher"
"""Who knows the best node of each concept, and takes the second from the first label on that tells of it."""


@dataclass(frozen=True)
class Outcome:
    """One scenario with one seed.

    Attributes:
        scenario: Its name.
        seed: The seed.
        right: Rule or baseline → how often it was right (mean score of values); `SWITCHER` only where the
            concept changes.
        known: The same over the rounds since `KNOWN` labelled rounds were settled; empty if they never are.
        last: The same over the last `LAST` rounds.
        influence: Largest weight of all that mean harm together once `GIVEN` labelled rounds are settled,
            under `wager hit`; None where there are none, or so many labels never come.
        caught: Labelled rounds until the first of them was jailed; None where none was.
        honest_jailed: How many honest nodes were ever jailed, under `wager hit`.
        unbalanced: Blocks, of all rules, whose money did not add up.
        blocks: Blocks of all rules.
        right_debited: Right votes that lost under `wager hit`, and how many were right.
        rights: Right votes in settled rounds under `wager hit`.
        precision: Rule → share of what was debited that hit a node that was wrong.
    """

    scenario: str
    seed: int
    right: Mapping[str, float]
    known: Mapping[str, float]
    last: Mapping[str, float]
    influence: float | None
    caught: int | None
    honest_jailed: int
    unbalanced: int
    blocks: int
    right_debited: int
    rights: int
    precision: Mapping[str, float]


@dataclass(frozen=True)
class Table:
    """A scenario made ready to be played: the stream, who votes, and when labels arrive."""

    stream: Stream
    actors: tuple[Actor, ...]
    arriving: list[list[tuple[int, int]]]


def lay(scenario: Scenario, seed: int, rounds: int) -> Table:
    """Makes a scenario's votes and labels; the same seed and length give the same ones."""
    stream = make(scenario.stream, seed, rounds)
    if scenario.times > 1:
        stream = prolonged(stream, scenario.times)
    actors = cast(stream, scenario.adversary, np.random.default_rng([seed, 1]))
    arriving = LABELLINGS[scenario.labels].arrivals(stream, np.random.default_rng([seed, 2]))
    return Table(stream, actors, arriving)


def run(scenario: Scenario, seed: int, rounds: int, warm: int = WARM_LABELS) -> Outcome:
    """Plays a scenario under every rule that fits it, and measures it."""
    table = lay(scenario, seed, rounds)
    rules = [rule for rule in RULES if table.stream.classes or rule is WAGER]
    played = {rule: play(table.stream, table.actors, table.arriving, rule, warm) for rule in rules}
    return measure(scenario.name, seed, table, played)


def measure(name: str, seed: int, table: Table, played: Mapping[Rule, Played]) -> Outcome:
    """Turns what was played into figures."""
    stream, wager = table.stream, played[WAGER]
    said = {one.node: _said(one, wager) for one in table.actors}
    score = partial(scores, stream)
    answers = {rule.name: score(one.answers) for rule, one in played.items()} | _plain(
        stream, table.actors, said
    )
    singles = {one.node: _single(one, said[one.node], score) for one in table.actors}
    honest = {one.node: singles[one.node] for one in table.actors if one.honest}
    bad = [one.node for one in table.actors if not one.honest]
    if stream.turn is not None:
        answers[SWITCHER] = _switcher(table, singles, stream.turn)
    return Outcome(
        scenario=name,
        seed=seed,
        right=_means(answers, singles, honest, 0),
        known=_means(answers, singles, honest, start) if (start := _start(wager)) is not None else {},
        last=_means(answers, singles, honest, -LAST),
        influence=_influence(wager, bad),
        caught=min((wager.audit.jailed[node][0] for node in bad if node in wager.audit.jailed), default=None),
        honest_jailed=sum(node not in bad for node in wager.audit.jailed),
        unbalanced=sum(one.audit.unbalanced for one in played.values()),
        blocks=sum(one.audit.blocks for one in played.values()),
        right_debited=wager.audit.right_debited,
        rights=wager.audit.right,
        precision={
            rule.name: one.audit.debits_of_wrong / one.audit.debits
            for rule, one in played.items()
            if one.audit.debits
        },
    )


def scores(stream: Stream, answers: npt.NDArray[np.int64]) -> Floats:
    """How right each answer is, from 0 to 1."""
    if stream.classes:
        return np.asarray(answers == stream.truth, dtype=np.float64)
    return np.asarray(1 - np.minimum(np.abs(answers - stream.truth) / (3 * stream.scale), 1))


def _means(
    answers: Mapping[str, Floats], singles: Mapping[str, Floats], honest: Mapping[str, Floats], start: int
) -> dict[str, float]:
    found = {name: float(one[start:].mean()) for name, one in answers.items()}
    found[BEST] = max(float(one[start:].mean()) for one in singles.values())
    found[BEST_HONEST] = max(float(one[start:].mean()) for one in honest.values())
    return found


def _start(played: Played) -> int | None:
    """The first round that could be answered with `KNOWN` labels."""
    known = np.flatnonzero(played.labelled >= KNOWN)
    return int(known[0]) if len(known) else None


def _said(actor: Actor, played: Played) -> npt.NDArray[np.int64]:
    """What a node voted in the end: one that adapts, under `wager hit`."""
    if actor.lies is None:
        return actor.votes
    return np.where(played.lied[actor.node][:, None], actor.lies, actor.votes)


def _single(
    actor: Actor,
    said: npt.NDArray[np.int64],
    score: Callable[[npt.NDArray[np.int64]], Floats],
) -> Floats:
    alone = score(said.argmax(axis=1) if said.shape[1] > 1 else said[:, 0])
    return alone if actor.present is None else alone * actor.present


def _switcher(table: Table, singles: Mapping[str, Floats], turn: int) -> Floats:
    """The most that anybody could make of single nodes who learns of a change by its labels."""
    old = max(singles.values(), key=lambda one: float(one[:turn].mean()))
    new = max(singles.values(), key=lambda one: float(one[turn:].mean()))
    heard = [now for now, labels in enumerate(table.arriving) if any(which >= turn for which, _ in labels)]
    told = min(heard, default=table.stream.rounds)
    return np.concatenate([old[:told], new[told:]])


def _plain(
    stream: Stream, actors: Sequence[Actor], said: Mapping[str, npt.NDArray[np.int64]]
) -> dict[str, Floats]:
    """The baselines that know no stake: majority (median) and mean, of all votes with the same weight."""
    votes = np.stack([said[one.node] for one in actors])
    here = np.ones(votes.shape[:2], dtype=np.bool_)
    for i, one in enumerate(actors):
        if one.present is not None:
            here[i] = one.present
    if stream.classes:
        choices = votes.argmax(axis=2)
        named = np.stack([((choices == k) & here).sum(axis=0) for k in range(stream.classes)])
        summed = (votes * here[:, :, None]).sum(axis=0)
        return {MAJORITY: scores(stream, named.argmax(axis=0)), MEAN: scores(stream, summed.argmax(axis=1))}
    values = np.where(here, votes[:, :, 0], np.nan)
    median, mean = np.nanmedian(values, axis=0), np.nanmean(values, axis=0)
    return {MAJORITY: scores(stream, _whole(median)), MEAN: scores(stream, _whole(mean))}


def _whole(values: Floats) -> npt.NDArray[np.int64]:
    return np.rint(values).astype(np.int64)


def _influence(played: Played, nodes: Sequence[str]) -> float | None:
    judged = played.labelled >= GIVEN
    if not nodes or not judged.any():
        return None
    together = np.sum([played.weights[node] for node in nodes], axis=0)
    return float(together[judged].max()) / 1e6
