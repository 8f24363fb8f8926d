"""Which models a pass can retrain: those of a task's file, and those that a benchmark found."""

from dataclasses import replace

import pytest

from concord.errors import TrainingError
from concord.settings import Settings
from tests.unit.training.upkeep.world import view
from training.commands import upkeep
from training.data.dataset import generate_rows
from training.data.split import split
from training.fitting.fit import fit
from training.registry.recording import record_fit
from training.registry.registry import Registry
from training.search.registration import with_recipe
from training.tasks.iris import TASK

RECIPE = {"algorithm": "knn", "columns": "scaled", "n_neighbors": 5, "p": 2, "seed": 1}


@pytest.fixture
def can_fit(own_home, monkeypatch):
    """Whether the command's own pass can retrain a model, with a registry of one winner and one stranger."""
    monkeypatch.setenv("CONCORD_HOME", str(own_home))
    data, strangers = generate_rows(TASK, 1), replace(TASK, nodes={"stranger": TASK.nodes["knn"]})
    for task, node in ((with_recipe(TASK, "knn_2", RECIPE), "knn_2"), (strangers, "stranger")):
        record_fit(Registry(own_home), fit(task, node, data, split(task, data, 1), 1))
    return upkeep._upkeep_pass(None, Settings.read(), print).can_fit


def test_what_a_benchmark_found_can_be_retrained_and_what_came_from_elsewhere_cannot(can_fit):
    assert [can_fit(view(node)) for node in ("knn", "knn_2", "stranger")] == [True, True, False]
    assert not can_fit(replace(view(), task="roses"))


def test_a_model_that_the_registry_does_not_know_is_an_error_of_ours(can_fit):
    with pytest.raises(TrainingError, match=r"iris\.nowhere: the registry sqlite:.* does not serve"):
        can_fit(view("nowhere"))
