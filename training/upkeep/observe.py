"""Looks at the models of a task: over HTTP at the service, and at the notes in the registry.

What costs little is asked first, and what a phase has no use for is not asked: no drift of a task whose
models are all in probation, no comparison of a model that has no challenger.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from concord.client import Client
from concord.errors import Refused
from concord.types.drift import DriftReport
from concord.types.models import ModelView
from training.upkeep.limits import Limits
from training.upkeep.notes import Note, Notes
from training.upkeep.policy import Seen, most_labels

NO_PROFILE: Final = "unknown_profile"
"""The service's code where no model of a task carries a profile, so that nothing is said of its drift."""


@dataclass
class Sight:
    """Looks once at one task; what was asked is kept for its other models.

    Attributes:
        client: The consensus service.
        notes: What was refused last.
        limits: Which numbers matter.
        can_fit: Whether a model's pipeline is known here.
    """

    client: Client
    notes: Notes
    limits: Limits
    can_fit: Callable[[ModelView], bool]
    _labels: dict[tuple[str, str | None], int] = field(default_factory=dict)
    _drift: dict[str, DriftReport | None] = field(default_factory=dict)

    def look(self, view: ModelView) -> Seen:
        """One model.

        Raises:
            Refused: The service refuses, for want of a token as a rule.
            ServiceAway: It does not answer.
        """
        wanted = view.wanted.challenger
        seen = Seen(
            view.name,
            view.phase,
            view.champion,
            view.challenger or wanted,
            view.rolling,
            view.dropped,
            view.problem,
        )
        if view.problem or view.rolling or view.champion is None:
            return seen
        if view.phase != "serving":
            return replace(seen, comparison=None if view.dropped else self.client.compare(view.name))
        return self._serving(view, seen)

    def _serving(self, view: ModelView, seen: Seen) -> Seen:
        note = self.notes.read(view.name)
        if note is not None and note.champion != view.champion:
            note = None
        champion = view.champion
        since = registered(view, champion)
        return replace(
            seen,
            passed=passed(view, note),
            drifted=concerns(self._report(view.task), view, since),
            labels=self._count(view.task, since),
            labels_since_note=self._count(view.task, note.until) if note else 0,
            note=note,
            can_retrain=view.registry is not None
            and view.registry.champion is not None
            and self.can_fit(view),
        )

    def _count(self, task: str, since: str | None) -> int:
        if (task, since) not in self._labels:
            rows = self.client.labelled(task, since=since)
            self._labels[task, since] = sum(1 for _ in islice(rows, most_labels(self.limits)))
        return self._labels[task, since]

    def _report(self, task: str) -> DriftReport | None:
        if task not in self._drift:
            try:
                self._drift[task] = self.client.drift(task)
            except Refused as error:
                if error.code != NO_PROFILE:
                    raise
                self._drift[task] = None
        return self._drift[task]


def registered(view: ModelView, version: str | None) -> str | None:
    """When a version was registered; None where the registry does not know it."""
    versions = view.registry.versions if view.registry else []
    return next((one.created for one in versions if one.version == version), None)


def passed(view: ModelView, note: Note | None) -> str | None:
    """The version that the registry calls challenger, if it was not tried already."""
    version = view.registry.challenger if view.registry else None
    if version is None or version == view.champion or (note is not None and note.version == version):
        return None
    return version


def concerns(report: DriftReport | None, view: ModelView, since: str | None) -> tuple[str, ...]:
    """What of a task's drift concerns one model's champion, in words.

    Features and labels concern those that learned from the profile's rows, answers the version that gave
    them, and a rise of the errors those that were champion before it.
    """
    if report is None:
        return ()
    found = []
    if view.node in report.profile_nodes:
        columns = [*report.features, *([report.target] if report.target else [])]
        found += [column.name for column in columns if column.status == "drifted"]
    for answers in report.answers:
        if (answers.node, answers.version) == (view.node, view.champion):
            found += ["its answers"] if answers.difference.status == "drifted" else []
    errors = report.errors
    if errors is not None and errors.status == "drifted":
        is_after = since is None or errors.since is None or errors.since > since
        found += [f"errors, {errors.error_before:.3f} to {errors.error:.3f}"] if is_after else []
    return tuple(found)
