"""Figures of a simulated scenario: accuracy, influence of adversaries, and audit counts.

A classification is measured by its accuracy, a regression by its mean score 1 − min(3σ, |v − y|)/3σ on the
task's own scale. The best single node is chosen in hindsight, over the rounds that it is compared on, among
all nodes; a round in which it was absent counts as wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.consensus.actors import Actor, make_actors
from benchmarks.consensus.labels import LABELLINGS
from benchmarks.consensus.scenarios import Scenario
from benchmarks.consensus.simulation import RULES, WAGER, Rule, Simulation, simulate
from benchmarks.consensus.streams import Floats, Stream, make, prolong
from concord.policies.voting import WARM_LABELS

WARM_UP: Final = WARM_LABELS
"""Labelled rounds after which the answer is compared with the best node; before, skill is not believed."""

LAST_ROUNDS: Final = 500
"""Last rounds of a stream, over which the 80 % must be harmless."""

GRACE_LABELS: Final = 40
"""Labelled rounds before colluders' influence is measured."""

MAJORITY: Final = "majority"
MEAN: Final = "plain mean"
BEST: Final = "best node"
BEST_HONEST: Final = "best honest"
SWITCHER: Final = "best switcher"
"""The best node of the old concept, then that of the new one from its first label on."""


@dataclass(frozen=True)
class Outcome:
    """Figures of one scenario with one seed.

    Attributes:
        scenario: Its name.
        seed: The seed.
        right: Rule or baseline → how often it was right (mean score of values); `SWITCHER` only where the
            concept changes.
        after_warm_up: The same over the rounds since `WARM_UP` labelled rounds were settled; empty if they
            never are.
        last: The same over the last `LAST_ROUNDS` rounds.
        influence: Largest joint weight of the adversaries once `GRACE_LABELS` labelled rounds are settled,
            under `wager hit`; None without adversaries or so many labels.
        caught: Labelled rounds until the first adversary was jailed; None where none was.
        honest_jailed: How many honest nodes were ever jailed, under `wager hit`.
        unbalanced: Blocks, of all rules, whose stake did not add up.
        blocks: Blocks of all rules.
        right_debited: Right votes that lost stake under `wager hit`.
        rights: Right votes in settled rounds under `wager hit`.
        precision: Rule → share of the debits that wrong nodes paid.
    """

    scenario: str
    seed: int
    right: Mapping[str, float]
    after_warm_up: Mapping[str, float]
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
class Setup:
    """A scenario's inputs: the stream, its nodes, and the labels that arrive before each round."""

    stream: Stream
    actors: tuple[Actor, ...]
    arriving: list[list[tuple[int, int]]]


def set_up(scenario: Scenario, seed: int, rounds: int) -> Setup:
    """Makes a scenario's votes and labels; the same seed and length give the same ones."""
    stream = make(scenario.stream, seed, rounds)
    if scenario.times > 1:
        stream = prolong(stream, scenario.times)
    actors = make_actors(stream, scenario.adversary, np.random.default_rng([seed, 1]))
    arriving = LABELLINGS[scenario.labels].arrivals(stream, np.random.default_rng([seed, 2]))
    return Setup(stream, actors, arriving)


def run(scenario: Scenario, seed: int, rounds: int, warm: int = WARM_LABELS) -> Outcome:
    """Simulates a scenario under every rule that fits it, and measures it."""
    setup = set_up(scenario, seed, rounds)
    rules = [rule for rule in RULES if setup.stream.classes or rule is WAGER]
    simulations = {rule: simulate(setup.stream, setup.actors, setup.arriving, rule, warm) for rule in rules}
    return measure(scenario.name, seed, setup, simulations)


def measure(name: str, seed: int, setup: Setup, simulations: Mapping[Rule, Simulation]) -> Outcome:
    """Computes a scenario's figures from its simulation under each rule."""
    stream, wager = setup.stream, simulations[WAGER]
    votes = {actor.node: _cast_votes(actor, wager) for actor in setup.actors}
    score = partial(scores, stream)
    answers = {rule.name: score(simulation.answers) for rule, simulation in simulations.items()}
    answers |= _baselines(stream, setup.actors, votes)
    node_scores = {actor.node: _node_scores(actor, votes[actor.node], score) for actor in setup.actors}
    honest = {actor.node: node_scores[actor.node] for actor in setup.actors if actor.honest}
    adversaries = [actor.node for actor in setup.actors if not actor.honest]
    if stream.change is not None:
        answers[SWITCHER] = _switcher(setup, node_scores, stream.change)
    start, jailed = _warm_up_end(wager), wager.audit.jailed
    return Outcome(
        scenario=name,
        seed=seed,
        right=_means(answers, node_scores, honest, 0),
        after_warm_up=_means(answers, node_scores, honest, start) if start is not None else {},
        last=_means(answers, node_scores, honest, -LAST_ROUNDS),
        influence=_influence(wager, adversaries),
        caught=min((jailed[node][0] for node in adversaries if node in jailed), default=None),
        honest_jailed=sum(node not in adversaries for node in jailed),
        unbalanced=sum(simulation.audit.unbalanced for simulation in simulations.values()),
        blocks=sum(simulation.audit.blocks for simulation in simulations.values()),
        right_debited=wager.audit.right_debited,
        rights=wager.audit.right,
        precision={
            rule.name: simulation.audit.debits_of_wrong / simulation.audit.debits
            for rule, simulation in simulations.items()
            if simulation.audit.debits
        },
    )


