"""Observes models: their state at the service, over HTTP, and their notes in the registry.

Only what a phase needs is requested: no drift of a task whose models are all in probation, no comparison of
a model without a challenger.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from concord.client import Client
from concord.errors import Refused
from concord.types.drift import DriftReport
from concord.types.models import ModelView
from training.upkeep.decision import ModelState, most_labels
from training.upkeep.limits import UpkeepLimits
from training.upkeep.notes import Note, Notes

NO_PROFILE: Final = "unknown_profile"
"""The service's code where no model of a task carries a profile, so that there is no drift report."""


@dataclass
class Observer:
    """Observes each model once; a task's drift and labels are requested once for all of its models.

    Attributes:
        client: The consensus service.
        notes: The last refusals.
        limits: Up to which number labels are counted.
        can_fit: Whether a model's pipeline is known here.
    """

    client: Client
    notes: Notes
    limits: UpkeepLimits
    can_fit: Callable[[ModelView], bool]
    _labels: dict[tuple[str, str | None], int] = field(default_factory=dict)
    _drift: dict[str, DriftReport | None] = field(default_factory=dict)

    def observe(self, view: ModelView) -> ModelState:
        """The state of one model.

        Raises:
            Refused: The service refuses, for want of a token as a rule.
            ServiceAway: It does not answer.
        """
        state = ModelState(
            view.name,
            view.phase,
            view.champion,
            view.challenger or view.wanted.challenger,
            view.rolling,
            view.dropped,
            view.problem,
        )
        if view.problem or view.rolling or view.champion is None:
            return state
        if view.phase != "serving":
            return replace(state, comparison=None if view.dropped else self.client.compare(view.name))
        return self._serving(view, state)

    def _serving(self, view: ModelView, state: ModelState) -> ModelState:
        note = self.notes.read(view.name)
        if note is not None and note.champion != view.champion:
            note = None
        since = registration_time(view, view.champion)
        return replace(
            state,
            passed=passed_version(view, note),
            drifted=drifted_parts(self._report(view.task), view, since),
            labels=self._count(view.task, since),
            labels_since_note=self._count(view.task, note.until) if note else 0,
            note=note,
            can_retrain=bool(view.registry and view.registry.champion and self.can_fit(view)),
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


def registration_time(view: ModelView, version: str | None) -> str | None:
    """When a version was registered; None where the registry does not know it."""
    versions = view.registry.versions if view.registry else []
    return next((listed.created for listed in versions if listed.version == version), None)


def passed_version(view: ModelView, note: Note | None) -> str | None:
    """The version that the registry calls challenger, if it was not tried already."""
    version = view.registry.challenger if view.registry else None
    if version is None or version == view.champion or (note is not None and note.version == version):
        return None
    return version


def drifted_parts(report: DriftReport | None, view: ModelView, since: str | None) -> tuple[str, ...]:
    """Which parts of a task's drift concern one model's champion, in words.

    Features and labels concern those that learned from the profile's rows, answers the version that gave
    them, and a rise of the errors those that were champion before it.
    """
    if report is None:
        return ()
    parts = []
    if view.node in report.profile_nodes:
        columns = [*report.features, *([report.target] if report.target else [])]
        parts += [column.name for column in columns if column.status == "drifted"]
    for answers in report.answers:
        if (answers.node, answers.version) == (view.node, view.champion):
            parts += ["its answers"] if answers.difference.status == "drifted" else []
    errors = report.errors
    if errors is not None and errors.status == "drifted":
        is_after = since is None or errors.since is None or errors.since > since
        parts += [f"errors, {errors.error_before:.3f} to {errors.error:.3f}"] if is_after else []
    return tuple(parts)
