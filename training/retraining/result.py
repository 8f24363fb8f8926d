"""What a retraining came to, as values that can be shown, stored and sent on."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from concord.errors import TrainingError
from concord.types.drift import DriftReport
from training.fitting.evaluate import Votes
from training.retraining.evaluation import Judgement
from training.retraining.gate import Condition
from training.retraining.holdout import Isolated
from training.retraining.selection import Trial


@dataclass(frozen=True)
class Measured:
    """All that was found out of one node before the gate.

    Attributes:
        isolated: Which rows were learned from and which judged on.
        trials: The candidates on the validation rows.
        chosen: The one that was taken.
        seeds: The challenger's metrics on the test rows by seed; the first is the one that is registered.
        judgement: Champion and challenger on the test rows.
        votes: What the two answered there.
        drift: From the old data to the new.
        origins: Old and new sources, for people.
    """

    isolated: Isolated
    trials: tuple[Trial, ...]
    chosen: Trial
    seeds: Mapping[int, Mapping[str, float]]
    judgement: Judgement
    votes: tuple[Votes, Votes]
    drift: DriftReport
    origins: tuple[str, str]

    @property
    def mean(self) -> dict[str, float]:
        """The challenger's metrics as means over its seeds."""
        names = next(iter(self.seeds.values()))
        return {name: math.fsum(one[name] for one in self.seeds.values()) / len(self.seeds) for name in names}


@dataclass(frozen=True)
class NodeOutcome:
    """What became of one node.

    Attributes:
        model: Registered name.
        champion: Its champion's version.
        run_id: The run that all of it is kept in; empty where there is none.
        conditions: The gate's; empty after an error.
        version: The challenger's, if it was registered.
        measured: None if the schemas differ, or after an error.
        notes: What is to be told besides.
        error: What kept the node from being retrained.
    """

    model: str
    champion: str
    run_id: str = ""
    conditions: tuple[Condition, ...] = ()
    version: str | None = None
    measured: Measured | None = None
    notes: tuple[str, ...] = ()
    error: TrainingError | None = None

    @property
    def passed(self) -> bool:
        """Whether every condition is met."""
        return bool(self.conditions) and all(one.passed for one in self.conditions)

    @property
    def refused_by(self) -> tuple[Condition, ...]:
        """The conditions that failed."""
        return tuple(one for one in self.conditions if not one.passed)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        found = self.measured
        sides = found.judgement if found else None
        return {
            "model": self.model,
            "passed": self.passed,
            "version": self.version,
            "champion_version": self.champion,
            "run_id": self.run_id,
            "conditions": [_plain(asdict(one)) for one in self.conditions],
            "champion": _plain(sides.champion.metrics) if sides else {},
            "challenger": _plain(sides.challenger.metrics) if sides else {},
            "notes": list(self.notes),
            "error": self.error.message if self.error else None,
        } | (_of_measured(found) if found else {})


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


def _of_measured(found: Measured) -> dict[str, Any]:
    judgement = found.judgement
    return {
        "test_rows": judgement.rows,
        "test_by": found.isolated.by,
        "proof": found.isolated.proof,
        "chosen": {"basis": found.chosen.basis, "settings": dict(found.chosen.settings)},
        "seeds": {str(seed): _plain(metrics) for seed, metrics in found.seeds.items()},
        "challenger_mean": _plain(found.mean),
        "better": {"metric": judgement.metric} | _plain(asdict(judgement.better)),
        "groups": [_plain(asdict(group)) for group in judgement.groups],
        "drift": {
            "status": found.drift.status,
            "drifted": [
                one.name
                for one in [*found.drift.features, *([found.drift.target] if found.drift.target else [])]
                if one.status == "drifted"
            ],
        },
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no NaN: what is not defined of these rows is null."""
    return {
        name: _plain(value)
        if isinstance(value, Mapping)
        else None
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for name, value in values.items()
    }
