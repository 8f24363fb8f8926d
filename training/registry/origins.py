"""What a task's registered models learned from, as their runs state it.

A node that joins the others later must learn from the same rows, and generated rows must not take the place
of real ones. Where no model of a task is left, the runs of its nodes still tell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from training.data.provenance import JOIN, SEED_TAG, SOURCE_TAG
from training.data.sources import is_generator
from training.registry.registry import Registry
from training.task import SEED

MOST_RUNS: Final = 50
"""Runs that are looked at where no champion is left, the newest ones."""


@dataclass(frozen=True)
class FitOrigin:
    """What one model learned from.

    Attributes:
        model: Registered name.
        run_id: The run that made it.
        text: Its sources, for people.
        seed: Of its split.
        time: When the run began, in ms since the epoch.
    """

    model: str
    run_id: str
    text: str
    seed: int
    time: int

    @property
    def is_generated(self) -> bool:
        """Whether all of its rows came from generators."""
        return all(is_generator(source) for source in self.text.split(JOIN))


def fit_origins(registry: Registry, task: str, models: Iterable[str]) -> list[FitOrigin]:
    """What the task's champions learned from, or its newest runs where it has none.

    Real rows come before generated ones, newer runs before older ones.

    Args:
        registry: Where they are.
        task: The task's name.
        models: Registered names of its nodes, whose runs are looked at.

    Raises:
        TrainingError: MLflow refused or cannot be reached.
    """
    with registry.translate_errors(task):
        own = {
            name: champion.run_id
            for name, champion in registry.champions().items()
            if name.partition(".")[0] == task and champion.run_id
        }
        found = [_origin(model, run) for model, run_id in own.items() if (run := _run(registry, run_id))]
        origins = [origin for origin in found if origin] or _of_runs(registry, sorted(models))
    return sorted(origins, key=lambda origin: (origin.is_generated, -origin.time))


def _run(registry: Registry, run_id: str) -> Run | None:
    try:
        return registry.client.get_run(run_id)
    except MlflowException as error:
        # A run can be deleted for good, and its model lives on.
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _of_runs(registry: Registry, models: Sequence[str]) -> list[FitOrigin]:
    experiments = [registry.client.get_experiment_by_name(model) for model in models]
    names = {experiment.experiment_id: experiment.name for experiment in experiments if experiment}
    if not names:
        return []
    order = ["attributes.start_time DESC"]
    runs = registry.client.search_runs([*names], order_by=order, max_results=MOST_RUNS)
    found = [_origin(names[run.info.experiment_id], run) for run in runs]
    return [origin for origin in found if origin]


def _origin(model: str, run: Run) -> FitOrigin | None:
    """Of a run that states its sources; before they were tags, its parameter `data` named them."""
    text = run.data.tags.get(SOURCE_TAG) or run.data.params.get("data")
    if not text:
        return None
    seed = run.data.tags.get(SEED_TAG) or run.data.params.get("seed") or SEED
    return FitOrigin(model, run.info.run_id, text, int(seed), run.info.start_time)
