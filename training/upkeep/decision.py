"""Decides what upkeep does about one model: a pure function of the model's state and the limits.

A model's phases are `serving`, with a challenger `probation`, then `watch` beside its predecessor, and
`serving` again. Each decision has a reason with its numbers. Where the state does not allow a decision (too
few labels, a node that is changing versions) nothing is done until the next pass.
"""

from dataclasses import dataclass
from typing import Literal

from concord.types.models import Comparison, Phase
from training.upkeep.limits import UpkeepLimits
from training.upkeep.notes import Note

UpkeepAction = Literal["wait", "retrain", "challenge", "promote", "dismiss", "rollback"]


@dataclass(frozen=True)
class ModelState:
    """The state of one model in a pass.

    Attributes:
        name: Registered name.
        phase: Its phase.
        champion: The version that counts; None while that is not known.
        challenger: The version beside it.
        rolling: Whether the node is still changing to the desired versions.
        dropped: Why the challenger answers no more.
        problem: What could not be observed.
        comparison: Both on the same labelled rounds; None without a challenger.
        passed: A version in the registry that passed the gate and waits to be brought in.
        drifted: What has drifted since the champion learned: names, for people.
        labels: Labelled rounds since the champion was registered, counted up to the largest limit.
        labels_since_note: The same since the note.
        note: The last refusal.
        can_retrain: Whether its pipeline is known where this runs, and its champion to the registry.
    """

    name: str
    phase: Phase
    champion: str | None
    challenger: str | None = None
    rolling: bool = False
    dropped: str | None = None
    problem: str | None = None
    comparison: Comparison | None = None
    passed: str | None = None
    drifted: tuple[str, ...] = ()
    labels: int = 0
    labels_since_note: int = 0
    note: Note | None = None
    can_retrain: bool = True


@dataclass(frozen=True)
class UpkeepDecision:
    """An action, with the reason that the ledger keeps.

    Attributes:
        action: The action.
        why: A sentence with the numbers.
        version: The new challenger, for `challenge`.
    """

    action: UpkeepAction
    why: str
    version: str | None = None


def decide(state: ModelState, limits: UpkeepLimits) -> UpkeepDecision:
    """The decision about a model."""
    if unclear := _unclear(state):
        return _wait(unclear)
    if state.phase == "serving":
        return _serving(state, limits)
    if state.dropped:
        return UpkeepDecision("dismiss", f"Version {state.challenger} answers no more: {state.dropped}")
    if state.comparison is None:
        return _wait("The comparison is not known.")
    decide_phase = _watch if state.phase == "watch" else _probation
    return decide_phase(state, state.comparison, limits)


def _unclear(state: ModelState) -> str | None:
    """Why nothing can be decided about the model now."""
    if state.problem:
        return state.problem
    if state.champion is None:
        return "The node has not said yet which version it serves."
    return "The node is taking on what was decided." if state.rolling else None


def _probation(state: ModelState, comparison: Comparison, limits: UpkeepLimits) -> UpkeepDecision:
    shown = describe_comparison(comparison)
    if comparison.verdict == "worse":
        return UpkeepDecision("dismiss", f"It is worse than version {state.champion}: {shown}.")
    if comparison.verdict == "better" and comparison.rounds >= limits.probation_labels:
        return UpkeepDecision("promote", f"It is better than version {state.champion}: {shown}.")
    if comparison.rounds >= limits.probation_most:
        return UpkeepDecision(
            "dismiss", f"It was not shown to be better than version {state.champion}: {shown}."
        )
    needed = limits.probation_labels if comparison.rounds < limits.probation_labels else limits.probation_most
    return _wait(f"{shown}; {needed} labels decide.")


def _watch(state: ModelState, comparison: Comparison, limits: UpkeepLimits) -> UpkeepDecision:
    # Here the challenger is the predecessor.
    shown = describe_comparison(comparison, other="the predecessor")
    if comparison.verdict == "better":
        return UpkeepDecision("rollback", f"Version {state.champion} is worse than its predecessor: {shown}.")
    if comparison.rounds >= limits.watch_labels:
        return UpkeepDecision("dismiss", f"The watch is over, version {state.champion} is no worse: {shown}.")
    return _wait(f"{shown}; the watch ends at {limits.watch_labels} labels.")


def _serving(state: ModelState, limits: UpkeepLimits) -> UpkeepDecision:
    if state.passed is not None:
        return UpkeepDecision(
            "challenge", f"Version {state.passed} passed the gate and answers no rows yet.", state.passed
        )
    cause = _cause(state, limits)
    if cause is None:
        return _wait("Nothing has drifted.")
    if not state.can_retrain:
        return _wait(f"{cause} It cannot be retrained from here: its pipeline or its champion is not known.")
    if state.labels < limits.retrain_labels:
        return _wait(f"{cause} Retraining waits for {limits.retrain_labels} labels, and {state.labels} came.")
    if state.note is not None and state.labels_since_note < limits.pause_labels:
        return _wait(
            f"{cause} {state.note.why} Retraining waits for {limits.pause_labels} labels since then, and "
            f"{state.labels_since_note} came."
        )
    return UpkeepDecision(
        "retrain", f"{cause} There are {_count(state.labels, limits)} labels to learn from."
    )


def _cause(state: ModelState, limits: UpkeepLimits) -> str | None:
    """Why it should be retrained; None if nothing asks for it."""
    if state.drifted:
        return f"Drifted since version {state.champion} learned: {', '.join(state.drifted)}."
    if limits.fresh_labels and state.labels >= limits.fresh_labels:
        return f"{limits.fresh_labels} labels came since version {state.champion} learned."
    return None


def most_labels(limits: UpkeepLimits) -> int:
    """How many labels are counted: more make no difference."""
    return max(limits.retrain_labels, limits.fresh_labels, limits.pause_labels)


def describe_comparison(comparison: Comparison, other: str = "the challenger") -> str:
    """A comparison in words.

    Args:
        comparison: The comparison.
        other: What the challenger is called.
    """
    if (
        comparison.difference is None
        or comparison.champion.score is None
        or comparison.challenger.score is None
    ):
        return "no labelled round yet that both answered"
    low, high = comparison.low, comparison.high
    interval = "" if low is None or high is None else f" ({low:+.3f} to {high:+.3f})"
    return (
        f"{comparison.score} {comparison.challenger.score:.3f} of {other}, "
        f"{comparison.champion.score:.3f} of the champion, "
        f"{comparison.difference:+.3f}{interval} on {comparison.rounds} labelled rounds"
    )


def _count(labels: int, limits: UpkeepLimits) -> str:
    return f"{labels} or more" if labels >= most_labels(limits) else str(labels)


def _wait(why: str) -> UpkeepDecision:
    return UpkeepDecision("wait", why)
