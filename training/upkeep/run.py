"""One pass over the models: observe, decide, act, and report the outcome of each.

An error of one model is its outcome, and the others go on. Models of a task that are to be retrained are
retrained together, since they learn from the same rows. Decisions go to the service with the versions that
this pass has observed, so of two passes at once one is `too late`, which is no error. A refused retraining
is none either.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from concord.client import Client
from concord.errors import ConcordError, DataError, Refused, ServiceAway
from concord.policies.stake import Action
from concord.types.models import ModelView
from training.progress import ReportStep, ignore_step
from training.retraining.result import NodeOutcome, Retraining
from training.upkeep.decision import ModelState, UpkeepDecision, decide
from training.upkeep.limits import UpkeepLimits
from training.upkeep.notes import Note, Notes
from training.upkeep.observe import Observer

UpkeepOutcome = Literal[
    "nothing", "challenged", "refused", "promoted", "dismissed", "rolled back", "too late", "failed"
]
"""`refused`: by the gate. `too late`: another pass or a person was quicker."""

OUTCOMES: dict[Action, UpkeepOutcome] = {
    "challenge": "challenged",
    "promote": "promoted",
    "dismiss": "dismissed",
    "rollback": "rolled back",
}

CONFLICT = 409
"""The service's status where its versions are not those that were observed."""

MOST_REASON = 200
"""Characters of a reason that go to the ledger."""


RetrainNodes = Callable[[str, Sequence[str]], Retraining]
"""Retrains nodes of a task on the labelled rounds and registers what passes the gate.

Raises a ConcordError where there is nothing to learn from or to judge on.
"""


@dataclass(frozen=True)
class UpkeepResult:
    """The outcome of one model.

    Attributes:
        model: Registered name.
        phase: Its phase before.
        champion: The version that counts.
        challenger: The version beside it.
        done: What was done.
        why: The reason.
        version: The new challenger of a challenge.
    """

    model: str
    phase: str
    champion: str | None
    challenger: str | None
    done: UpkeepOutcome
    why: str
    version: str | None = None


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class UpkeepPass:
    """One pass.

    Attributes:
        client: The consensus service.
        notes: The last refusals.
        retrain: Retrains.
        limits: Of the decision.
        can_fit: Whether a model's pipeline is known here.
        report_step: Shows what is being done.
        clock: This moment.
    """

    client: Client
    notes: Notes
    retrain: RetrainNodes
    limits: UpkeepLimits
    can_fit: Callable[[ModelView], bool]
    report_step: ReportStep = ignore_step
    clock: Callable[[], str] = now
    _began: str = field(init=False)

    def run(self, views: Sequence[ModelView]) -> Iterator[UpkeepResult]:
        """Yields each model's outcome when the pass is done with it.

        Raises:
            ServiceAway: The service does not answer (any more).
        """
        self._began = self.clock()
        observer = Observer(self.client, self.notes, self.limits, self.can_fit)
        waiting: dict[str, list[tuple[ModelState, UpkeepDecision]]] = {}
        for view in views:
            self.report_step(f"{view.name}: observing")
            try:
                state = observer.observe(view)
            except ServiceAway:
                raise
            except ConcordError as error:
                yield UpkeepResult(
                    view.name, view.phase, view.champion, view.challenger, "failed", error.message
                )
                continue
            decision = decide(state, self.limits)
            if decision.action == "retrain":
                waiting.setdefault(view.task, []).append((state, decision))
            else:
                yield self._act(state, decision)
        for task, due in waiting.items():
            yield from self._retrain(task, due)

    def _act(self, state: ModelState, decision: UpkeepDecision) -> UpkeepResult:
        action = decision.action
        if action == "wait" or action == "retrain":  # noqa: PLR1714  mypy tells the others apart by it
            return _result(state, "nothing", decision.why)
        try:
            # The note first: without it the same retraining would be repeated.
            if action == "rollback":
                self._write_note(state, decision.why, state.champion)
            elif action == "dismiss" and state.phase == "probation":
                self._write_note(state, decision.why, state.challenger)
            return self._appoint(state, action, decision.version, decision.why)
        except ConcordError as error:
            return _failure(state, decision, error)

    def _appoint(self, state: ModelState, action: Action, version: str | None, why: str) -> UpkeepResult:
        expect = {"champion": state.champion, "challenger": state.challenger}
        try:
            self.client.appoint(state.name, action, version, why=shorten(why), expect=expect)
        except Refused as error:
            if error.answered != CONFLICT:
                raise
            return _result(state, "too late", f"Somebody else was quicker: {error.message}")
        return _result(state, OUTCOMES[action], why, version)

    def _retrain(self, task: str, due: Sequence[tuple[ModelState, UpkeepDecision]]) -> Iterator[UpkeepResult]:
        self.report_step(f"{task}: retraining")
        nodes = [state.name.rpartition(".")[2] for state, _ in due]
        try:
            outcomes = {outcome.model: outcome for outcome in self.retrain(task, nodes).nodes}
        except ConcordError as error:
            # Rows that are too few will be more: nothing was tried that a note would have to prevent.
            done: UpkeepOutcome = "nothing" if isinstance(error, DataError) else "failed"
            yield from (_failure(state, decision, error, done) for state, decision in due)
            return
        for state, decision in due:
            yield self._act_on_retraining(state, decision, outcomes.get(state.name))

    def _act_on_retraining(
        self, state: ModelState, decision: UpkeepDecision, outcome: NodeOutcome | None
    ) -> UpkeepResult:
        if outcome is None:
            return _result(state, "failed", f"{decision.why} It was left out of the retraining.")
        if outcome.error is not None:
            return _result(state, "failed", f"{decision.why} {outcome.error.message}")
        try:
            if outcome.version is None:
                why = f"The gate refused: {' '.join(condition.reason for condition in outcome.refused_by)}"
                self._write_note(state, why, None)
                return _result(state, "refused", f"{decision.why} {why}")
            return self._appoint(
                state, "challenge", outcome.version, f"{gate_reason(outcome)} {decision.why}"
            )
        except ConcordError as error:
            return _failure(state, decision, error)

    def _write_note(self, state: ModelState, why: str, version: str | None) -> None:
        # After a rollback the predecessor is champion again, and the note is about it.
        champion = state.challenger if version == state.champion else state.champion
        if champion is not None:
            self.notes.write(state.name, Note(champion, self._began, why, version))


def _failure(
    state: ModelState, decision: UpkeepDecision, error: ConcordError, done: UpkeepOutcome = "failed"
) -> UpkeepResult:
    """The outcome of an error; a service that does not answer ends the pass."""
    if isinstance(error, ServiceAway):
        raise error
    return _result(state, done, f"{decision.why} {error.message}")


def gate_reason(outcome: NodeOutcome) -> str:
    """The gate's main reason, as a sentence."""
    reasons = {condition.name: condition.reason for condition in outcome.conditions}
    first, _, _ = reasons.get("better", outcome.conditions[0].reason).partition(";")
    return f"It passed the gate: {first.rstrip('.')}."


def shorten(text: str) -> str:
    """A reason as the ledger takes it: one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_REASON else f"{line[: MOST_REASON - 1].rstrip()}…"


def _result(state: ModelState, done: UpkeepOutcome, why: str, version: str | None = None) -> UpkeepResult:
    return UpkeepResult(
        state.name, state.phase, state.champion, state.challenger, done, " ".join(why.split()), version
    )
