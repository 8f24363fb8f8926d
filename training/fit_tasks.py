"""Fits and registers the nodes of tasks: the work of `python -m training fit`.

A node that cannot be fitted, converted or registered stops no other; its error is in the result. Data that
cannot be read are an error before anything is fitted. A node that is missing learns from the rows of its
siblings; generated rows take the place of real ones only where the user says so.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from concord.errors import ConcordError, DataError, TrainingError
from concord.types.nodes import NodeInfo
from training.data.dataset import Dataset
from training.data.provenance import JOIN, Provenance
from training.data.sources import GENERATOR, read_rows
from training.data.split import Split, split
from training.fitting.fit import fit
from training.progress import ReportStep
from training.registry.origins import FitOrigin, fit_origins
from training.registry.recording import record_fit
from training.registry.registry import Registry
from training.registry.versions import schema_text
from training.retraining.old_data import Sources, merge
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


@dataclass(frozen=True)
class FitPlan:
    """What is to be fitted of one task, and from which rows.

    Attributes:
        task: The task.
        nodes: Names of its nodes that are fitted.
        data: All rows that were read.
        parts: Which of them are learned from.
        seed: Of the split.
        origins: Where the rows came from, if they are read again for the siblings' sake.
        notes: Sentences for the user.
    """

    task: Task
    nodes: tuple[str, ...]
    data: Dataset
    parts: Split
    seed: int
    origins: tuple[Provenance, ...] = ()
    notes: tuple[str, ...] = ()


def prepare(
    tasks: Sequence[Task],
    sources: Mapping[str, str],
    seed: int,
    registry: Registry | None = None,
    *,
    only_missing: bool = False,
) -> list[FitPlan]:
    """Reads and splits the data of every task, before anything is fitted.

    Args:
        tasks: What to fit.
        sources: Task → where its rows are, as `read_rows` takes it.
        seed: Of generators and splits.
        registry: What is there already; None where there is nothing yet.
        only_missing: Leave out nodes that have a champion; the others learn from what their siblings did.

    Raises:
        TrainingError: A schema is larger than a registry keeps.
        DataError: A source is given for a task that is not fitted, or cannot be learned from; or none is
            given where real rows were learned from.
    """
    _check_named(tasks, sources)
    champions = registry.champions() if registry else {}
    plans = []
    for task in tasks:
        nodes = _nodes_to_fit(task, champions if only_missing else {})
        if nodes and task.name in sources:
            plans.append(_plan(task, nodes, read_rows(task, sources[task.name]), seed))
        elif nodes and only_missing and registry:
            plans.append(_plan_missing(task, nodes, registry, seed))
        elif nodes:
            refuse_silent_generator(task, registry)
            plans.append(_plan(task, nodes, read_rows(task, f"{GENERATOR}:{seed}"), seed))
    return plans


def _check_named(tasks: Sequence[Task], sources: Mapping[str, str]) -> None:
    for name in sources:
        if name not in {task.name for task in tasks}:
            raise DataError(f"--data names the task {name!r}, which is not among those to fit.", field=name)


def _nodes_to_fit(task: Task, champions: Container[str]) -> tuple[str, ...]:
    """The task's nodes but those that have a champion."""
    nodes = tuple(node for node in task.nodes if f"{task.name}.{node}" not in champions)
    if nodes:
        # A fit takes minutes, and what cannot be registered after it is refused before.
        schema_text(task.schema)
    return nodes


def refuse_silent_generator(task: Task, registry: Registry | None) -> None:
    """Refuses generated rows that nobody asked for, where the task's models learned from real ones.

    Raises:
        DataError: Names the source of then, and how to ask for either.
    """
    origins = fit_origins(registry, task.name, task.models) if registry else []
    if origins and not origins[0].is_generated:
        raise DataError(
            f"{origins[0].model} learned from {origins[0].text}, and no source is named now. Name one: "
            f"--data {task.name}=SOURCE for the same rows or others, --data {task.name}={GENERATOR} for "
            "generated ones.",
            field="--data",
        )


def _plan(task: Task, nodes: tuple[str, ...], data: Dataset, seed: int) -> FitPlan:
    return FitPlan(task, nodes, data, split(task, data, seed), seed)


def _plan_missing(task: Task, nodes: tuple[str, ...], registry: Registry, seed: int) -> FitPlan:
    """A plan for nodes without a champion: from the rows of their siblings, split as they were for them."""
    origins = fit_origins(registry, task.name, task.models)
    if not origins:
        return _plan(task, nodes, read_rows(task, f"{GENERATOR}:{seed}"), seed)
    if origins[0].is_generated:
        source = origins[0].text.partition(JOIN)[0]
        return _plan(task, nodes, read_rows(task, source), origins[0].seed)
    parts, origin, notes = _read_again(task, nodes, registry, origins)
    data = merge(parts)
    return FitPlan(
        task,
        nodes,
        data,
        split(task, data, origin.seed),
        origin.seed,
        tuple(Provenance.of(part, origin.seed) for part in parts),
        (f"{', '.join(nodes)} learns from what {origin.model} learned from: {origin.text}", *notes),
    )


def _read_again(
    task: Task, nodes: tuple[str, ...], registry: Registry, origins: Sequence[FitOrigin]
) -> tuple[list[Dataset], FitOrigin, list[str]]:
    """The rows of the newest sibling whose real sources still give them.

    Raises:
        DataError: No sibling's do.
    """
    rows = Sources(task, "", option=f"--data {task.name}=SOURCE")
    reason = f"{origins[0].model} learned from {origins[0].text}, and its run does not say more."
    for origin in [origin for origin in origins if not origin.is_generated]:
        try:
            read = [rows.again(origin.model, source) for source in registry.origins(origin.run_id)]
        except ConcordError as error:
            reason = error.message
            continue
        if read:
            return [data for data, _ in read], origin, [note for _, note in read if note]
    raise DataError(
        f"{task.name} has no champion for {', '.join(nodes)}. {reason} `concord up {task.name} --data "
        f"{task.name}=SOURCE` fits all of its nodes from the rows that you name.",
        field="--data",
    )


def fit_all(plans: Sequence[FitPlan], registry: Registry, report_step: ReportStep) -> Iterator[FitResult]:
    """Fits and registers every planned node, one after the other.

    Args:
        plans: What `prepare` returned.
        registry: Where models go.
        report_step: Shows the name of each model before its work begins.
    """
    for plan in plans:
        for node in plan.nodes:
            report_step(f"{plan.task.name}.{node}")
            yield _result(plan, node, registry)


def _result(plan: FitPlan, node: str, registry: Registry) -> FitResult:
    task = plan.task
    model = f"{task.name}.{node}"
    try:
        fitted = replace(fit(task, node, plan.data, plan.parts, plan.seed), origins=plan.origins)
        return FitResult(model, task.metric, fitted.metrics, record_fit(registry, fitted), fitted.seconds)
    except TrainingError as error:
        return FitResult(model, task.metric, {}, None, 0.0, error)
