"""`python -m training fit`: fits nodes and shows how good they are."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from concord.errors import InvalidInput
from concord.settings import Settings
from concord.util.numbers import format_metric
from concord.util.urls import masked
from training.commands.console import PROGRESS_COLUMNS, SCREEN, TrainingCommand, complain, make_table
from training.task import LOWER_IS_BETTER, SEED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.fit_tasks import FitPlan, FitResult
    from training.task import Task

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001

HEADINGS = {"version": "v", "precision": "prec.", "roc_auc": "AUC", "log_loss": "loss", "f1": "F1"}
"""Short names, so that a table fits 80 columns."""


@click.command("fit", cls=TrainingCommand)
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option(
    "--data",
    "files",
    multiple=True,
    metavar="TASK=SOURCE",
    help="Learn a task from your own rows: a CSV file, URL#table or journal. Repeatable.",
)
@click.option("--seed", default=SEED, show_default=True, help="Seed of generators and split.")
@click.option(
    "--missing",
    "only_missing",
    is_flag=True,
    help="Fit only nodes without a champion, on their siblings' rows.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def fit_command(
    tasks: tuple[str, ...], files: tuple[str, ...], seed: int, only_missing: bool, as_json: bool
) -> None:
    """Fit every node of the named tasks, or of all tasks, and register it as champion.

    Without --data the rows come from each task's own seeded generator, unless its models learned from
    rows of yours before. Models go to MLflow at MLFLOW_TRACKING_URI, or below CONCORD_HOME (.concord).
    """
    from training.tasks import select

    home, chosen = Settings.read().home, select(tasks)
    results = _fit(chosen, dict(_pair(file) for file in files), seed, home, only_missing=only_missing)
    if as_json:
        click.echo(json.dumps([_to_json(result) for result in results]))
    else:
        _show(results)
    failed = [result.error for result in results if result.error]
    for error in failed:
        complain(error)
    if failed:
        sys.exit(1)


def _fit(
    chosen: "Sequence[Task]", files: dict[str, str], seed: int, home: Path, *, only_missing: bool
) -> "list[FitResult]":
    with Progress(*PROGRESS_COLUMNS, console=SCREEN) as progress:
        bar = progress.add_task("Reading data", total=None)
        from training.fit_tasks import fit_all, prepare
        from training.registry.registry import Registry, has_registry

        # Bad data must not leave a registry behind that was not there.
        known = Registry(home) if has_registry(home) else None
        plans = prepare(chosen, files, seed, known, only_missing=only_missing)
        if not plans:
            return []
        for plan in plans:
            for line in (_rows(plan), *(Text(note) for note in plan.notes)):
                progress.console.print(line, highlight=False, soft_wrap=True)
        total = sum(len(plan.nodes) for plan in plans)
        progress.update(bar, description="Opening the registry", total=total)
        registry, results = known or Registry(home), []
        for result in fit_all(plans, registry, lambda name: progress.update(bar, description=name)):
            progress.advance(bar)
            results.append(result)
        progress.update(bar, description="Done")
    return results


def _rows(plan: "FitPlan") -> Text:
    data, parts = plan.data, plan.parts
    learned, held_out = len(parts.training.rows), len(parts.test.rows)
    notes = [f"{rows} without {column} dropped" for column, rows in data.dropped.items()]
    if parts.copies:
        notes.append(
            f"rows that repeat the features of another: {parts.copies}, and its answer too: "
            f"{parts.duplicates}; all are kept, and equal rows stay on one side of the split"
        )
    return Text(
        ", ".join(
            [f"{plan.task.name}: {learned} rows to learn and {held_out} held out ({data.name})", *notes]
        )
    )


def _pair(text: str) -> tuple[str, str]:
    task, sign, source = text.partition("=")
    if not sign or not source:
        raise InvalidInput(f"--data takes TASK=SOURCE, not {masked(text)!r}.", field="--data")
    return task, source


def _show(results: "Sequence[FitResult]") -> None:
    if not results:
        click.echo("Every node has a champion; nothing to fit.")
    for task in dict.fromkeys(result.model.split(".")[0] for result in results):
        own = [result for result in results if result.model.startswith(f"{task}.")]
        Console().print(_table(task, own))


def _table(title: str, results: "Sequence[FitResult]") -> Table:
    metric = results[0].metric
    columns = list(next((result.metrics for result in results if result.metrics), {}))
    headings = ["node", *(HEADINGS.get(column, column) for column in ["version", *columns, "fit s"])]
    table = make_table(f"{title}, by {metric} on held-out rows", headings, left=["node"])
    sign = -1 if metric in LOWER_IS_BETTER else 1
    for result in sorted(
        results, key=lambda result: sign * result.metrics.get(metric, float("-inf")), reverse=True
    ):
        cells = [format_metric(result.metrics[column]) for column in columns if result.metrics]
        table.add_row(
            result.model.split(".", 1)[1],
            result.info.version if result.info else "[red]failed[/]",
            *(cells or [""] * len(columns)),
            f"{result.seconds:.2f}",
        )
    return table


def _to_json(result: "FitResult") -> dict[str, Any]:
    return {
        "model": result.model,
        "version": result.info.version if result.info else None,
        "run_id": result.info.run_id if result.info else None,
        "digest": result.info.digest if result.info else None,
        "metrics": dict(result.metrics),
        "seconds": result.seconds,
        "error": result.error.message if result.error else None,
    }
