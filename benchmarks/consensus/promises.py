"""The promises that the simulation checks, each with the figure that was reached.

A figure is a mean over the seeds; counts are summed. A promise that was not simulated, or with fewer than
five seeds, is not kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from benchmarks.consensus.outcomes import BEST, BEST_HONEST, SWITCHER, WARM_UP, Outcome
from benchmarks.consensus.scenarios import LONGER, SCENARIOS, SLOW, Scenario
from benchmarks.consensus.simulation import SEED, WAGER

FEWEST_SEEDS: Final = 5

TOLERANCE: Final = 0.01
"""How far below the best single node the answer may be."""

LEAST_GAIN: Final = 0.10
"""How far above it where the concept changes."""

WITH_EXPERT: Final = 0.94
MOST_INFLUENCE: Final = 0.05
MOST_COST: Final = 0.05
"""What a third that colludes may cost where there are no labels."""


@dataclass(frozen=True)
class Promise:
    """A property that must hold, and whether it does.

    Attributes:
        claim: What must hold.
        reached: The figure as text.
        kept: Whether it holds; None for a figure that is only shown.
    """

    claim: str
    reached: str
    kept: bool | None


Groups = Mapping[Scenario, Sequence[Outcome]]


def promises(outcomes: Sequence[Outcome]) -> list[Promise]:
    """Every promise with what was reached."""
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    groups: dict[Scenario, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(by_name[outcome.scenario], []).append(outcome)
    return [
        _seeds(outcomes),
        *_near_best(groups),
        _adaptive(groups),
        *_changes(groups),
        _expert(groups),
        _influence(groups),
        _harmless(groups),
        _without_labels(groups),
        _no_right_debited(outcomes),
        _conserved(outcomes),
    ]


def shortfalls(promises_: Sequence[Promise]) -> list[str]:
    """The promises that are not kept, a sentence each."""
    return [f"{promise.claim}: {promise.reached}." for promise in promises_ if promise.kept is False]


def margin(group: Sequence[Outcome]) -> float:
    """Mean accuracy of the answer minus that of the best single node, over all rounds."""
    return fmean(outcome.right[WAGER.name] - outcome.right[BEST] for outcome in group)


def margin_after_warm_up(group: Sequence[Outcome]) -> float | None:
    """The same after the warm-up; None where some seed has too few labels."""
    if not all(outcome.after_warm_up for outcome in group):
        return None
    return fmean(outcome.after_warm_up[WAGER.name] - outcome.after_warm_up[BEST] for outcome in group)


def _seeds(outcomes: Sequence[Outcome]) -> Promise:
    seeds = len({outcome.seed for outcome in outcomes})
    return Promise(f"means over at least {FEWEST_SEEDS} seeds", f"{seeds} seeds", seeds >= FEWEST_SEEDS)


def _near_best(groups: Groups) -> list[Promise]:
    """One promise for each stream, and the same figure after the warm-up, which is only shown."""
    labelled = _select(groups, lambda s: s.is_labelled and not s.is_adaptive)
    claim = f"answer within {TOLERANCE} of the best single node or better, every scenario with labels"
    checked = []
    for stream in dict.fromkeys(scenario.stream for scenario in SCENARIOS):
        margins = _margins({key: group for key, group in labelled.items() if key.stream == stream})
        checked.append(_worst(f"{stream}: {claim}", margins, -TOLERANCE))
    # Too few labels count as the worst margin there is.
    settled = {scenario: margin_after_warm_up(group) for scenario, group in labelled.items()}
    margins = {scenario: -1.0 if value is None else value for scenario, value in settled.items()}
    shown = _worst(f"the same once {WARM_UP} labels are settled", margins, -TOLERANCE)
    return [*checked, replace(shown, kept=None)]


def _adaptive(groups: Groups) -> Promise:
    margins = _margins(_select(groups, lambda s: s.is_adaptive))
    words = ", ".join(f"{key.stream} with {key.adversary} {value:+.3f}" for key, value in margins.items())
    return Promise("the adaptive attacker, whatever it is", words or "not played", None)


def _changes(groups: Groups) -> list[Promise]:
    """Late and scarce labels are judged in the prolonged stream only; for the short one the gap is shown."""
    claim = f"better by {LEAST_GAIN:.2f} than the best single node where the concept changes"
    changing = _select(groups, lambda s: s.stream == "concept")
    quick = _select(changing, lambda s: s.labels not in SLOW)
    longer = _select(changing, lambda s: s.labels in SLOW and s.times > 1)
    short = _select(changing, lambda s: s.labels in SLOW and s.times == 1)
    words = "; ".join(_missed_margin(scenario.labels, group) for scenario, group in short.items())
    return [
        _worst(claim, _margins(quick), LEAST_GAIN),
        _worst(
            f"the same with late and with scarce labels, in a stream {LONGER} times as long",
            _margins(longer),
            LEAST_GAIN,
        ),
        Promise("the same with late and with scarce labels, in one no longer", words or "not played", None),
    ]


def _missed_margin(labels: str, group: Sequence[Outcome]) -> str:
    """The margin of a group, what it lacks, and the margin of the best nodes chosen in hindsight."""
    gain = margin(group)
    best = fmean(outcome.right[SWITCHER] - outcome.right[BEST] for outcome in group)
    missed = f", short by {LEAST_GAIN - gain:.3f}" if gain < LEAST_GAIN else ""
    return f"{labels} {gain:+.3f}{missed} (best nodes, changed at the first label that tells: {best:+.3f})"


def _expert(groups: Groups) -> Promise:
    """Accuracy in every scenario of the stream; the seed rule's figure is that of the plain scenario."""
    claim = f"at least {WITH_EXPERT} with the lone expert, every scenario"
    with_expert = _select(groups, lambda s: s.stream == "expert")
    rights = {scenario: _mean_right(group) for scenario, group in with_expert.items()}
    if not rights:
        return _not_played(claim)
    worst = min(rights, key=lambda scenario: rights[scenario])
    seed = _mean_right(groups.get(Scenario("expert"), with_expert[worst]), SEED.name)
    reached = f"{rights[worst]:.3f} at worst ({worst.name}), the seed rule {seed:.3f}"
    return Promise(claim, reached, rights[worst] >= WITH_EXPERT)


