"""Every endpoint answers every kind of caller as the one table of rights says; so does the document."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from concord.api.app import TRUST_SECONDS
from concord.api.rights import GRANTS, SETTINGS, expected_status
from concord.http.tokens import Token, hash_of, render
from tests.service import rights_matrix
from tests.service.stack import IRIS

TOKENS = [
    Token("predicts", hash_of("predicts"), predicts={"iris"}),
    Token("labels", hash_of("labels"), labels={"iris"}),
    Token("reads", hash_of("reads"), reads=True),
    Token("administers", hash_of("administers"), administers=True),
]
PARTS = {"task": "iris", "node": "knn", "height": "1", "id": "0" * 32, "name": "iris.knn", "version": "1"}
BODY = {"rows": [IRIS.example]}


def bearer(secret):
    return {"authorization": f"Bearer {secret}"} if secret else {}


def write(stack, *tokens):
    (stack.home / "tokens.toml").write_text(render(tokens))


def test_the_document_has_the_table_of_the_code():
    assert rights_matrix.in_document() == rights_matrix.render(rights_matrix.endpoints())


@pytest.mark.parametrize("mode", ["open", "token"])
def test_every_endpoint_answers_every_caller_as_the_table_says(start_stack, mode):
    stack = start_stack(predict_access=mode, read_access=mode)
    write(stack, *TOKENS)
    expected, answered = {}, {}
    for endpoint in stack.api.endpoints:
        is_open = endpoint.needs in SETTINGS and mode == "open"
        for kind in (None, *GRANTS):
            key = endpoint.method, endpoint.path, kind
            expected[key] = expected_status(endpoint.needs, kind, is_open=is_open)
            # A parameter that is unknown: what a caller may ask is refused before there is work, with a 422.
            path = f"{endpoint.path.format(**PARTS)}?nothing=1"
            response = stack.http.request(endpoint.method, path, headers=bearer(kind))
            refused = response.status_code in (401, 403)
            answered[key] = response.status_code if refused else None
    assert answered == expected


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    from tests.service.conftest import serving, starting

    with serving() as serve, starting(serve, tmp_path_factory.mktemp("closed")) as start:
        stack = start(predict_access="token", read_access="open")
        write(stack, *TOKENS, Token("films", hash_of("films"), predicts={"film_rating"}))
        yield stack


def ask(stack, secret=None, path="/v1/tasks/iris/predict", body=BODY):
    return stack.http.post(path, json=body, headers=bearer(secret))


def v2_body():
    tensors = [
        {"name": feature.name, "datatype": "FP32", "shape": [1], "data": [feature.example]}
        for feature in IRIS.features
    ]
    return {"inputs": tensors}


def test_a_token_that_predicts_the_task_is_answered_in_both_protocols(stack):
    assert ask(stack, "predicts").status_code == 200
    assert ask(stack, "predicts", "/v2/models/iris/infer", v2_body()).status_code == 200


def test_a_token_that_predicts_other_tasks_is_refused_by_the_name_of_this_one(stack):
    response = ask(stack, "films")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (403, "forbidden_task")
    assert "Token films predicts film_rating, and not 'iris'." in error["message"]


def test_a_refusal_of_the_second_protocol_has_its_form(stack):
    response = ask(stack, None, "/v2/models/iris/infer", v2_body())
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


def test_rounds_stay_open_whatever_tokens_there_are_if_the_setting_says_so(stack):
    assert stack.http.get("/v1/rounds").status_code == 200


def test_rounds_stay_closed_whatever_tokens_there_are_if_the_setting_says_so(start_stack):
    stack = start_stack(read_access="token", ready=False)
    response = stack.http.get("/v1/rounds")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "tokens_off")
    write(stack, TOKENS[1])
    assert stack.http.get("/v1/rounds").status_code == 401


def test_a_token_is_refused_within_a_second_of_its_end(stack):
    end = datetime.now(UTC) + timedelta(seconds=0.6)
    write(stack, *TOKENS, Token("short", hash_of("short"), predicts={"*"}, expires=end))
    assert ask(stack, "short").status_code == 200
    time.sleep(0.7)
    response = ask(stack, "short")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "expired_token")
    assert "Token short expired at" in response.json()["error"]["message"]


def test_a_removed_token_is_refused_within_a_second(stack):
    write(stack, *TOKENS, Token("gone", hash_of("gone"), predicts={"*"}))
    assert ask(stack, "gone").status_code == 200
    write(stack, *TOKENS)
    time.sleep(TRUST_SECONDS)
    assert ask(stack, "gone").status_code == 401


def test_the_document_says_that_predictions_need_a_token(stack):
    paths = stack.http.get("/openapi.json").json()["paths"]
    assert paths["/v1/tasks/iris/predict"]["post"]["security"] == [{"token": []}]
    assert paths["/v1/rounds"]["get"]["security"] == [{}, {"token": []}]
