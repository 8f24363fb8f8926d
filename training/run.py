"""One `fit` from names to a table: reads each task's data, fits its nodes, registers them, reports.

A node that cannot be fitted, converted or registered stops neither its siblings nor the other
tasks; its error is in the result. Data that cannot be read stop their task before anything is
fitted. The module prints nothing: who runs it is told of each step by a callback.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from concord.errors import DataError, TrainingError
from concord.types.nodes import NodeInfo
from training.data.dataset import Dataset
from training.data.sources import GENERATOR, read_rows
from training.data.split import Split, split
from training.fitting.fit import Fitted, fit
from training.registry.registry import Registry
from training.task import Task


@dataclass(frozen=True)
class Result:
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
    """Reads and parts the data of every task, before anything is fitted.

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
    tell: Callable[[str], None],
) -> Iterator[Result]:
    """Fits and registers every node, one after the other.

    Args:
        prepared: What `prepare` returned.
        registry: Where models go.
        seed: The split's, for the record.
        tell: Hears the name of each model before its work begins.
    """
    for task, data, parts in prepared:
        for node in task.nodes:
            tell(f"{task.name}.{node}")
            yield _result(task, node, data, parts, registry, seed)


def _result(task: Task, node: str, data: Dataset, parts: Split, registry: Registry, seed: int) -> Result:
    model = f"{task.name}.{node}"
    try:
        fitted: Fitted = fit(task, node, data, parts, seed)
        return Result(model, task.metric, fitted.metrics, registry.record(fitted), fitted.seconds)
    except TrainingError as error:
        return Result(model, task.metric, {}, None, 0.0, error)
