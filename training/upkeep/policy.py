"""What is to be done about one model: a pure function of what was seen and of the limits.

The way of a model is `serving`, then with a challenger `probation`, then `watch` beside its predecessor, and
`serving` again. What leads from one to the next is said with its numbers. Where something cannot be told
(too few labels, a node that is changing versions) nothing is done: the next pass looks again.
"""

from dataclasses import dataclass
from typing import Literal

from concord.types.models import Comparison, Phase
from training.upkeep.limits import Limits
from training.upkeep.notes import Note

UpkeepAction = Literal["wait", "retrain", "challenge", "promote", "dismiss", "rollback"]


@dataclass(frozen=True)
class Seen:
    """One model as a pass finds it.

    Attributes:
        name: Registered name.
        phase: Where it is on its way.
        champion: The version that counts; None while that is not known.
        challenger: The version beside it.
        rolling: Whether the node is still taking on what was decided.
        dropped: Why the challenger answers no more.
        problem: What could not be looked at.
        comparison: Both on the same labelled rounds; None without a challenger.
        passed: A version in the registry that passed the gate and waits to be brought in.
        drifted: What has drifted since the champion learned: names, for people.
        labels: Labelled rounds since the champion was registered, counted up to what matters.
        labels_since_note: The same since the note.
        note: What was refused last.
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
    """What is to be done, with the reason that the ledger keeps.

    Attributes:
        action: It.
        why: A sentence with the numbers.
        version: Of `challenge`: which one.
    """

    action: UpkeepAction
    why: str
    version: str | None = None


def decide(seen: Seen, limits: Limits) -> UpkeepDecision:
    """What is to be done about a model."""
    if unclear := _unclear(seen):
        return _wait(unclear)
    if seen.phase == "serving":
        return _serving(seen, limits)
    if seen.dropped:
        return UpkeepDecision("dismiss", f"Version {seen.challenger} answers no more: {seen.dropped}")
    if seen.comparison is None:
        return _wait("The comparison is not known.")
    decide_phase = _watch if seen.phase == "watch" else _probation
    return decide_phase(seen, seen.comparison, limits)


def _unclear(seen: Seen) -> str | None:
    """Why nothing can be told of the model now."""
    if seen.problem:
        return seen.problem
    if seen.champion is None:
        return "The node has not said yet which version it serves."
    return "The node is taking on what was decided." if seen.rolling else None


def _probation(seen: Seen, found: Comparison, limits: Limits) -> UpkeepDecision:
    shown = measured(found)
    if found.verdict == "worse":
        return UpkeepDecision("dismiss", f"It is worse than version {seen.champion}: {shown}.")
    if found.verdict == "better" and found.rounds >= limits.probation_labels:
        return UpkeepDecision("promote", f"It is better than version {seen.champion}: {shown}.")
    if found.rounds >= limits.probation_most:
        return UpkeepDecision(
            "dismiss", f"It was not shown to be better than version {seen.champion}: {shown}."
        )
    needed = limits.probation_labels if found.rounds < limits.probation_labels else limits.probation_most
    return _wait(f"{shown}; {needed} labels decide.")


def _watch(seen: Seen, found: Comparison, limits: Limits) -> UpkeepDecision:
    # Here the challenger is the predecessor.
    shown = measured(found, other="the predecessor")
    if found.verdict == "better":
        return UpkeepDecision("rollback", f"Version {seen.champion} is worse than its predecessor: {shown}.")
    if found.rounds >= limits.watch_labels:
        return UpkeepDecision("dismiss", f"The watch is over, version {seen.champion} is no worse: {shown}.")
    return _wait(f"{shown}; the watch ends at {limits.watch_labels} labels.")


def _serving(seen: Seen, limits: Limits) -> UpkeepDecision:
    if seen.passed is not None:
        return UpkeepDecision(
            "challenge", f"Version {seen.passed} passed the gate and answers no rows yet.", seen.passed
        )
    cause = _cause(seen, limits)
    if cause is None:
        return _wait("Nothing has drifted.")
    if not seen.can_retrain:
        return _wait(f"{cause} It cannot be retrained from here: its pipeline or its champion is not known.")
    if seen.labels < limits.retrain_labels:
        return _wait(f"{cause} Retraining waits for {limits.retrain_labels} labels, and {seen.labels} came.")
    if seen.note is not None and seen.labels_since_note < limits.pause_labels:
        return _wait(
            f"{cause} {seen.note.why} Retraining waits for {limits.pause_labels} labels since then, and "
            f"{seen.labels_since_note} came."
        )
    return UpkeepDecision("retrain", f"{cause} There are {_count(seen.labels, limits)} labels to learn from.")


def _cause(seen: Seen, limits: Limits) -> str | None:
    """Why it should be retrained; None if nothing asks for it."""
    if seen.drifted:
        return f"Drifted since version {seen.champion} learned: {', '.join(seen.drifted)}."
    if limits.fresh_labels and seen.labels >= limits.fresh_labels:
        return f"{limits.fresh_labels} labels came since version {seen.champion} learned."
    return None


def most_labels(limits: Limits) -> int:
    """How many labels are counted: more make no difference."""
    return max(limits.retrain_labels, limits.fresh_labels, limits.pause_labels)


def measured(found: Comparison, other: str = "the challenger") -> str:
    """A comparison in words.

    Args:
        found: It.
        other: Who the challenger is.
    """
    if found.difference is None or found.champion.score is None or found.challenger.score is None:
        return "no labelled round yet that both answered"
    interval = "" if found.low is None or found.high is None else f" ({found.low:+.3f} to {found.high:+.3f})"
    return (
        f"{found.score} {found.challenger.score:.3f} of {other}, {found.champion.score:.3f} of the champion, "
        f"{found.difference:+.3f}{interval} on {found.rounds} labelled rounds"
    )


def _count(labels: int, limits: Limits) -> str:
    return f"{labels} or more" if labels >= most_labels(limits) else str(labels)


def _wait(why: str) -> UpkeepDecision:
    return UpkeepDecision("wait", why)
