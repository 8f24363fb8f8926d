"""The Open Inference Protocol says the same in its own words."""

import json

import pytest

from tests.service.stack import IRIS

INFER = "/v2/models/iris/infer"


def tensors(rows=1, **changes):
    """One tensor per feature; `changes` replace parts of the first."""
    tensors = [
        {"name": name, "shape": [rows], "datatype": "FP64", "data": [value] * rows}
        for name, value in IRIS.example.items()
    ]
    tensors[0] |= changes
    return {"inputs": tensors}


def test_it_answers_as_v1_does(module_stack):
    answer = module_stack.http.post(INFER, json=tensors(2) | {"id": "mine"}).json()
    outputs = {output["name"]: output for output in answer["outputs"]}
    verdicts = json.loads(answer["parameters"]["verdicts"])
    assert (answer["model_name"], answer["id"]) == ("iris", "mine")
    assert outputs["label"]["data"] == ["versicolor"] * 2
    assert outputs["probabilities"]["shape"] == [2, 3]
    assert outputs["probabilities"]["data"][:3] == [0.0, 0.5, 0.5]
    assert [verdict["status"] for verdict in verdicts] == outputs["status"]["data"] == ["ok", "ok"]


def test_only_the_outputs_asked_for_come(module_stack):
    body = tensors() | {"outputs": [{"name": "label"}]}
    answer = module_stack.http.post(INFER, json=body).json()
    assert [output["name"] for output in answer["outputs"]] == ["label"]


def test_metadata_and_health_are_as_the_protocol_says(module_stack):
    get = module_stack.http.get
    assert get("/v2").json()["name"] == "concord"
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    assert get("/v2/models/iris/ready").json() == {"name": "iris", "ready": True}
    inputs = get("/v2/models/iris").json()["inputs"]
    assert inputs[0] == {"name": "sepal_length", "datatype": "FP64", "shape": [-1]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": tensors()["inputs"][:3]}, "petal_width"),
        ({"inputs": tensors()["inputs"] * 2}, "inputs[4].name"),
        (tensors(name="colour"), "inputs[0].name"),
        (tensors(datatype="BYTES"), "inputs[0].datatype"),
        (tensors(datatype="INT64", data=[6.5]), "inputs[0].data"),
        (tensors(shape=[2]), "inputs[0].shape"),
        (tensors(shape="1"), "inputs[0].shape"),
        (tensors(data=6.0), "inputs[0].data"),
        (tensors(data=["6"]), "rows[0].sepal_length"),
        (tensors(data=[1e9]), "rows[0].sepal_length"),
        (tensors(shape=[2], data=[6.0, 6.0]), "inputs"),
        (tensors(parameters=[]), "inputs[0].parameters"),
        (tensors(extra=1), "inputs[0].extra"),
        (tensors() | {"id": 1}, "id"),
        (tensors() | {"outputs": [{"name": "nonsense"}]}, "outputs[0].name"),
        (tensors() | {"input": 1}, "input"),
    ],
)
def test_a_bad_tensor_is_named(module_stack, body, field):
    response = module_stack.http.post(INFER, json=body)
    error = response.json()
    assert (response.status_code, error["code"], error["field"]) == (422, "invalid_input", field)
    assert isinstance(error["error"], str)


def test_an_unknown_model_is_a_404_in_the_protocols_words(module_stack):
    response = module_stack.http.post("/v2/models/nonsense/infer", json=tensors())
    assert response.status_code == 404
    assert "no task" in response.json()["error"]


def test_without_quorum_it_is_a_503(start_stack):
    stack = start_stack(terms="deadline_ms = 300")
    for node in stack.nodes.values():
        node.fault = "error"
    response = stack.http.post(INFER, json=tensors())
    assert (response.status_code, response.json()["code"]) == (503, "no_quorum")
    assert json.loads(response.json()["parameters"]["verdicts"])[0]["votes"][0]["outcome"] == "unavailable"


def test_without_quorum_it_answers_as_the_task_is_configured(start_stack):
    stack = start_stack(terms='deadline_ms = 300\nbelow_quorum = "fallback"\nfallback = "setosa"')
    for node in stack.nodes.values():
        node.fault = "error"
    response = stack.http.post(INFER, json=tensors())
    outputs = {output["name"]: output["data"] for output in response.json()["outputs"]}
    assert (response.status_code, outputs["label"], outputs["status"]) == (200, ["setosa"], ["no_quorum"])
