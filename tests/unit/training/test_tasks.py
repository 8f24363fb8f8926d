"""Every task states a schema that others can use, and makes rows that pass its own checks."""

import json
from dataclasses import replace

import numpy as np
import pytest

from concord.errors import ConfigurationError, UnknownName
from concord.tasks.schema import TaskSchema
from tests.homes import SHIPPED
from training.data.dataset import generate_rows
from training.data.split import split
from training.fitting.fit import fit
from training.fitting.onnx import run
from training.registry.versions import schema_text
from training.task import SEED, Rule, Task
from training.tasks import discover, select
from training.tasks.iris import WORKSHOP_ROW

TASKS = discover()
NODES = {
    "iris": ["logistic_regression", "decision_tree", "knn", "random_forest", "svm"],
    "loan_default": ["decision_tree", "logistic_regression", "random_forest"],
    "film_rating": ["logistic_regression", "knn", "svm", "random_forest", "gradient_boosting"],
    "loan_amount": ["neural_network", "gradient_boosting", "ridge"],
}

every_task = pytest.mark.parametrize("each", TASKS.values(), ids=TASKS.keys())
every_generator = pytest.mark.parametrize(
    "each", [task for task in TASKS.values() if task.generate], ids=lambda task: task.name
)
"""Tasks that a user has added are tested too, where a task of any kind must pass."""


def test_the_four_tasks_are_there_with_their_sixteen_nodes():
    assert {name: list(TASKS[name].nodes) for name in NODES} == NODES


@every_generator
def test_a_generator_repeats_itself_with_its_seed(each: Task):
    assert generate_rows(each, 1).digest == generate_rows(each, 1).digest


@pytest.mark.parametrize("name", ["loan_default", "film_rating", "loan_amount"])
def test_another_seed_makes_other_rows(name):
    assert generate_rows(TASKS[name], 1).digest != generate_rows(TASKS[name], 2).digest


@pytest.mark.parametrize("name", SHIPPED)
def test_a_generator_makes_rows_that_none_is_dropped_of(name):
    each = TASKS[name]
    data = generate_rows(each, 7)
    assert not data.dropped
    assert split(each, data, 7).training.rows.dtype == np.float32


@every_task
def test_the_example_is_a_row_that_nodes_can_answer(each: Task):
    assert each.schema.read_rows([each.schema.example]).shape == (1, len(each.schema.features))


@every_task
def test_a_schema_travels_as_json(each: Task):
    assert TaskSchema.from_json(json.loads(json.dumps(each.schema.to_json()))) == each.schema


@every_task
def test_a_schema_fits_into_a_tag_of_any_of_mlflows_databases(each: Task):
    assert TaskSchema.from_json(json.loads(schema_text(each.schema))) == each.schema


@pytest.mark.parametrize("seed", [SEED, 0, 3])
def test_the_iris_nodes_answer_the_workshops_row_as_in_the_workshop(seed):
    task = TASKS["iris"]
    data = generate_rows(task, seed)
    parts = split(task, data, seed)
    row = np.array([WORKSHOP_ROW], dtype=np.float32)
    nodes = ("logistic_regression", "decision_tree", "knn", "random_forest")
    said = [int(run(task, fit(task, node, data, parts, seed).onnx, row).argmax()) for node in nodes]
    assert said == [2, 1, 2, 1]


def test_loan_default_says_the_sentences_of_the_bank():
    assert [(label.name, label.sentence) for label in TASKS["loan_default"].schema.labels] == [
        ("no_default", "No risk of default detected"),
        ("default", "High risk of default"),
    ]


def test_a_task_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(UnknownName, match=f"There is no task 'iriss'; there are {', '.join(sorted(TASKS))}"):
        select(["iriss"])


def test_no_name_means_all_tasks():
    assert [task.name for task in select([])] == sorted(TASKS)


def test_a_node_is_called_as_the_chart_may_call_it():
    iris = TASKS["iris"]
    with pytest.raises(ConfigurationError, match="'random_forest_2' would do"):
        replace(iris, nodes={**iris.nodes, "Random forest 2": iris.nodes["knn"]})


def test_a_rule_for_something_that_is_no_feature_is_refused():
    with pytest.raises(ConfigurationError, match="'colour', which is no feature"):
        replace(TASKS["iris"], rules={"colour": Rule()})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("TASK = 3", "no training.task.Task"),
        ("x = 1", "has no attribute 'TASK'"),
    ],
)
def test_a_broken_task_file_is_an_error_that_names_it(tmp_path, monkeypatch, text, message):
    import training.tasks

    name = f"broken_{abs(hash(text))}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(training.tasks, "__path__", [*training.tasks.__path__, str(tmp_path)])
    with pytest.raises(ConfigurationError, match=f"{name}.py.*{message}"):
        discover()
