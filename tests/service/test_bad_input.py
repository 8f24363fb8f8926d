"""Whatever a caller sends, the answer is a 4xx with a code, a sentence and the field it is about."""

import pickle

import httpx
import pytest

from tests.service.stack import IRIS

ROW = IRIS.example
PREDICT = "/v1/tasks/iris/predict"


@pytest.fixture(scope="module")
def http(module_stack):
    return module_stack.http


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ({k: v for k, v in ROW.items() if k != "petal_width"}, "rows[0].petal_width", "missing"),
        (ROW | {"colour": "blue"}, "rows[0].colour", "Unknown column"),
        (
            {("petal_widht" if k == "petal_width" else k): v for k, v in ROW.items()},
            "rows[0].petal_widht",
            "meant",
        ),
        (ROW | {"petal_width": "1.6"}, "rows[0].petal_width", "not text"),
        (ROW | {"petal_width": False}, "rows[0].petal_width", "not a boolean"),
        (ROW | {"petal_width": None}, "rows[0].petal_width", "not null"),
        (ROW | {"petal_width": [1.6]}, "rows[0].petal_width", "not a list"),
        (ROW | {"petal_width": 31}, "rows[0].petal_width", "from 0.1 to 30 cm"),
        (ROW | {"petal_width": 1e308}, "rows[0].petal_width", "finite"),
        ([1, 2, 3, 4], "rows[0]", "object of named columns"),
        ({}, "rows[0].sepal_length", "missing"),
    ],
)
def test_a_bad_row_is_a_422_that_names_its_column(http, row, field, words):
    response = http.post(PREDICT, json={"rows": [row]})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (422, "invalid_input", field)
    assert words in error["message"]


@pytest.mark.parametrize(
    ("content", "status", "code", "field"),
    [
        (b'{"rows": [', 400, "invalid_json", "body"),
        (b"", 400, "invalid_json", "body"),
        (b'{"rows": [{"sepal_length": NaN}]}', 400, "invalid_json", "body"),
        (b'{"rows": [{"sepal_length": Infinity}]}', 400, "invalid_json", "body"),
        (b"\xff\xfe", 400, "invalid_json", "body"),
        (b"[" * 100_000, 400, "invalid_json", "body"),
        (b"[]", 422, "invalid_input", "body"),
        (b"null", 422, "invalid_input", "body"),
        (b'{"rows": []}', 422, "invalid_input", "rows"),
        (b'{"rows": {}}', 422, "invalid_input", "rows"),
        (b"{}", 422, "invalid_input", "rows"),
        (b'{"rows": [], "row": 1}', 422, "invalid_input", "row"),
        (b'{"rows": [' + b"{}," * 1000 + b"{}]}", 422, "too_many_rows", "rows"),
        (b'{"rows": [' + b"[]," * 300_000 + b"[]]}", 400, "invalid_json", "body"),
        (b" " * 10_000_000, 413, "too_large", "body"),
    ],
    ids=[
        "cut off",
        "empty",
        "NaN",
        "Infinity",
        "no UTF-8",
        "deep",
        "a list",
        "null",
        "no rows",
        "rows are an object",
        "nothing",
        "an extra field",
        "too many rows",
        "too many lists",
        "10 MB",
    ],
)
def test_a_bad_body_is_refused_with_its_reason(http, content, status, code, field):
    response = http.post(PREDICT, content=content, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (status, code, field)


def test_a_large_body_without_a_length_is_refused_too(http):
    def chunks():
        for _ in range(200):
            yield b" " * 50_000

    try:
        response = http.post(PREDICT, content=chunks(), headers={"content-type": "application/json"})
    except httpx.WriteError:
        return  # the service hung up before the end, which is as good
    assert response.status_code == 413


@pytest.mark.parametrize(
    "media_type",
    [
        "application/octet-stream",
        "application/x-pickle",
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
    ],
)
def test_a_pickle_or_anything_that_is_not_json_is_a_415(http, media_type):
    body = pickle.dumps({"rows": [ROW]})
    response = http.post(PREDICT, content=body, headers={"content-type": media_type})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/tasks/nonsense/predict", 404, "unknown_task"),
        ("GET", "/v1/tasks/nonsense", 404, "unknown_task"),
        ("GET", "/v1/nodes?task=nonsense", 404, "unknown_task"),
        ("GET", "/v1/nodes/iris/nonsense/history", 404, "unknown_node"),
        ("GET", "/v1/rounds/nonsense", 404, "unknown_round"),
        ("GET", "/v1/ledger/blocks/999999", 404, "unknown_block"),
        ("GET", "/v1/ledger/blocks/minus", 422, "invalid_input"),
        ("GET", "/v1/rounds?limit=0", 422, "invalid_input"),
        ("GET", "/v1/rounds?limit=ten", 422, "invalid_input"),
        ("GET", "/v1/rounds?status=fine", 422, "invalid_input"),
        ("GET", "/v1/rounds?since=yesterday", 422, "invalid_input"),
        ("GET", "/v1/rounds?since=2026-01-31", 422, "invalid_input"),
        ("GET", "/v1/rounds?until=2026-01-31", 422, "invalid_input"),
        ("GET", "/v1/rounds?label=right", 422, "invalid_input"),
        ("GET", "/v1/rounds?id=5f0", 422, "invalid_input"),
        ("GET", "/v1/rounds?id=5F0C", 422, "invalid_input"),
        ("GET", f"/v1/rounds?answer={'x' * 201}", 422, "invalid_input"),
        ("GET", "/v1/rounds?after=nonsense", 422, "invalid_input"),
        ("GET", "/v1/rounds?limt=5", 422, "invalid_input"),
        ("GET", "/v1/rounds?limit=1&limit=2", 422, "invalid_input"),
        ("GET", "/v1/rounds?" + "limit=1&" * 5000, 422, "invalid_input"),
        ("GET", "/nowhere", 404, "unknown_path"),
        ("DELETE", "/v1/tasks", 405, "method_not_allowed"),
        ("GET", PREDICT, 405, "method_not_allowed"),
    ],
)
def test_a_bad_path_or_query_is_refused_with_its_reason(http, method, path, status, code):
    response = http.request(method, path, **({"json": {"rows": [ROW]}} if method == "POST" else {}))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["message"].endswith(".")


