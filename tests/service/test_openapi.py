"""What the OpenAPI document says is what is answered; schemathesis looks for the difference."""

import subprocess
import sys
from pathlib import Path

import pytest

from concord.api.endpoint import PerTask, Undocumented
from concord.http.tokens import Token, hash_of, render
from tests.service.stack import IRIS


def test_every_task_has_a_path_with_its_own_columns(module_stack):
    document = module_stack.http.get("/openapi.json").json()
    row = document["components"]["schemas"]["row_iris"]
    assert "/v1/tasks/iris/predict" in document["paths"]
    assert list(row["properties"]) == [feature.name for feature in IRIS.features]


def parts_of(document):
    """Every object inside of a document, but what examples hold."""
    waiting = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += [value for key, value in part.items() if key != "example"]
        elif isinstance(part, list):
            waiting += part


@pytest.fixture(scope="module")
def document(module_stack):
    return module_stack.http.get("/openapi.json").json()


def test_every_operation_has_a_name_of_its_own_and_a_tag_that_is_described(document):
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert {"predict_iris", "infer_iris", "promote_version", "get_drift"} <= set(names)
    assert all(names)
    assert len(set(names)) == len(names)
    assert {tag for operation in operations for tag in operation["tags"]} == {
        tag["name"] for tag in document["tags"]
    }


def test_generators_understand_every_array_constant_and_union(document):
    for part in parts_of(document):
        assert part.get("type") != "array" or isinstance(part.get("items"), dict), part
        assert "prefixItems" not in part, part
        assert not isinstance(part.get("const"), list | dict), part
        kinds = [option.get("type") for option in part.get("anyOf", ())]
        assert "null" not in kinds or len(kinds) == 2, part


def test_every_number_states_its_size(document):
    for part in parts_of(document):
        if part.get("type") in ("integer", "number"):
            assert part["format"] in ("int64", "double"), part


def test_v2_is_described_for_any_number_of_rows_and_any_order(document):
    body = document["paths"]["/v2/models/iris/infer"]["post"]["requestBody"]["content"]["application/json"]
    request = document["components"]["schemas"]["InferenceRequest"]
    tensor = document["components"]["schemas"]["InputTensor"]
    assert body["schema"] == {"$ref": "#/components/schemas/InferenceRequest"}
    assert request["properties"]["inputs"]["items"] == {"$ref": "#/components/schemas/InputTensor"}
    assert "maxItems" not in request["properties"]["inputs"]
    assert tensor["properties"]["shape"]["items"]["type"] == "integer"
    assert [tensor["name"] for tensor in body["example"]["inputs"]] == [f.name for f in IRIS.features]


def test_every_example_is_answered(module_stack, document):
    for path in ("/v1/tasks/iris/predict", "/v2/models/iris/infer"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert module_stack.http.post(path, json=content["example"]).status_code == 200


def test_the_page_for_people_loads_nothing_from_elsewhere(module_stack):
    page = module_stack.http.get("/docs").text
    assert "/v1/tasks/iris/predict" in page
    assert "http://" not in page
    assert "<script" not in page


def test_the_document_says_which_endpoints_need_a_token(start_stack):
    stack = start_stack()
    off = stack.http.get("/openapi.json").json()["paths"]["/v1/feedback"]["post"]["security"]
    assert off == [{}, {"token": []}]
    (stack.home / "tokens.toml").write_text(render([Token("crm", hash_of("x"), frozenset({"iris"}))]))
    document = stack.http.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    secured = {
        path: operation["security"]
        for path, item in document["paths"].items()
        for operation in item.values()
        if "security" in operation
    }
    must = [{"token": []}]
    assert secured == {
        "/v1/tasks/iris/predict": [{}, *must],
        "/v2/models/iris/infer": [{}, *must],
        "/v1/feedback": must,
        "/v1/ledger/audit": must,
        "/v1/nodes/{task}/{node}/release": must,
        "/v1/nodes/{task}/{node}/deposit": must,
        "/v1/nodes/{task}/{node}/withdraw": must,
        "/v1/models/{name}/compare": [{}, *must],
        "/v1/models/{name}/challenge": must,
        "/v1/models/{name}/promote": must,
        "/v1/models/{name}/rollback": must,
        "/v1/models/{name}/dismiss": must,
        "/v1/rounds": [{}, *must],
        "/v1/rounds/{id}": [{}, *must],
        "/v1/tasks/{task}/drift": [{}, *must],
        "/v1/tasks/{task}/labelled": [{}, *must],
    }
    assert "Bearer $CONCORD_TOKEN" in stack.http.get("/docs").text


def test_every_route_is_in_the_document_or_left_out_for_a_reason(module_stack):
    document = module_stack.http.get("/openapi.json").json()
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    documented, left_out = set(), {}
    for endpoint in module_stack.api.endpoints:
        path = endpoint.path
        if isinstance(endpoint.operation, Undocumented):
            left_out[path] = endpoint.operation.reason
            continue
        if isinstance(endpoint.operation, PerTask):
            path = path.format(task="iris")
        documented.add((endpoint.method, path))
    assert described == documented
    version = "/v2/models/{task}/versions/{version}"
    again = {version, f"{version}/ready", f"{version}/infer", "/v2/"}
    assert left_out.keys() == {"/openapi.json", "/docs", "/"} | again
    assert all(left_out.values())


LOOSE = """
request-timeout = 60
# A JSON Schema can't say that a tensor has as many elements as its shape says, nor that each feature has one;
# and the protocol's clients send null for what is absent.
[[operations]]
include-path-regex = "/v2/models/.*/infer"
checks.positive_data_acceptance.enabled = false
checks.negative_data_rejection.enabled = false
"""


@pytest.mark.slow
@pytest.mark.guard
@pytest.mark.parametrize("token", [None, "secret-root"], ids=["without tokens", "with every right"])
def test_schemathesis_finds_nothing_on_either_api(module_stack, tmp_path, token):
    if token:
        root = Token("root", hash_of(token), frozenset({"*"}), reads=True, administers=True)
        (module_stack.home / "tokens.toml").write_text(render([root]))
    (tmp_path / "schemathesis.toml").write_text(LOOSE)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{module_stack.url}/openapi.json",
        "--max-examples=40",
        "--phases=examples,coverage,fuzzing",
        "--generation-deterministic",
        "--no-color",
        *([f"--header=Authorization: Bearer {token}"] if token else []),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_page_names_the_document_beside_it_whatever_prefix_a_proxy_takes_away(module_stack):
    assert '<a href="openapi.json">' in module_stack.http.get("/docs").text


def test_a_prefix_that_a_proxy_leaves_is_taken_off_and_named_in_the_document(start_stack):
    stack = start_stack(root_path="/a/concord", ready=False)
    for path in ("/a/concord/docs", "/a/concord/", "/docs", "/a/concord/livez"):
        assert stack.http.get(path).status_code == 200, path
    assert stack.http.get("/a/concord", follow_redirects=True).text == stack.http.get("/a/concord/").text
    assert stack.http.get("/a/concord").headers["location"] == "/a/concord/"
    assert stack.http.get("/a/concord/openapi.json").json()["servers"] == [{"url": "/a/concord"}]
    assert stack.http.get("/a/concordance/docs").status_code == 404
    # As the protocol words an error.
    assert isinstance(stack.http.get("/a/concord/v2/models/nothing").json()["error"], str)
