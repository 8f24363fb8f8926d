"""The Open Inference Protocol says the same in its own words."""

import gzip
import json
import struct
import zlib

import numpy as np
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
    assert inputs[0] == {
        "name": "sepal_length",
        "datatype": "FP64",
        "shape": [-1],
        "parameters": {"content_type": "np"},
    }


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
        (tensors(shape=[1, 2]), "inputs[0].shape"),
        (tensors(shape=[1, 1, 1]), "inputs[0].shape"),
        (tensors(shape=[1, 1], data=[[6.0, 6.0]]), "inputs[0].data"),
        (tensors(shape=[1, 1], data=[[[6.0]]]), "rows[0].sepal_length"),
        (tensors(datatype="INT8", data=[128]), "inputs[0].data"),
        (tensors(datatype="BOOL", data=[1]), "inputs[0].data"),
        (tensors(data=None), "inputs[0].data"),
        (tensors(data=None, parameters={"binary_data_size": 8}), "inputs[0].parameters.binary_data_size"),
        (tensors() | {"id": 1}, "id"),
        (tensors() | {"outputs": [{"name": "nonsense"}]}, "outputs[0].name"),
        (tensors() | {"parameters": {"binary_data_output": 1}}, "parameters.binary_data_output"),
    ],
)
def test_a_bad_tensor_is_named(module_stack, body, field):
    response = module_stack.http.post(INFER, json=body)
    error = response.json()
    assert (response.status_code, error["code"], error["field"]) == (422, "invalid_input", field)
    assert isinstance(error["error"], str)


ASK_BINARY = {"parameters": {"binary_data_output": True}}


def outputs_of(response):
    """Name → output, of an answer in JSON."""
    assert response.status_code == 200, response.text
    return {output["name"]: output for output in response.json()["outputs"]}


def test_a_body_needs_no_content_type_as_tritons_client_states_none(module_stack):
    body = json.dumps(tensors()).encode()
    for headers in ({}, {"content-type": "application/octet-stream"}):
        response = module_stack.http.post(INFER, content=body, headers=headers)
        assert outputs_of(response)["label"]["data"] == ["versicolor"]


def test_a_body_of_another_declared_type_is_refused(module_stack):
    response = module_stack.http.post(INFER, content=b"{}", headers={"content-type": "text/csv"})
    assert (response.status_code, response.json()["field"]) == (415, "content-type")


def binary_request(arrays, datatype, **members):
    """Body and headers of a request with binary tensors only."""
    parts = [array.tobytes() for array in arrays.values()]
    inputs = [
        {
            "name": name,
            "shape": list(array.shape),
            "datatype": datatype,
            "parameters": {"binary_data_size": len(part)},
        }
        for (name, array), part in zip(arrays.items(), parts, strict=True)
    ]
    head = json.dumps({"inputs": inputs, **members}).encode()
    return head + b"".join(parts), {"inference-header-content-length": str(len(head))}


def test_binary_tensors_go_in_and_come_out(module_stack):
    arrays = {name: np.array([[value]], "<f4") for name, value in IRIS.example.items()}
    body, headers = binary_request(arrays, "FP32", **ASK_BINARY)
    response = module_stack.http.post(INFER, content=body, headers=headers)
    end = int(response.headers["inference-header-content-length"])
    outputs = json.loads(response.content[:end])["outputs"]
    assert response.headers["content-type"] == "application/octet-stream"
    assert [output["parameters"]["binary_data_size"] for output in outputs] == [4 + 10, 24, 4 + 2]
    assert not any("data" in output for output in outputs)
    assert response.content[end : end + 14] == struct.pack("<I", 10) + b"versicolor"
    assert np.frombuffer(response.content[end + 14 : end + 38], "<f8").tolist() == [0.0, 0.5, 0.5]


