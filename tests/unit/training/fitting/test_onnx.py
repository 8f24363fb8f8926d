"""What is registered answers like the pipeline that was fitted, or is not registered."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from concord.errors import TrainingError
from training.data.dataset import generate_rows
from training.data.split import split
from training.fitting.fit import fit, learn
from training.fitting.onnx import compare, convert, run


@pytest.fixture
def iris(task):
    return task("iris"), split(task("iris"), generate_rows(task("iris"), 42), 42)


def fitted(task, parts, model):
    learn(task, "node", model, parts)
    return model


def test_a_graph_that_differs_is_refused_with_the_step_and_the_remedy(iris):
    task, parts = iris
    strong = fitted(task, parts, make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=1000)))
    weak = fitted(task, parts, make_pipeline(StandardScaler(), LogisticRegression(C=9.5, max_iter=1000)))
    with pytest.raises(TrainingError, match=r"iris\.node: the step `compare` failed.*\bby 0\.0"):
        compare(task, "node", strong, convert(task, "node", weak), parts.test.rows, parts.test.answers)


def test_a_graph_that_answers_another_label_is_refused_though_the_numbers_are_close(iris, monkeypatch):
    task, parts = iris
    monkeypatch.setattr("training.fitting.onnx.vote", lambda *_: np.tile([0.5, 0.5 - 1e-9, 0], (30, 1)))
    monkeypatch.setattr("training.fitting.onnx.run", lambda *_: np.tile([0.5 - 1e-9, 0.5, 0], (30, 1)))
    with pytest.raises(TrainingError, match="in the label of 30 of 30 rows"):
        compare(task, "node", object(), b"", parts.test.rows, parts.test.answers)


def test_a_graph_that_answers_no_number_is_refused(iris, monkeypatch):
    task, parts = iris
    monkeypatch.setattr("training.fitting.onnx.vote", lambda *_: np.tile([1.0, 0, 0], (30, 1)))
    monkeypatch.setattr("training.fitting.onnx.run", lambda *_: np.full((30, 3), np.nan))
    with pytest.raises(TrainingError, match="differs"):
        compare(task, "node", object(), b"", parts.test.rows, parts.test.answers)


def test_a_step_without_a_converter_is_refused_with_the_remedy(iris):
    task, parts = iris
    model = fitted(
        task, parts, make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=1000))
    )
    with pytest.raises(TrainingError, match=r"iris.node: the step `convert` failed.*FunctionTransformer"):
        convert(task, "node", model)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("iris", HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=4)),
        ("loan_default", HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=4)),
        ("loan_amount", HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=4)),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_histogram_gradient_boosting_is_converted_and_answers_alike(task, name, model):
    each = task(name)
    parts = split(each, generate_rows(each, 0), 0)
    pipeline = fitted(each, parts, make_pipeline(model))
    data = convert(each, "node", pipeline)
    assert compare(each, "node", pipeline, data, parts.test.rows, parts.test.answers) < 1e-4


def test_an_error_with_all_numbers_of_a_model_is_told_in_two_lines(iris, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("Unable to create node 'TreeEnsemble' with attributes=" + "0.4974227, " * 70_000)

    monkeypatch.setattr("training.fitting.onnx.convert_sklearn", refuse)
    with pytest.raises(TrainingError, match="the step `convert` failed: Unable to create node") as caught:
        convert(iris[0], "node", LogisticRegression())
    assert len(caught.value.message) < 600
    assert "Use only scikit-learn estimators that skl2onnx supports" in caught.value.message


def test_a_graph_without_the_contracts_output_is_refused(iris):
    task, parts = iris
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["rows"], ["answers"])],
        "other",
        [onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, [None, 4])],
        [onnx.helper.make_tensor_value_info("answers", onnx.TensorProto.FLOAT, [None, 4])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    with pytest.raises(TrainingError, match="no output 'probabilities'"):
        run(task, model.SerializeToString(), parts.test.rows)


def test_settings_that_scikit_learn_refuses_name_the_node_and_the_step(iris):
    task, parts = iris
    with pytest.raises(TrainingError, match=r"iris\.node: the step `fit` failed"):
        learn(task, "node", make_pipeline(LogisticRegression(C=-1)), parts)


@pytest.mark.parametrize("name", ["iris", "loan_default", "film_rating", "loan_amount"])
def test_a_graph_keeps_the_contract_of_a_node(task, name):
    import onnxruntime

    each = task(name)
    data = generate_rows(each, 0)
    node = next(node for node in ("ridge", "logistic_regression") if node in each.nodes)
    session = onnxruntime.InferenceSession(fit(each, node, data, split(each, data, 0), 0).onnx)
    (given,) = session.get_inputs()
    answers = {output.name: output.shape for output in session.get_outputs()}
    assert (given.type, given.shape[1]) == ("tensor(float)", len(each.schema.features))
    assert answers["value" if each.schema.is_regression else "probabilities"][1] == each.schema.width


def test_a_value_below_the_floor_is_raised_to_it(task):
    each = replace(task("loan_amount"), floor=5000.0)
    data = generate_rows(each, 0)
    result = fit(each, "ridge", data, split(each, data, 0), 0)
    assert run(each, result.onnx, data.rows).min() == 5000.0


def test_a_choice_that_no_row_has_is_still_understood(task):
    each = task("loan_amount")
    data = generate_rows(each, 0)
    place = [feature.name for feature in each.schema.features].index("region")
    few = replace(
        data, rows=data.rows[data.rows[:, place] < 3], answers=data.answers[data.rows[:, place] < 3]
    )
    result = fit(each, "ridge", few, split(each, few, 0), 0)
    assert np.isfinite(run(each, result.onnx, data.rows)).all()


def test_nearest_neighbours_of_rows_that_repeat_others_answer_as_onnx_does(task):
    """`dup_labels.csv`: equal rows with other answers are equally far."""
    task = task("iris")
    data = generate_rows(task, 0)
    rows = np.repeat(data.rows[:60], 10, axis=0)
    answers = np.tile([0] + [1] * 5 + [2] * 4, 60)
    model = task.nodes["knn"]()
    model.fit(rows[:480], answers[:480])
    assert compare(task, "knn", model, convert(task, "knn", model), rows[480:], answers[480:]) < 1e-5
