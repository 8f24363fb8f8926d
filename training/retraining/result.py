"""What a retraining came to, as values that can be shown, stored and sent on."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from concord.errors import ServiceAway, TrainingError
from concord.types.drift import DriftReport
from training.fitting.evaluate import Votes
from training.retraining.evaluation import Judgement
from training.retraining.gate import Condition
from training.retraining.holdout import HoldoutSplit
from training.retraining.selection import Candidate


@dataclass(frozen=True)
class NodeMeasurement:
    """All that was measured of one node before the gate.

    Attributes:
        holdout: Which rows were learned from and which judged on.
        candidates: The candidates on the validation rows.
        chosen: The one that was taken.
        seeds: The challenger's metrics on the test rows by seed; the first is the one that is registered.
        judgement: Champion and challenger on the test rows.
        votes: What the two answered there.
        drift: From the old data to the new.
        origins: Old and new sources, for people.
    """

    holdout: HoldoutSplit
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    seeds: Mapping[int, Mapping[str, float]]
    judgement: Judgement
    votes: tuple[Votes, Votes]
    drift: DriftReport
    origins: tuple[str, str]

    @property
    def mean(self) -> dict[str, float]:
        """The challenger's metrics as means over its seeds."""
        names, runs = next(iter(self.seeds.values())), self.seeds.values()
        return {name: math.fsum(metrics[name] for metrics in runs) / len(runs) for name in names}


@dataclass(frozen=True)
class NodeOutcome:
    """What became of one node.

    Attributes:
        model: Registered name.
        champion: Its champion's version.
        run_id: The run that all of it is kept in; empty where there is none.
        conditions: The gate's; empty after an error.
        version: The challenger's, if it was registered.
        measurement: None if the schemas differ, or after an error.
        notes: Further sentences for the user.
        error: What kept the node from being retrained.
    """

    model: str
    champion: str
    run_id: str = ""
    conditions: tuple[Condition, ...] = ()
    version: str | None = None
    measurement: NodeMeasurement | None = None
    notes: tuple[str, ...] = ()
    error: TrainingError | ServiceAway | None = None

    @property
    def passed(self) -> bool:
        """Whether every condition is met."""
        return bool(self.conditions) and all(condition.passed for condition in self.conditions)

    @property
    def refused_by(self) -> tuple[Condition, ...]:
        """The conditions that failed."""
        return tuple(condition for condition in self.conditions if not condition.passed)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        judgement = self.measurement.judgement if self.measurement else None
        return {
            "model": self.model,
            "passed": self.passed,
            "version": self.version,
            "champion_version": self.champion,
            "run_id": self.run_id,
            "conditions": [_without_nan(asdict(condition)) for condition in self.conditions],
            "champion": _without_nan(judgement.champion.metrics) if judgement else {},
            "challenger": _without_nan(judgement.challenger.metrics) if judgement else {},
            "notes": list(self.notes),
            "error": self.error.message if self.error else None,
        } | (_measurement_to_json(self.measurement) if self.measurement else {})


@dataclass(frozen=True)
class Retraining:
    """What became of a task's nodes."""

    task: str
    nodes: tuple[NodeOutcome, ...]

    @property
    def passed(self) -> bool:
        """Whether at least one node has a challenger."""
        return any(node.passed for node in self.nodes)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"task": self.task, "passed": self.passed, "nodes": [node.to_json() for node in self.nodes]}


def _measurement_to_json(measurement: NodeMeasurement) -> dict[str, Any]:
    judgement, drift = measurement.judgement, measurement.drift
    columns = [*drift.features, *([drift.target] if drift.target else [])]
    return {
        "test_rows": judgement.rows,
        "test_by": measurement.holdout.by,
        "proof": measurement.holdout.proof,
        "chosen": {"basis": measurement.chosen.basis, "settings": dict(measurement.chosen.settings)},
        "seeds": {str(seed): _without_nan(metrics) for seed, metrics in measurement.seeds.items()},
        "challenger_mean": _without_nan(measurement.mean),
        "better": {"metric": judgement.metric} | _without_nan(asdict(judgement.better)),
        "groups": [_without_nan(asdict(group)) for group in judgement.groups],
        "drift": {
            "status": drift.status,
            "drifted": [column.name for column in columns if column.status == "drifted"],
        },
    }


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN: what is not defined of these rows is null."""
    return {
        name: _without_nan(value)
        if isinstance(value, Mapping)
        else None
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for name, value in values.items()
    }