def test_a_misspelt_flag_is_refused_and_not_ignored(http):
    response = http.post(f"{PREDICT}?setled=true", json={"rows": [ROW]})
    assert (response.status_code, response.json()["error"]["field"]) == (422, "setled")


def test_refused_requests_leave_no_round_behind(http):
    def count():
        return len(http.get("/v1/rounds?limit=500").json()["rounds"])

    before = count()
    http.post(PREDICT, json={"rows": [ROW, ROW | {"petal_width": -1}]})
    assert count() == before


@pytest.mark.parametrize("path", ["/v1/votes"])
@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        ("application/x-pickle", pickle.dumps([ROW]), 415),
        ("application/octet-stream", pickle.dumps([ROW]), 415),
        ("application/vnd.concord.rows", b"123", 409),
        ("application/json", b'{"rows": [{"petal_width": NaN}]}', 400),
        ("application/json", b'{"rows": []}', 422),
        ("application/json", b" " * 5_000_000, 413),
    ],
)
def test_a_node_refuses_an_invalid_call(module_stack, path, media_type, body, status):
    url = module_stack.nodes["knn"].url
    response = httpx.post(url + path, content=body, headers={"content-type": media_type})
    assert (response.status_code, set(response.json()["error"])) == (status, {"code", "message", "field"})


def test_a_node_names_its_own_paths_where_it_has_none(module_stack):
    error = httpx.get(module_stack.nodes["knn"].url + "/docs").json()["error"]
    assert error["code"] == "unknown_path"
    assert "/v1/votes, /info" in error["message"]


def test_a_row_of_thousands_of_unknown_columns_is_refused_by_the_first(http):
    row = ROW | {f"x{number}": 1 for number in range(50_000)}
    error = http.post(PREDICT, json={"rows": [row]}).json()["error"]
    assert error["field"] == "rows[0].x0"
