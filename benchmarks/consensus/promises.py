"""What must hold, and what was reached: each line of the promise beside its figure.

Pure functions of the outcomes. A figure is a mean over the seeds, except for counts, which are summed.
What was not played is not kept, and neither is what was played with fewer than five seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from benchmarks.consensus.outcomes import BEST, BEST_HONEST, KNOWN, SWITCHER, Outcome
from benchmarks.consensus.play import SEED, WAGER
from benchmarks.consensus.scenarios import LONGER, SCENARIOS, SLOW, Scenario

FEWEST_SEEDS: Final = 5

NEAR: Final = 0.01
"""How far below the best single node the answer may be."""

AHEAD: Final = 0.10
"""How far above it where the concept changes."""

WITH_EXPERT: Final = 0.94
MOST_INFLUENCE: Final = 0.05
MOST_COST: Final = 0.05
"""What a third that colludes may cost where there are no labels."""


@dataclass(frozen=True)
class Promise:
    """One line of what must hold.

    Attributes:
        says: What must hold.
        reached: The figure, in words.
        kept: Whether it holds; None for a figure that is only shown.
    """

    says: str
    reached: str
    kept: bool | None


Means = Mapping[Scenario, Sequence[Outcome]]


def promises(found: Sequence[Outcome]) -> list[Promise]:
    """Every promise with what was reached."""
    by_name = {one.name: one for one in SCENARIOS}
    groups: dict[Scenario, list[Outcome]] = {}
    for one in found:
        groups.setdefault(by_name[one.scenario], []).append(one)
    return [
        _seeds(found),
        *_near_best(groups),
        _adaptive(groups),
        *_changes(groups),
        _expert(groups),
        _influence(groups),
        _harmless(groups),
        _without_labels(groups),
        _no_right_debited(found),
        _conserved(found),
    ]


def shortfalls(made: Sequence[Promise]) -> list[str]:
    """The promises that are not kept, a sentence each."""
    return [f"{one.says}: {one.reached}." for one in made if one.kept is False]


def margin(group: Sequence[Outcome]) -> float:
    """How much more often the answer was right than the best single node, in the mean, over all rounds."""
    return fmean(one.right[WAGER.name] - one.right[BEST] for one in group)


def known_margin(group: Sequence[Outcome]) -> float | None:
    """The same since the first labels are known; None where some seed never gets so many."""
    if not all(one.known for one in group):
        return None
    return fmean(one.known[WAGER.name] - one.known[BEST] for one in group)


def _seeds(found: Sequence[Outcome]) -> Promise:
    seeds = len({one.seed for one in found})
    return Promise(f"means over at least {FEWEST_SEEDS} seeds", f"{seeds} seeds", seeds >= FEWEST_SEEDS)


def _near_best(groups: Means) -> list[Promise]:
    """One line a stream, so that it is seen where it fails; and what is left of it once there are labels."""
    labelled = _those(groups, lambda s: s.is_labelled and not s.is_adaptive)
    made = []
    for stream in dict.fromkeys(one.stream for one in SCENARIOS):
        says = f"{stream}: answer within {NEAR} of the best single node or better, every scenario with labels"
        found = {one: margin(group) for one, group in labelled.items() if one.stream == stream}
        made.append(_worst(says, found, -NEAR))
    # Too few labels to be judged is as far off as can be.
    known = {one: known_margin(group) for one, group in labelled.items()}
    says = f"the same once {KNOWN} labels are settled"
    shown = _worst(says, {one: -1.0 if far is None else far for one, far in known.items()}, -NEAR)
    return [*made, replace(shown, kept=None)]


def _adaptive(groups: Means) -> Promise:
    margins = {scenario: margin(group) for scenario, group in _those(groups, lambda s: s.is_adaptive).items()}
    words = ", ".join(f"{one.stream} with {one.adversary} {value:+.3f}" for one, value in margins.items())
    return Promise("the adaptive attacker, whatever it is", words or "not played", None)


def _changes(groups: Means) -> list[Promise]:
    """Late and scarce labels are judged where a concept stays long enough for them to tell of it.

    In a stream as short as the others they miss: the figures say by how much, and what could be had at all.
    """
    says = f"better by {AHEAD:.2f} than the best single node where the concept changes"
    found = _those(groups, lambda s: s.stream == "concept")
    slow = {scenario: group for scenario, group in found.items() if scenario.labels in SLOW}
    short = {scenario: group for scenario, group in slow.items() if scenario.times == 1}

    def margins(some: Means) -> dict[Scenario, float]:
        return {scenario: margin(group) for scenario, group in some.items()}

    words = "; ".join(_short_of(scenario.labels, group) for scenario, group in short.items())
    return [
        _worst(says, margins({one: group for one, group in found.items() if one not in slow}), AHEAD),
        _worst(
            f"the same with late and with scarce labels, in a stream {LONGER} times as long",
            margins({one: group for one, group in slow.items() if one not in short}),
            AHEAD,
        ),
        Promise("the same with late and with scarce labels, in one no longer", words or "not played", None),
    ]


def _short_of(labels: str, group: Sequence[Outcome]) -> str:
    """By how much a group misses what the others reach, and what a clairvoyant would have had."""
    far = margin(group)
    could = fmean(one.right[SWITCHER] - one.right[BEST] for one in group)
    missed = f", short by {AHEAD - far:.3f}" if far < AHEAD else ""
    return f"{labels} {far:+.3f}{missed} (best nodes, changed at the first label that tells: {could:+.3f})"


def _expert(groups: Means) -> Promise:
    """Whoever lies and however labels come; the seed rule's figure is that of the plain scenario."""
    says = f"at least {WITH_EXPERT} with the lone expert, every scenario"
    found = _those(groups, lambda s: s.stream == "expert")
    rights = {scenario: fmean(one.right[WAGER.name] for one in group) for scenario, group in found.items()}
    if not rights:
        return _not_played(says)
    worst = min(rights, key=lambda scenario: rights[scenario])
    plain = groups.get(Scenario("expert"), found[worst])
    seed = fmean(one.right[SEED.name] for one in plain)
    reached = f"{rights[worst]:.3f} at worst ({worst.name}), the seed rule {seed:.3f}"
    return Promise(says, reached, rights[worst] >= WITH_EXPERT)