def scores(stream: Stream, answers: npt.NDArray[np.int64]) -> Floats:
    """How right each answer is, from 0 to 1."""
    if stream.classes:
        return np.asarray(answers == stream.truth, dtype=np.float64)
    return np.asarray(1 - np.minimum(np.abs(answers - stream.truth) / (3 * stream.scale), 1))


def _means(
    answers: Mapping[str, Floats], node_scores: Mapping[str, Floats], honest: Mapping[str, Floats], start: int
) -> dict[str, float]:
    means = {name: float(values[start:].mean()) for name, values in answers.items()}
    means[BEST] = max(float(values[start:].mean()) for values in node_scores.values())
    means[BEST_HONEST] = max(float(values[start:].mean()) for values in honest.values())
    return means


def _warm_up_end(simulation: Simulation) -> int | None:
    """The first round with `WARM_UP` settled labels."""
    rounds = np.flatnonzero(simulation.labelled >= WARM_UP)
    return int(rounds[0]) if len(rounds) else None


def _cast_votes(actor: Actor, simulation: Simulation) -> npt.NDArray[np.int64]:
    """The votes that a node cast; those of an adaptive one under `wager hit`."""
    if actor.lies is None:
        return actor.votes
    return np.where(simulation.lied[actor.node][:, None], actor.lies, actor.votes)


def _node_scores(
    actor: Actor, votes: npt.NDArray[np.int64], score: Callable[[npt.NDArray[np.int64]], Floats]
) -> Floats:
    answered = score(votes.argmax(axis=1) if votes.shape[1] > 1 else votes[:, 0])
    return answered if actor.present is None else answered * actor.present


def _switcher(setup: Setup, node_scores: Mapping[str, Floats], change: int) -> Floats:
    """Scores of the best node before the change, then of the best one after it, from its first label on."""
    old = max(node_scores.values(), key=lambda values: float(values[:change].mean()))
    new = max(node_scores.values(), key=lambda values: float(values[change:].mean()))
    rounds = [now for now, labels in enumerate(setup.arriving) if any(of >= change for of, _ in labels)]
    switch = min(rounds, default=setup.stream.rounds)
    return np.concatenate([old[:switch], new[switch:]])


def _baselines(
    stream: Stream, actors: Sequence[Actor], cast_votes: Mapping[str, npt.NDArray[np.int64]]
) -> dict[str, Floats]:
    """Baselines with equal weights: majority (median) and mean of all votes."""
    votes = np.stack([cast_votes[actor.node] for actor in actors])
    present = np.ones(votes.shape[:2], dtype=np.bool_)
    for i, actor in enumerate(actors):
        if actor.present is not None:
            present[i] = actor.present
    if stream.classes:
        choices = votes.argmax(axis=2)
        named = np.stack([((choices == k) & present).sum(axis=0) for k in range(stream.classes)])
        summed = (votes * present[:, :, None]).sum(axis=0)
        return {MAJORITY: scores(stream, named.argmax(axis=0)), MEAN: scores(stream, summed.argmax(axis=1))}
    values = np.where(present, votes[:, :, 0], np.nan)
    median, mean = np.nanmedian(values, axis=0), np.nanmean(values, axis=0)
    return {MAJORITY: scores(stream, _rounded(median)), MEAN: scores(stream, _rounded(mean))}


def _rounded(values: Floats) -> npt.NDArray[np.int64]:
    return np.rint(values).astype(np.int64)


def _influence(simulation: Simulation, nodes: Sequence[str]) -> float | None:
    is_counted = simulation.labelled >= GRACE_LABELS
    if not nodes or not is_counted.any():
        return None
    joint = np.sum([simulation.weights[node] for node in nodes], axis=0)
    return float(joint[is_counted].max()) / 1e6
