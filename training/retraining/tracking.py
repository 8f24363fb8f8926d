"""Keeps a retraining in MLflow, as runs that a person can compare on its pages.

A run for the retraining, below it one for the champion and one for the challenger, both with the metric
names and pictures of a fit, measured on the same test rows. The first holds the decision: the gate's
conditions and the groups as tables, the candidates, the proof that no row is shared, and the drift. A
retraining that breaks off leaves a failed run.
"""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from concord.errors import TrainingError
from training.data.split import LabelledRows
from training.fitting.evaluate import Votes, evaluate
from training.fitting.fit import Fitted
from training.fitting.plots import draw_fit
from training.registry.recording import time_stamp
from training.registry.registry import Champion, Registry
from training.retraining.gate import Condition
from training.retraining.result import NodeMeasurement, NodeOutcome
from training.task import Task

DECISION_TAG = "concord.gate"
"""`passed`, or `refused: ` and the names of the conditions that failed."""

VERSION_TAG = "concord.version"
"""Of the champion's run: its version; of the retraining's: the challenger's."""


@contextmanager
def open_run(registry: Registry, model: str, version: str) -> Iterator[str]:
    """Opens the retraining's run and yields its id; what breaks off within leaves it as failed."""
    tags = {
        MLFLOW_RUN_NAME: f"retrain_{time_stamp()}",
        "concord.retrain": model,
        "concord.champion": version,
    }
    with registry.translate_errors(model):
        run = registry.create_run(model, tags)
    try:
        yield run
    except BaseException:
        # Where the registry is what broke, it cannot note it.
        with suppress(TrainingError), registry.translate_errors(model):
            registry.client.set_terminated(run, status="FAILED")
        raise


def log_champion(
    registry: Registry, parent: str, task: Task, model: str, champion: Champion, measurement: NodeMeasurement
) -> None:
    """Keeps the champion on the test rows, as a run of its own."""
    tags = {
        MLFLOW_PARENT_RUN_ID: parent,
        MLFLOW_RUN_NAME: f"champion_{champion.version}",
        VERSION_TAG: champion.version,
    }
    test, votes = measurement.holdout.test, measurement.votes[0]
    with registry.translate_errors(model):
        run = registry.create_run(model, tags)
        registry.log(run, metrics=evaluate(task.schema, votes, test.answers))
        _log_figures(registry, run, task, votes, test)
        registry.client.set_terminated(run)


def log_findings(
    registry: Registry,
    run: str,
    task: Task,
    measurement: NodeMeasurement,
    conditions: Sequence[Condition],
    fitted: Fitted,
) -> None:
    """Keeps everything that the decision rests on."""
    client, test = registry.client, measurement.holdout.test
    with registry.translate_errors(fitted.model):
        registry.log(run, metrics=_metrics(measurement), params=_params(measurement, fitted.seed))
        _log_table(registry, run, [asdict(condition) for condition in conditions], "gate.json")
        _log_table(registry, run, _candidates(measurement), "candidates.json")
        if measurement.judgement.groups:
            _log_table(registry, run, _groups(measurement), "groups.json")
        client.log_dict(run, measurement.holdout.proof, "proof.json")
        client.log_dict(run, asdict(measurement.drift), "drift.json")
        for side, votes in zip(("champion", "challenger"), measurement.votes, strict=True):
            _log_figures(registry, run, task, votes, test, f"{side}_")


def close_run(registry: Registry, run: str, outcome: NodeOutcome) -> None:
    """Keeps the decision, and ends the run."""
    refused = ", ".join(condition.name for condition in outcome.refused_by)
    tags = {DECISION_TAG: f"refused: {refused}" if refused else "passed"}
    if outcome.version is not None:
        tags[VERSION_TAG] = outcome.version
    with registry.translate_errors(outcome.model):
        registry.log(run, tags=tags)
        registry.client.set_terminated(run)


def _log_figures(
    registry: Registry, run: str, task: Task, votes: Votes, test: LabelledRows, prefix: str = ""
) -> None:
    for name, figure in draw_fit(task.schema, votes, test.answers, ()):
        registry.client.log_figure(run, figure, f"plots/{prefix}{name}")


def _metrics(measurement: NodeMeasurement) -> dict[str, float]:
    judgement = measurement.judgement
    sides = {"champion": judgement.champion.metrics, "challenger": judgement.challenger.metrics}
    metrics = {f"{side}_{name}": value for side, own in sides.items() for name, value in own.items()}
    metrics |= {f"challenger_mean_{name}": value for name, value in measurement.mean.items()}
    return metrics | {f"better_{end}": value for end, value in asdict(judgement.better).items()}


def _params(measurement: NodeMeasurement, seed: int) -> dict[str, str]:
    return {
        "old": measurement.origins[0],
        "new": measurement.origins[1],
        "basis": measurement.chosen.basis,
        "settings": json.dumps(dict(measurement.chosen.settings)),
        "test_rows": str(measurement.judgement.rows),
        "test_rows_by": measurement.holdout.by,
        "seed": str(seed),
        "seeds": str(len(measurement.seeds)),
    }


def _candidates(measurement: NodeMeasurement) -> list[dict[str, Any]]:
    return [
        {
            "basis": candidate.basis,
            "settings": json.dumps(dict(candidate.settings)),
            "mean": candidate.mean,
            "spread": candidate.spread,
            "repetitions": len(candidate.scores),
            "chosen": candidate is measurement.chosen,
        }
        for candidate in measurement.candidates
    ]


def _groups(measurement: NodeMeasurement) -> list[dict[str, Any]]:
    return [
        {"feature": group.feature, "choice": group.choice, "rows": group.rows, "true": group.true}
        | {f"champion_{name}": value for name, value in group.champion.metrics.items()}
        | {f"challenger_{name}": value for name, value in group.challenger.metrics.items()}
        | {"champion_said": group.champion.said, "challenger_said": group.challenger.said}
        | {
            "better_low": group.better.low if group.better else None,
            "better_high": group.better.high if group.better else None,
        }
        for group in measurement.judgement.groups
    ]


def _log_table(registry: Registry, run: str, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    columns = {column: [row[column] for row in rows] for column in rows[0]}
    with warnings.catch_warnings():
        # MLflow 3 asks pandas 3 for columns in a way that pandas 4 will read otherwise.
        warnings.simplefilter("ignore")
        registry.client.log_table(run, columns, name)