def _influence(groups: Groups) -> Promise:
    claim = f"49 % colluders under {MOST_INFLUENCE:.0%} influence within 40 labelled rounds"
    judged = _select(groups, lambda s: s.adversary.startswith("49 %") and s.is_labelled)
    most = {
        scenario: fmean(1.0 if outcome.influence is None else outcome.influence for outcome in group)
        for scenario, group in judged.items()
    }
    if not most:
        return _not_played(claim)
    worst = max(most, key=lambda scenario: most[scenario])
    return Promise(claim, f"{most[worst]:.1%} at most ({worst.name})", most[worst] < MOST_INFLUENCE)


def _harmless(groups: Groups) -> Promise:
    judged = _select(groups, lambda s: s.adversary.startswith("80 %") and s.is_labelled)
    claim = f"80 % colluders harmless over the last 500: within {TOLERANCE} of the best honest node"
    margins = {
        scenario: fmean(outcome.last[WAGER.name] - outcome.last[BEST_HONEST] for outcome in group)
        for scenario, group in judged.items()
    }
    return _worst(claim, margins, -TOLERANCE)


def _without_labels(groups: Groups) -> Promise:
    claim = f"without labels a third that colludes costs at most {MOST_COST}"
    gained = {}
    for scenario, group in _select(groups, lambda s: not s.is_labelled and s.adversary != "nobody").items():
        without = groups.get(Scenario(scenario.stream, labels=scenario.labels))
        if without:
            gained[scenario] = _mean_right(group) - _mean_right(without)
    return _worst(claim, gained, -MOST_COST)


def _no_right_debited(outcomes: Sequence[Outcome]) -> Promise:
    debited = sum(outcome.right_debited for outcome in outcomes)
    right = sum(outcome.rights for outcome in outcomes)
    claim = "under `hit`, levelling apart, no node that was right is debited"
    if not right:
        return _not_played(claim)
    return Promise(claim, f"{debited} of {right:,} right votes", not debited)


def _conserved(outcomes: Sequence[Outcome]) -> Promise:
    unbalanced = sum(outcome.unbalanced for outcome in outcomes)
    blocks = sum(outcome.blocks for outcome in outcomes)
    claim = "stake is conserved to the µS"
    if not blocks:
        return _not_played(claim)
    return Promise(claim, f"{unbalanced} of {blocks:,} blocks do not add up", not unbalanced)


def _mean_right(group: Sequence[Outcome], rule: str = WAGER.name) -> float:
    return fmean(outcome.right[rule] for outcome in group)


def _margins(groups: Groups) -> dict[Scenario, float]:
    return {scenario: margin(group) for scenario, group in groups.items()}


def _select(groups: Groups, predicate: Callable[[Scenario], bool]) -> dict[Scenario, Sequence[Outcome]]:
    return {scenario: group for scenario, group in groups.items() if predicate(scenario)}


def _worst(claim: str, margins: Mapping[Scenario, float], least: float) -> Promise:
    if not margins:
        return _not_played(claim)
    worst = min(margins, key=lambda scenario: margins[scenario])
    short = sum(margin_ < least for margin_ in margins.values())
    reached = f"{margins[worst]:+.3f} at worst ({worst.name})"
    if short:
        reached += f"; {short} of {len(margins)} are below {least:+.2f}"
    return Promise(claim, reached, not short)


def _not_played(claim: str) -> Promise:
    return Promise(claim, "not played", kept=False)
