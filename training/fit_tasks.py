"""Fits and registers the nodes of tasks: the work of `python -m training fit`.

A node that cannot be fitted, converted or registered stops no other; its error is in the result. Data that
cannot be read are an error before anything is fitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from concord.errors import DataError, TrainingError
from concord.types.nodes import NodeInfo
from training.data.dataset import Dataset
from training.data.sources import GENERATOR, read_rows
from training.data.split import Split, split
from training.fitting.fit import fit
from training.progress import ReportStep
from training.registry.recording import record_fit
from training.registry.registry import Registry
from training.task import Task


@dataclass(frozen=True)
class FitResult:
    """What became of one node.

    Attributes:
        model: Registered name.
        metric: The metric that counts for its task.
        metrics: All that was measured, empty on failure.
        info: As registered; None on failure.
        seconds: What the fit took.
        error: Why there is no model.
    """

    model: str
    metric: str
    metrics: Mapping[str, float]
    info: NodeInfo | None
    seconds: float
    error: TrainingError | None = None


def prepare(
    tasks: Sequence[Task], sources: Mapping[str, str], seed: int
) -> list[tuple[Task, Dataset, Split]]:
    """Reads and splits the data of every task, before anything is fitted.

    Args:
        tasks: What to fit.
        sources: Task → where its rows are, as `read_rows` takes it; of the others they are generated.
        seed: Of generators and splits.

    Raises:
        DataError: A source is given for a task that is not fitted, or cannot be learned from.
    """
    for name in sources:
        if name not in {task.name for task in tasks}:
            raise DataError(f"--data names the task {name!r}, which is not among those to fit.", field=name)
    prepared = []
    for task in tasks:
        data = read_rows(task, sources.get(task.name, f"{GENERATOR}:{seed}"))
        prepared.append((task, data, split(task, data, seed)))
    return prepared


def fit_all(
    prepared: Sequence[tuple[Task, Dataset, Split]],
    registry: Registry,
    seed: int,
    report_step: ReportStep,
) -> Iterator[FitResult]:
    """Fits and registers every node, one after the other.

    Args:
        prepared: What `prepare` returned.
        registry: Where models go.
        seed: The split's, for the record.
        report_step: Shows the name of each model before its work begins.
    """
    for task, data, parts in prepared:
        for node in task.nodes:
            report_step(f"{task.name}.{node}")
            yield _result(task, node, data, parts, registry, seed)


def _result(task: Task, node: str, data: Dataset, parts: Split, registry: Registry, seed: int) -> FitResult:
    model = f"{task.name}.{node}"
    try:
        fitted = fit(task, node, data, parts, seed)
        return FitResult(model, task.metric, fitted.metrics, record_fit(registry, fitted), fitted.seconds)
    except TrainingError as error:
        return FitResult(model, task.metric, {}, None, 0.0, error)