def _influence(groups: Means) -> Promise:
    says = f"49 % colluders under {MOST_INFLUENCE:.0%} influence within 40 labelled rounds"
    judged = _those(groups, lambda s: s.adversary.startswith("49 %") and s.is_labelled)
    known = {scenario: [one.influence for one in group] for scenario, group in judged.items()}
    most = {
        scenario: fmean(1.0 if one is None else one for one in influences)
        for scenario, influences in known.items()
    }
    if not most:
        return _not_played(says)
    worst = max(most, key=lambda scenario: most[scenario])
    return Promise(says, f"{most[worst]:.1%} at most ({worst.name})", most[worst] < MOST_INFLUENCE)


def _harmless(groups: Means) -> Promise:
    judged = _those(groups, lambda s: s.adversary.startswith("80 %") and s.is_labelled)
    says = f"80 % colluders harmless over the last 500: within {NEAR} of the best honest node"
    margins = {
        scenario: fmean(one.last[WAGER.name] - one.last[BEST_HONEST] for one in group)
        for scenario, group in judged.items()
    }
    return _worst(says, margins, -NEAR)


def _without_labels(groups: Means) -> Promise:
    says = f"without labels a third that colludes costs at most {MOST_COST}"
    gained = {}
    for scenario, group in _those(groups, lambda s: not s.is_labelled and s.adversary != "nobody").items():
        without = groups.get(Scenario(scenario.stream, labels=scenario.labels))
        if without:
            means = [fmean(one.right[WAGER.name] for one in some) for some in (group, without)]
            gained[scenario] = means[0] - means[1]
    return _worst(says, gained, -MOST_COST)


def _no_right_debited(found: Sequence[Outcome]) -> Promise:
    debited, right = sum(one.right_debited for one in found), sum(one.rights for one in found)
    says = "under `hit`, levelling apart, no node that was right is debited"
    if not right:
        return _not_played(says)
    return Promise(says, f"{debited} of {right:,} right votes", not debited)


def _conserved(found: Sequence[Outcome]) -> Promise:
    unbalanced, blocks = sum(one.unbalanced for one in found), sum(one.blocks for one in found)
    says = "stake is conserved to the µS"
    if not blocks:
        return _not_played(says)
    return Promise(says, f"{unbalanced} of {blocks:,} blocks do not add up", not unbalanced)


def _those(groups: Means, wanted: Callable[[Scenario], bool]) -> dict[Scenario, Sequence[Outcome]]:
    return {scenario: group for scenario, group in groups.items() if wanted(scenario)}


def _worst(says: str, margins: Mapping[Scenario, float], least: float) -> Promise:
    if not margins:
        return _not_played(says)
    worst = min(margins, key=lambda scenario: margins[scenario])
    short = sum(one < least for one in margins.values())
    reached = f"{margins[worst]:+.3f} at worst ({worst.name})"
    if short:
        reached += f"; {short} of {len(margins)} are below {least:+.2f}"
    return Promise(says, reached, not short)


def _not_played(says: str) -> Promise:
    return Promise(says, "not played", kept=False)
