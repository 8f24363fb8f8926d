"""Keeps a drift report in MLflow: one run in the experiment `<task>.drift`, so that runs can be compared.

The run has the report's JSON, its table, a page with all pictures, each picture, the index of each column
as a metric, and tags that say which profile and versions it is about. It compares nothing itself.
"""

import io
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from urllib.parse import unquote, urlsplit

from matplotlib.figure import Figure
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from concord.errors import TrainingError
from concord.tasks.schema import TaskSchema
from concord.types.drift import DriftReport
from concord.util.urls import masked
from training.drift_report.html import to_csv, to_html
from training.drift_report.plots import draw_report
from training.registry.registry import Registry
from training.registry.versions import first_line

PAGE = "report.html"

_FORBIDDEN = re.compile(r"[^\w.\- :/]")
"""Characters that MLflow refuses in a metric's name."""


@dataclass(frozen=True)
class ReportRun:
    """The MLflow run that keeps a report.

    Attributes:
        experiment: Name of the experiment.
        experiment_id: Its id.
        run_id: The run.
        url: The run's page on an MLflow server; None where the registry is a file.
        page: The report's own page as a file; None where artifacts are on a server.
        registry: The registry's address, without a password.
    """

    experiment: str
    experiment_id: str
    run_id: str
    url: str | None
    page: str | None
    registry: str


def log_report(report: DriftReport, schema: TaskSchema | None, source: str, registry: Registry) -> ReportRun:
    """Makes the run and everything in it.

    Args:
        report: The report.
        schema: The task, for units; None where it is not known.
        source: Where the rows are from, for people: `live rounds` or a file's name.
        registry: Where it goes.

    Raises:
        TrainingError: MLflow refused or cannot be reached.
    """
    try:
        run = _create_run(report, schema, source, registry)
    except (MlflowException, OSError) as error:
        raise TrainingError(
            f"The report on {report.task} could not be kept: {first_line(error)} "
            f"Check MLFLOW_TRACKING_URI ({masked(registry.uri)})."
        ) from error
    address, info = masked(registry.uri), run.info
    is_server = registry.uri.startswith(("http://", "https://"))
    return ReportRun(
        experiment=f"{report.task}.drift",
        experiment_id=info.experiment_id,
        run_id=info.run_id,
        url=f"{address.rstrip('/')}{run_page(info.experiment_id, info.run_id)}" if is_server else None,
        page=_local_page(str(info.artifact_uri)),
        registry=address,
    )


def run_page(experiment: str, run_id: str) -> str:
    """The path of a run's page on an MLflow server."""
    return f"/#/experiments/{experiment}/runs/{run_id}"


def _create_run(report: DriftReport, schema: TaskSchema | None, source: str, registry: Registry) -> Run:
    experiment = registry.experiment(f"{report.task}.drift")
    run = registry.client.create_run(experiment, run_name=f"{report.status} {_stamp(report)}")
    run_id = str(run.info.run_id)
    try:
        _fill(registry, run_id, report, schema, source)
    except BaseException:
        registry.client.set_terminated(run_id, "FAILED")
        raise
    registry.client.set_terminated(run_id)
    return run


def _fill(
    registry: Registry, run_id: str, report: DriftReport, schema: TaskSchema | None, source: str
) -> None:
    client = registry.client
    registry.log(run_id, metrics=metrics_of(report), tags=_tags(report, source))
    client.log_dict(run_id, asdict(report), "drift.json")
    client.log_text(run_id, to_csv(report), "drift.csv")
    pictures = []
    for file, caption, figure in draw_report(report, schema):
        client.log_figure(run_id, figure, f"plots/{file}", save_kwargs={"dpi": figure.dpi})
        pictures.append((caption, _png(figure)))
    client.log_text(run_id, to_html(report, source, pictures), PAGE)


def metrics_of(report: DriftReport) -> dict[str, float]:
    """Metric → value: `psi.<column>`, `psi.answers.<node>`, how many have drifted, and the errors."""
    differences = [(column.name, column) for column in report.features]
    differences += [(report.target.name, report.target)] if report.target else []
    differences += [(f"answers.{answers.node}", answers.difference) for answers in report.answers]
    metrics: dict[str, float] = {"rows": report.rows}
    for name, difference in differences:
        if difference.psi is not None:
            metrics[f"psi.{_FORBIDDEN.sub('_', name)}"[:250]] = difference.psi
    metrics["drifted"] = sum(difference.status == "drifted" for _, difference in differences)
    return metrics | dict(_errors(report))


def _errors(report: DriftReport) -> Iterator[tuple[str, float]]:
    if report.errors is None:
        return
    yield "labelled", report.errors.labelled
    if report.errors.error is not None:
        yield "error", report.errors.error
        yield "errors_grown", float(report.errors.status == "drifted")
    if report.errors.error_before is not None:
        yield "error_before", report.errors.error_before


def _tags(report: DriftReport, source: str) -> dict[str, str]:
    versions = ", ".join(f"{answers.node} {answers.version}" for answers in report.answers)
    tags = {
        "concord.task": report.task,
        "concord.drift": report.status,
        "concord.profile": report.profile,
        "concord.profile.nodes": ", ".join(report.profile_nodes),
        "concord.versions": versions,
        "concord.source": source,
        "concord.since": report.since or "",
        "concord.until": report.until or "",
    }
    return {name: text for name, text in tags.items() if text}


def _stamp(report: DriftReport) -> str:
    return (report.until or time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()))[:19]


def _png(figure: Figure) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=figure.dpi)
    return image.getvalue()


def _local_page(artifacts: str) -> str | None:
    address = urlsplit(artifacts)
    return f"{unquote(address.path)}/{PAGE}" if address.scheme in {"file", ""} else None
