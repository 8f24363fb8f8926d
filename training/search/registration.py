"""Registers winners as nodes, like every other fit: fit, judge on held-out rows, convert, compare.

A node is called after its algorithm: `film_rating.extra_trees`; a second winner of the same algorithm is
`extra_trees_2`. Where the task's file has a node of that name, which is of the same algorithm then, the
winner is a new version of it and not a twin beside it: `concord models rollback` returns to the one before.
The version carries its settings (`concord.recipe`), so that it can be fitted again on other rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from concord.errors import TrainingError
from concord.types.nodes import NodeInfo
from training.data.dataset import Dataset
from training.data.split import Split
from training.fitting.evaluate import Votes
from training.fitting.fit import Fitted, fit
from training.registry.recording import record_fit
from training.registry.registry import Registry
from training.search.leaderboard import LeaderboardRow
from training.search.pipelines import build
from training.search.settings import SearchSettings
from training.search.winners import Winner, choose
from training.task import Task


@dataclass(frozen=True)
class RegisteredWinner:
    """A winner that was registered.

    Attributes:
        winner: Why it was chosen.
        fitted: As fitted on all training rows and judged on the held-out ones.
        info: As registered.
    """

    winner: Winner
    fitted: Fitted
    info: NodeInfo


def register_winners(
    task: Task,
    data: Dataset,
    parts: Split,
    rows: Sequence[LeaderboardRow],
    votes: Callable[[LeaderboardRow], Votes],
    registry: Registry,
    seed: int,
    count: int,
) -> list[RegisteredWinner]:
    """Chooses and registers winners.

    A winner that can't be fitted on all training rows, or whose ONNX differs then, is passed over.
    """
    failed: set[int] = set()
    while True:
        left = [row for row in rows if row.number not in failed]
        winners = choose(left, votes, task.schema, parts.training.answers, count)
        fitted: list[Fitted] = []
        for name, winner in zip(name_nodes(task, winners), winners, strict=True):
            try:
                fitted.append(_fitted(task, name, winner.row.settings, data, parts, seed))
            except TrainingError:
                failed.add(winner.row.number)
        if len(fitted) == len(winners):
            break
    return [
        RegisteredWinner(winner, fit_, record_fit(registry, fit_))
        for winner, fit_ in zip(winners, fitted, strict=True)
    ]


def name_nodes(task: Task, winners: Sequence[Winner]) -> list[str]:
    """Each winner's node, by its algorithm and its place among winners of that."""
    nodes: list[str] = []
    for winner in winners:
        name, number = winner.row.algorithm, 1
        while name in nodes or (number > 1 and name in task.nodes):
            number += 1
            name = f"{winner.row.algorithm}_{number}"
        nodes.append(name)
    return nodes


def with_winners(task: Task, registry: Registry) -> Task:
    """The task with the nodes that a benchmark found, beside those of its file or in their place."""
    for model in registry.champions():
        recipe = registry.recipe(model) if model.startswith(f"{task.name}.") else None
        if recipe is not None:
            task = with_recipe(task, model.removeprefix(f"{task.name}."), recipe)
    return task


def with_recipe(task: Task, node: str, recipe: SearchSettings) -> Task:
    """The task with a node that is built from its recipe, which holds its seed."""
    return replace(
        task,
        nodes={**task.nodes, node: lambda: build(task, recipe, int(recipe["seed"] or 0))},
        # What the file says of its own node's settings is about another pipeline.
        settings={name: own for name, own in task.settings.items() if name != node},
        recipes={**task.recipes, node: recipe},
    )


def _fitted(task: Task, node: str, recipe: SearchSettings, data: Dataset, parts: Split, seed: int) -> Fitted:
    return fit(with_recipe(task, node, {**recipe, "seed": seed}), node, data, parts, seed)
