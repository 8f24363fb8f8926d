"""`python -m training drift`: keeps a drift report in MLflow, with pictures."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO

import click

from concord.errors import ConcordError, DataError, InvalidInput, UnknownName
from concord.settings import Settings
from training.commands.console import SCREEN, TrainingCommand

if TYPE_CHECKING:
    from concord.tasks.schema import TaskSchema
    from concord.types.drift import DriftReport
    from training.drift_report.tracking import ReportRun

# Heavy modules are imported by the command that needs them; click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001

SECONDS = 300.0
"""How long the service may take over a report of a million rounds."""


@click.command("drift", cls=TrainingCommand)
@click.argument("task")
@click.option(
    "--from",
    "file",
    type=click.File("rb"),
    help="A report as `concord drift TASK --json` prints it; - reads it from standard input.",
)
@click.option("--source", default="live rounds", show_default=True, help="Where its rows are from.")
@click.option("--since", metavar="INSTANT", help="Without --from: only rounds since, as 2026-01-31T09:00Z.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), help="Without --from: the newest rounds.")
@click.option("--json", "as_json", is_flag=True, help="Print where it is as JSON.")
def drift_command(
    task: str,
    file: BinaryIO | None,
    source: str,
    since: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Keep a report on TASK's drift in MLflow: JSON, table, pictures and metrics in one run.

    Without --from the consensus service at CONCORD_URL is asked about its newest rounds. MLflow is at
    MLFLOW_TRACKING_URI, or below CONCORD_HOME (.concord).
    """
    from training.drift_report.tracking import log_report
    from training.registry.registry import Registry

    if file is not None and (since is not None or limit is not None):
        raise InvalidInput(
            "--since and --limit are about live rounds, not about a report of --from.", field="--from"
        )
    report = _live(task, since, limit) if file is None else _read(task, file.read())
    with SCREEN.status("Drawing"):
        run = log_report(report, _schema(task), source, Registry(Settings.read().home))
    click.echo(json.dumps(asdict(run)) if as_json else _run_text(run))


def _read(task: str, document: bytes) -> "DriftReport":
    from pydantic import TypeAdapter, ValidationError

    from concord.types.drift import DriftReport

    try:
        report = TypeAdapter(DriftReport).validate_json(document)
    except ValidationError as error:
        raise DataError(
            f"What --from names is no report as `concord drift {task} --json` prints it.", field="--from"
        ) from error
    if report.task != task:
        raise DataError(f"The report is of {report.task[:60]!r}, not of {task!r}.", field="--from")
    return report


def _live(task: str, since: str | None, limit: int | None) -> "DriftReport":
    from training.service import connect

    with connect(SECONDS) as client:
        return client.drift(task, since=since, limit=limit)


def _schema(task: str) -> "TaskSchema | None":
    """The task's schema, for units: as trained here, or as the service has it; pictures do without one."""
    from training.service import connect
    from training.tasks import select

    try:
        return select([task])[0].schema
    except UnknownName:
        pass
    try:
        with connect(SECONDS) as client:
            return client.schema(task)
    except ConcordError:
        return None


def _run_text(run: "ReportRun") -> str:
    address = run.url or run.page or run.registry
    return f"Run {run.run_id} of the experiment {run.experiment}\n{address}"
