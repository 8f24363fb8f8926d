"""A service and a registry that are stood in for, and a pass over them."""

from dataclasses import replace

from concord.errors import Refused
from concord.types.models import (
    Comparison,
    Contender,
    DesiredVersions,
    ListedVersion,
    ModelView,
    RegistryView,
)
from training.retraining.gate import Condition
from training.retraining.result import NodeOutcome, Retraining
from training.upkeep.limits import UpkeepLimits
from training.upkeep.run import UpkeepPass

BORN = "2026-11-01T00:00:00+00:00"
NOW = "2026-11-21T12:00:00+00:00"


def view(node="knn", **changes):
    """A model that serves version 1, registered on the first of the month."""
    registry = RegistryView("1", None, [ListedVersion("1", BORN, ["champion"], "r", "d")])
    made = ModelView(
        f"iris.{node}",
        "iris",
        node,
        "1",
        None,
        "serving",
        None,
        None,
        DesiredVersions("1"),
        registry=registry,
        rolling=False,
    )
    return replace(made, **changes)


def probation(verdict="better", rounds=100, phase="probation", node="knn"):
    """A model with challenger 2, and what its comparison says."""
    made = view(node, phase=phase, challenger="2", wanted=DesiredVersions("1", "2"))
    found = Comparison(
        made.name,
        phase,
        None,
        "hit",
        Contender("1", 0.7),
        Contender("2", 0.8),
        rounds,
        0.1,
        0.05,
        0.2,
        verdict,
    )
    return made, found


def passed(model, version="2"):
    condition = Condition("better", version is not None, 0.0, 0.1, "accuracy changes by +0.2.")
    return NodeOutcome(model, "1", "run", (condition,), version)


class World:
    """What a pass finds and does.

    `labels` are times of labelled rounds, `outcomes` what a retraining comes to, or an error that it raises;
    `refusal` is what the service answers to a decision.
    """

    def __init__(self):
        self.views, self.comparisons, self.report, self.labels = [], {}, None, []
        self.outcomes, self.refusal, self.kept, self.steps = [], None, {}, []

    def can_fit(self, view):
        return view.node in {"knn", "svm"}

    # The service

    def models(self):
        return self.views

    def compare(self, name):
        found = self.comparisons[name]
        if isinstance(found, Exception):
            raise found
        return found

    def drift(self, task):
        if self.report is None:
            raise Refused("There is none.", status=404, code="unknown_profile")
        if isinstance(self.report, Exception):
            raise self.report
        return self.report

    def labelled(self, task, *, since=None):
        self.steps.append(f"count since {since}")
        return iter([time for time in self.labels if since is None or time >= since])

    def appoint(self, name, action, version=None, why="", expect=None):
        assert 0 < len(why) <= 200
        self.steps.append(f"{action} {name} {version} {expect['champion']} {expect['challenger']}")
        if self.refusal is not None:
            raise self.refusal

    # The registry's notes

    def read(self, model):
        return self.kept.get(model)

    def write(self, model, note):
        self.steps.append(f"note {model} {note.version}")
        self.kept[model] = note

    # Retraining

    def retrain(self, task, nodes):
        self.steps.append(f"retrain {task} {' '.join(nodes)}")
        if isinstance(self.outcomes, Exception):
            raise self.outcomes
        return Retraining(task, tuple(self.outcomes))

    def run(self):
        """One pass; model → its line."""
        limits = UpkeepLimits(
            retrain_labels=5, fresh_labels=10, pause_labels=3,
            probation_labels=60, probation_most=500, watch_labels=200,
        )  # fmt: skip
        self.steps.clear()
        upkeep_pass = UpkeepPass(self, self, self.retrain, limits, self.can_fit, clock=lambda: NOW)
        return {line.model: line for line in upkeep_pass.run(self.views)}
