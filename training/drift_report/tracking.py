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
from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException

from concord.errors import TrainingError
from concord.tasks.schema import TaskSchema
from concord.types.drift import DriftReport
from concord.util.urls import masked
from training.drift_report.html import to_csv, to_html
from training.drift_report.plots import draw
from training.registry.registry import Registry
from training.registry.versions import first_line

PAGE = "report.html"

_REFUSED = re.compile(r"[^\w.\- :/]")
"""What MLflow takes in no metric's name."""


@dataclass(frozen=True)
class Kept:
    """Where a report is.

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


def keep(report: DriftReport, schema: TaskSchema | None, source: str, registry: Registry) -> Kept:
    """Makes the run and everything in it.

    Args:
        report: What was seen.
        schema: The task, for units; None where it is not known.
        source: Where the rows are from, for people: `live rounds` or a file's name.
        registry: Where it goes.

    Raises:
        TrainingError: MLflow refused or cannot be reached.
    """
    name = f"{report.task}.drift"
    try:
        experiment = registry.experiment(name)
        run = registry.client.create_run(experiment, run_name=f"{report.status} {_stamp(report)}")
        run_id = str(run.info.run_id)
        try:
            _fill(registry, run_id, report, schema, source)
        except BaseException:
            registry.client.set_terminated(run_id, "FAILED")
            raise
        registry.client.set_terminated(run_id)
    except (MlflowException, OSError) as error:
        raise TrainingError(
            f"The report on {report.task} could not be kept: {first_line(error)} "
            f"Check MLFLOW_TRACKING_URI ({masked(registry.uri)})."
        ) from error
    where = masked(registry.uri)
    served = registry.uri.startswith(("http://", "https://"))
    return Kept(
        experiment=name,
        experiment_id=experiment,
        run_id=run_id,
        url=f"{where.rstrip('/')}{page_of(experiment, run_id)}" if served else None,
        page=_file(str(run.info.artifact_uri)),
        registry=where,
    )


def page_of(experiment: str, run_id: str) -> str:
    """Where a run is on an MLflow server's page."""
    return f"/#/experiments/{experiment}/runs/{run_id}"


def _fill(
    registry: Registry, run_id: str, report: DriftReport, schema: TaskSchema | None, source: str
) -> None:
    client, now = registry.client, time.time_ns() // 1_000_000
    metrics = [Metric(metric, value, now, 0) for metric, value in metrics_of(report).items()]
    for start in range(0, len(metrics), 1000):  # as many as MLflow takes in one call
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
    client.log_batch(run_id, tags=[RunTag(tag, text) for tag, text in _tags(report, source).items()])
    client.log_dict(run_id, asdict(report), "drift.json")
    client.log_text(run_id, to_csv(report), "drift.csv")
    pictures = []
    for file, what, figure in draw(report, schema):
        client.log_figure(run_id, figure, f"plots/{file}", save_kwargs={"dpi": figure.dpi})
        pictures.append((what, _png(figure)))
    client.log_text(run_id, to_html(report, source, pictures), PAGE)


def metrics_of(report: DriftReport) -> dict[str, float]:
    """Metric → value: `psi.<column>`, `psi.answers.<node>`, how many have drifted, and the errors."""
    found: dict[str, float] = {"rows": report.rows}
    named = [(one.name, one) for one in report.features]
    named += [(report.target.name, report.target)] if report.target else []
    named += [(f"answers.{said.node}", said.difference) for said in report.answers]
    for name, one in named:
        if one.psi is not None:
            found[f"psi.{_REFUSED.sub('_', name)}"[:250]] = one.psi
    found["drifted"] = sum(one.status == "drifted" for _, one in named)
    return found | dict(_errors(report))


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
    versions = ", ".join(f"{said.node} {said.version}" for said in report.answers)
    told = {
        "concord.task": report.task,
        "concord.drift": report.status,
        "concord.profile": report.profile,
        "concord.profile.nodes": ", ".join(report.profile_nodes),
        "concord.versions": versions,
        "concord.source": source,
        "concord.since": report.since or "",
        "concord.until": report.until or "",
    }
    return {name: text[:5000] for name, text in told.items() if text}


def _stamp(report: DriftReport) -> str:
    return (report.until or time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()))[:19]


def _png(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=figure.dpi)
    return written.getvalue()


def _file(artifacts: str) -> str | None:
    split = urlsplit(artifacts)
    return f"{unquote(split.path)}/{PAGE}" if split.scheme in {"file", ""} else None
