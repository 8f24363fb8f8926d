"""One pass over the models: look, decide, do; and what became of each of them.

Each model is for itself: what goes wrong with one is said and the others go on. Models of a task that are to
be retrained are so together, since they learn from the same rows. Whatever is decided goes to the service
with the versions that this pass saw, so of two passes at once one finds that the other was quicker, which
is no error. A refused retraining is none either.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from concord.client import Client
from concord.errors import ConcordError, DataError, Refused, ServiceAway
from concord.policies.stake import Action as Appointing
from concord.types.models import ModelView
from training.retraining.result import NodeOutcome, Retraining
from training.upkeep.limits import Limits
from training.upkeep.notes import Note, Notes
from training.upkeep.observe import Sight
from training.upkeep.policy import Seen, UpkeepDecision, decide

Done = Literal[
    "nothing", "challenged", "refused", "promoted", "dismissed", "rolled back", "too late", "failed"
]
"""`refused`: by the gate. `too late`: somebody else was quicker."""

PAST: dict[Appointing, Done] = {
    "challenge": "challenged",
    "promote": "promoted",
    "dismiss": "dismissed",
    "rollback": "rolled back",
}

CONFLICT = 409
"""The service's answer where what is differs from what was seen."""

MOST_WHY = 200
"""Characters of a reason that go to the ledger."""


class Retrain(Protocol):
    """Retrains nodes of a task on the labelled rounds."""

    def __call__(self, task: str, nodes: Sequence[str]) -> Retraining:
        """Registers what passes the gate.

        Raises:
            ConcordError: There is nothing to learn from or to judge on.
        """


@dataclass(frozen=True)
class Line:
    """What became of one model.

    Attributes:
        model: Registered name.
        phase: Where it was.
        champion: The version that counts.
        challenger: The version beside it.
        done: What was done.
        why: The reason.
        version: Of a challenge, the version.
    """

    model: str
    phase: str
    champion: str | None
    challenger: str | None
    done: Done
    why: str
    version: str | None = None


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class Passage:
    """One pass.

    Attributes:
        client: The consensus service.
        notes: What was refused last.
        retrain: Retrains.
        limits: Of the decision.
        can_fit: Whether a model's pipeline is known here.
        tell: Hears what is being done.
        clock: This moment.
    """

    client: Client
    notes: Notes
    retrain: Retrain
    limits: Limits
    can_fit: Callable[[ModelView], bool]
    tell: Callable[[str], None] = lambda _words: None
    clock: Callable[[], str] = now
    _began: str = field(init=False)

    def run(self, views: Sequence[ModelView]) -> Iterator[Line]:
        """Goes through the models, each with its line once it is done with.

        Raises:
            ServiceAway: The service does not answer (any more).
        """
        self._began = self.clock()
        sight = Sight(self.client, self.notes, self.limits, self.can_fit)
        waiting: dict[str, list[tuple[Seen, UpkeepDecision]]] = {}
        for view in views:
            self.tell(f"{view.name}: looking")
            try:
                seen = sight.look(view)
            except ServiceAway:
                raise
            except ConcordError as error:
                yield Line(view.name, view.phase, view.champion, view.challenger, "failed", error.message)
                continue
            decision = decide(seen, self.limits)
            if decision.action == "retrain":
                waiting.setdefault(view.task, []).append((seen, decision))
            else:
                yield self._do(seen, decision)
        for task, due in waiting.items():
            yield from self._retrain(task, due)

    def _do(self, seen: Seen, decision: UpkeepDecision) -> Line:
        action = decision.action
        if action == "wait" or action == "retrain":  # noqa: PLR1714  mypy tells the others apart by it
            return _line(seen, "nothing", decision.why)
        try:
            # First, since a note too many costs one retraining less, and one too few the same one again.
            if action == "rollback":
                self._note(seen, decision.why, seen.champion)
            elif action == "dismiss" and seen.phase == "probation":
                self._note(seen, decision.why, seen.challenger)
            return self._appoint(seen, action, decision.version, decision.why)
        except ServiceAway:
            raise
        except ConcordError as error:
            return _line(seen, "failed", f"{decision.why} {error.message}")

    def _appoint(self, seen: Seen, action: Appointing, version: str | None, why: str) -> Line:
        expect = {"champion": seen.champion, "challenger": seen.challenger}
        try:
            self.client.appoint(seen.name, action, version, why=clipped(why), expect=expect)
        except Refused as error:
            if error.answered != CONFLICT:
                raise
            return _line(seen, "too late", f"Somebody else was quicker: {error.message}")
        return _line(seen, PAST[action], why, version)

    def _retrain(self, task: str, due: Sequence[tuple[Seen, UpkeepDecision]]) -> Iterator[Line]:
        self.tell(f"{task}: retraining")
        nodes = [seen.name.rpartition(".")[2] for seen, _ in due]
        try:
            outcomes = {one.model: one for one in self.retrain(task, nodes).nodes}
        except DataError as error:
            # There will be more rows: nothing was tried that a note would have to prevent.
            yield from (_line(seen, "nothing", f"{decision.why} {error.message}") for seen, decision in due)
            return
        except ServiceAway:
            raise
        except ConcordError as error:
            yield from (_line(seen, "failed", f"{decision.why} {error.message}") for seen, decision in due)
            return
        for seen, decision in due:
            yield self._after(seen, decision, outcomes.get(seen.name))

    def _after(self, seen: Seen, decision: UpkeepDecision, outcome: NodeOutcome | None) -> Line:
        if outcome is None:
            return _line(seen, "failed", f"{decision.why} It was left out of the retraining.")
        if outcome.error is not None:
            return _line(seen, "failed", f"{decision.why} {outcome.error.message}")
        try:
            if outcome.version is None:
                why = f"The gate refused: {' '.join(one.reason for one in outcome.refused_by)}"
                self._note(seen, why, None)
                return _line(seen, "refused", f"{decision.why} {why}")
            return self._appoint(seen, "challenge", outcome.version, f"{gate(outcome)} {decision.why}")
        except ServiceAway:
            raise
        except ConcordError as error:
            return _line(seen, "failed", f"{decision.why} {error.message}")

    def _note(self, seen: Seen, why: str, version: str | None) -> None:
        # After a rollback the predecessor is champion again, and the note is about it.
        champion = seen.challenger if version == seen.champion else seen.champion
        if champion is not None:
            self.notes.write(seen.name, Note(champion, self._began, why, version))


def gate(outcome: NodeOutcome) -> str:
    """What the gate saw, in a sentence."""
    better = [one.reason for one in outcome.conditions if one.name == "better"]
    first, _, _ = (better or [one.reason for one in outcome.conditions])[0].partition(";")
    return f"It passed the gate: {first.rstrip('.')}."


def clipped(text: str) -> str:
    """A reason as the ledger takes it: one line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_WHY else f"{line[: MOST_WHY - 1].rstrip()}…"


def _line(seen: Seen, done: Done, why: str, version: str | None = None) -> Line:
    return Line(seen.name, seen.phase, seen.champion, seen.challenger, done, " ".join(why.split()), version)
