"""Keeps a retraining in MLflow, as runs that a person can compare on its pages.

A run for the retraining, below it one for the champion and one for the challenger, both with the metric
names and pictures of a fit, measured on the same test rows. The first holds the decision: the gate's
conditions and the groups as tables, the candidates, the proof that no row is shared, and the drift.
Where a retraining breaks off, its run says so.
"""

import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from concord.errors import TrainingError
from training.fitting.evaluate import evaluate
from training.fitting.fit import Fitted
from training.fitting.plots import draw
from training.registry.champions import Champion
from training.registry.registry import Registry, stamp
from training.retraining.gate import Condition
from training.retraining.result import Measured, NodeOutcome
from training.task import Task

DECISION_TAG = "concord.gate"
"""`passed`, or `refused: ` and the names of the conditions that failed."""

VERSION_TAG = "concord.version"
"""Of the champion's run: its version; of the retraining's: the challenger's."""


@contextmanager
def begun(registry: Registry, model: str, version: str) -> Iterator[str]:
    """Opens the retraining's run and yields its id; what breaks off within leaves it as failed."""
    with registry.answering(model):
        tags = {
            MLFLOW_RUN_NAME: f"retrain_{stamp()}",
            "concord.retrain": model,
            "concord.champion": version,
        }
        run = str(registry.client.create_run(registry.experiment(model), tags=tags).info.run_id)
    try:
        yield run
    except BaseException:
        # Where the registry is what broke, it cannot be told.
        with suppress(TrainingError), registry.answering(model):
            registry.client.set_terminated(run, status="FAILED")
        raise


def champion(
    registry: Registry, parent: str, task: Task, model: str, served: Champion, measured: Measured
) -> None:
    """The champion on the test rows, as a run of its own."""
    tags = {
        MLFLOW_PARENT_RUN_ID: parent,
        MLFLOW_RUN_NAME: f"champion_{served.version}",
        VERSION_TAG: served.version,
    }
    test, votes = measured.isolated.test, measured.votes[0]
    with registry.answering(model):
        run = str(registry.client.create_run(registry.experiment(model), tags=tags).info.run_id)
        _metrics(registry, run, evaluate(task.schema, votes, test.answers))
        for name, figure in draw(task.schema, votes, test.answers, ()):
            registry.client.log_figure(run, figure, f"plots/{name}")
        registry.client.set_terminated(run)


def findings(
    registry: Registry,
    run: str,
    task: Task,
    measured: Measured,
    conditions: Sequence[Condition],
    fitted: Fitted,
) -> None:
    """Everything that the decision rests on."""
    client, judgement, isolated = registry.client, measured.judgement, measured.isolated
    sides = {"champion": judgement.champion.metrics, "challenger": judgement.challenger.metrics}
    flat = {f"{side}_{name}": value for side, metrics in sides.items() for name, value in metrics.items()}
    flat |= {f"challenger_mean_{name}": value for name, value in measured.mean.items()}
    flat |= {f"better_{end}": value for end, value in asdict(judgement.better).items()}
    chosen = measured.chosen
    params = {
        "old": measured.origins[0],
        "new": measured.origins[1],
        "basis": chosen.basis,
        "settings": json.dumps(dict(chosen.settings)),
        "test_rows": str(judgement.rows),
        "test_rows_by": isolated.by,
        "seed": str(fitted.seed),
        "seeds": str(len(measured.seeds)),
    }
    with registry.answering(fitted.model):
        _metrics(registry, run, flat)
        client.log_batch(run, params=[Param(name, value) for name, value in params.items()])
        _table(registry, run, [asdict(one) for one in conditions], "gate.json")
        _table(registry, run, _trials(measured), "candidates.json")
        if judgement.groups:
            _table(registry, run, _groups(measured), "groups.json")
        client.log_dict(run, isolated.proof, "proof.json")
        client.log_dict(run, asdict(measured.drift), "drift.json")
        for side, votes in zip(sides, measured.votes, strict=True):
            for name, figure in draw(task.schema, votes, isolated.test.answers, ()):
                client.log_figure(run, figure, f"plots/{side}_{name}")


def end(registry: Registry, run: str, outcome: NodeOutcome) -> None:
    """The decision, and the end of the run."""
    refused = ", ".join(condition.name for condition in outcome.refused_by)
    tags = {DECISION_TAG: f"refused: {refused}" if refused else "passed"}
    if outcome.version is not None:
        tags[VERSION_TAG] = outcome.version
    with registry.answering(outcome.model):
        registry.client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])
        registry.client.set_terminated(run)


def _metrics(registry: Registry, run: str, values: Mapping[str, float]) -> None:
    now = time.time_ns() // 1_000_000
    registry.client.log_batch(run, metrics=[Metric(name, value, now, 0) for name, value in values.items()])


def _trials(measured: Measured) -> list[dict[str, Any]]:
    return [
        {
            "basis": trial.basis,
            "settings": json.dumps(dict(trial.settings)),
            "mean": trial.mean,
            "spread": trial.spread,
            "repetitions": len(trial.scores),
            "chosen": trial is measured.chosen,
        }
        for trial in measured.trials
    ]


def _groups(measured: Measured) -> list[dict[str, Any]]:
    return [
        {"feature": group.feature, "choice": group.choice, "rows": group.rows, "true": group.true}
        | {f"champion_{name}": value for name, value in group.champion.metrics.items()}
        | {f"challenger_{name}": value for name, value in group.challenger.metrics.items()}
        | {"champion_said": group.champion.said, "challenger_said": group.challenger.said}
        | {
            "better_low": group.better.low if group.better else None,
            "better_high": group.better.high if group.better else None,
        }
        for group in measured.judgement.groups
    ]


def _table(registry: Registry, run: str, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    columns = {column: [row[column] for row in rows] for column in rows[0]}
    with warnings.catch_warnings():
        # MLflow 3 asks pandas 3 for columns in a way that pandas 4 will read otherwise.
        warnings.simplefilter("ignore")
        registry.client.log_table(run, columns, name)