def test_an_output_says_for_itself_whether_it_is_binary(module_stack):
    asked = [{"name": "status"}, {"name": "label", "parameters": {"binary_data": False}}]
    body = tensors() | ASK_BINARY | {"outputs": asked}
    response = module_stack.http.post(INFER, json=body)
    end = int(response.headers["inference-header-content-length"])
    status, label = json.loads(response.content[:end])["outputs"]
    assert (status["name"], label["name"]) == ("status", "label")
    assert label["data"] == ["versicolor"]
    assert response.content[end:] == struct.pack("<I", 2) + b"ok"


@pytest.mark.parametrize("length", ["0", "100000", "-1", "x", "1" * 5000])
def test_an_impossible_length_of_the_json_part_is_refused(module_stack, length):
    headers = {"inference-header-content-length": length}
    response = module_stack.http.post(INFER, json=tensors(), headers=headers)
    assert (response.status_code, response.json()["field"]) == (422, "inference-header-content-length")


def test_one_tensor_of_all_features_is_answered(module_stack):
    row = list(IRIS.example.values())
    tensor = {"name": "predict", "shape": [2, 4], "datatype": "FP32"}
    for data in (row * 2, [row, row]):
        response = module_stack.http.post(INFER, json={"inputs": [tensor | {"data": data}]})
        assert outputs_of(response)["label"]["data"] == ["versicolor"] * 2


def test_nested_data_is_answered(module_stack):
    body = tensors(2, shape=[2, 1], data=[[6.0], [6.0]])
    assert outputs_of(module_stack.http.post(INFER, json=body))["status"]["data"] == ["ok", "ok"]


def test_members_that_the_protocol_does_not_name_are_ignored_and_null_is_an_absent_one(module_stack):
    nothing = {"id": None, "outputs": None, "parameters": None}
    body = tensors(extra=1, parameters=None) | {"model_name": "iris"} | nothing
    assert outputs_of(module_stack.http.post(INFER, json=body))["label"]["data"] == ["versicolor"]


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
        ("identity", bytes),
    ],
)
@pytest.mark.parametrize("path", [INFER, "/v1/tasks/iris/predict"])
def test_a_compressed_body_is_answered(module_stack, path, coding, compress):
    body = tensors() if path == INFER else {"rows": [IRIS.example]}
    headers = {"content-encoding": coding, "content-type": "application/json"}
    content = compress(json.dumps(body).encode())
    assert module_stack.http.post(path, content=content, headers=headers).status_code == 200


def test_a_compressed_body_is_bounded_by_what_it_unpacks_to(module_stack):
    bomb = gzip.compress(b" " * (1 << 24))
    response = module_stack.http.post(INFER, content=bomb, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "there"),
    [("", True), ("/ready", True), ("/infer", True), ("/config", False)],
)
def test_a_task_has_version_1_and_no_other(module_stack, path, there):
    ask = {"method": "POST", "json": tensors()} if path == "/infer" else {"method": "GET"}
    first, second = (
        module_stack.http.request(url=f"/v2/models/iris/versions/{version}{path}", **ask)
        for version in ("1", "2")
    )
    assert first.status_code == (200 if there else 404)
    assert second.status_code == 404


def test_a_task_that_is_not_there_is_refused_by_its_name_whatever_version_is_asked(module_stack):
    response = module_stack.http.get("/v2/models/nothing/versions/2")
    assert (response.status_code, response.json()["field"]) == (404, "task")


@pytest.mark.parametrize("path", ["/v2/", "/v2/models/iris/versions/1", "/v2/models/iris/versions/1/ready"])
def test_another_path_to_the_same_takes_no_more_parameters(module_stack, path):
    assert module_stack.http.get(path, params={"x": "1"}).status_code == 422


def test_metadata_name_the_version_the_extension_and_the_codecs(module_stack):
    get = module_stack.http.get
    assert get("/v2/").json() == get("/v2").json()
    assert get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert get("/v2/models/iris").json()["versions"] == ["1"]
    answer = module_stack.http.post(INFER, json=tensors()).json()
    codecs = [output["parameters"]["content_type"] for output in answer["outputs"]]
    assert (answer["model_version"], codecs) == ("1", ["str", "np", "str"])


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
