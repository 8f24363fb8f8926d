"""Whatever one node does, the caller gets an answer that says so, within the deadline."""

import threading
import time

import httpx
import pytest

from tests.service.stack import IRIS, wait_until


def outcomes(body):
    return {vote["node"]: vote["outcome"] for vote in body["verdicts"][0]["votes"]}


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("garbage", "invalid"),
        ("nan", "invalid"),
        ("short", "invalid"),
        ("error", "unavailable"),
        ("hang", "late"),
        (5.0, "late"),
    ],
    ids=["garbage", "nan", "short", "error", "hang", "slow"],
)
def test_one_faulty_node_degrades_the_answer_and_is_named(start_stack, fault, outcome):
    stack = start_stack(terms="deadline_ms = 1000\ngrace_ms = 100")
    stack.nodes["knn"].fault = fault
    began = time.monotonic()
    response = stack.predict()
    body = response.json()
    assert time.monotonic() - began < 4, "a hanging node kept the caller beyond the deadline"
    assert response.status_code == 200
    assert body["verdicts"][0]["status"] == "degraded"
    assert outcomes(body)["knn"] == outcome
    assert list(outcomes(body).values()).count("voted") == 3


def test_a_killed_node_is_unavailable_and_comes_back(start_stack, serve):
    stack = start_stack()
    port = stack.servers["knn"].port
    stack.stop_node("knn")
    for _ in range(6):
        body = stack.predict().json()
        assert body["verdicts"][0]["status"] == "degraded"
    assert outcomes(body)["knn"] == "unavailable"
    wait_until(lambda: stack.client.nodes("iris")[1].status == "down")
    serve(stack.nodes["knn"], port)
    wait_until(lambda: stack.predict().json()["verdicts"][0]["status"] == "ok")


def test_without_quorum_the_answer_is_a_503_with_evidence_and_nothing_settles(start_stack):
    stack = start_stack(terms='policy = "seed"\ndeadline_ms = 300\ngrace_ms = 100')
    for name in ("knn", "decision_tree", "random_forest"):
        stack.nodes[name].fault = "error"
    response = stack.predict()
    body = response.json()
    assert response.status_code == 503
    assert body["error"]["code"] == "no_quorum"
    assert body["verdicts"][0]["label"] is None
    round_id = body["verdicts"][0]["id"]
    assert stack.client.round(round_id).verdict.settlement == "none"
    assert stack.client.ledger()["due"] == 0


def half_silent(stack, share):
    """Makes nodes answer NaN for every row whose sepals are longer than 7 cm."""
    for name in list(stack.nodes)[:share]:
        model = stack.nodes[name].model
        good = model._answer
        model._answer = lambda row, good=good: [float("nan")] * 3 if row[0] > 7 else good(row)


def test_many_rows_are_200_with_a_status_of_their_own(start_stack):
    stack = start_stack(terms="deadline_ms = 400\ngrace_ms = 100")
    half_silent(stack, 3)
    rows = {"rows": [IRIS.example, IRIS.example | {"sepal_length": 8.0}]}
    response = stack.http.post("/v1/tasks/iris/predict", json=rows)
    assert response.status_code == 200
    assert [verdict["status"] for verdict in response.json()["verdicts"]] == ["ok", "no_quorum"]


def test_a_single_invalid_vote_degrades_its_own_row_only(start_stack):
    stack = start_stack()
    half_silent(stack, 1)
    rows = {"rows": [IRIS.example, IRIS.example | {"sepal_length": 8.0}]}
    verdicts = stack.http.post("/v1/tasks/iris/predict", json=rows).json()["verdicts"]
    assert [verdict["status"] for verdict in verdicts] == ["ok", "degraded"]
    assert [vote["outcome"] for vote in verdicts[1]["votes"]].count("invalid") == 1


def test_many_whole_rows_are_all_ok(start_stack):
    stack = start_stack()
    rows = {"rows": [IRIS.example] * 3}
    assert [v["status"] for v in stack.http.post("/v1/tasks/iris/predict", json=rows).json()["verdicts"]] == [
        "ok"
    ] * 3


@pytest.mark.parametrize(
    ("terms", "label"),
    [('below_quorum = "abstain"', None), ('below_quorum = "fallback"\nfallback = "setosa"', "setosa")],
    ids=["abstain", "fallback"],
)
def test_below_the_quorum_the_configured_outcome_is_given(start_stack, terms, label):
    stack = start_stack(terms=f"{terms}\ndeadline_ms = 300")
    for node in stack.nodes.values():
        node.fault = "error"
    response = stack.predict()
    verdict = response.json()["verdicts"][0]
    assert (response.status_code, verdict["status"], verdict["label"]) == (200, "no_quorum", label)


def test_a_caller_that_hangs_up_has_its_calls_cancelled(start_stack):
    stack = start_stack(terms="deadline_ms = 4000\ngrace_ms = 4000")
    slow = stack.nodes["knn"]
    slow.fault = "hang"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{stack.url}/v1/tasks/iris/predict", json={"rows": [IRIS.example]}, timeout=0.3)
    began = time.monotonic()
    wait_until(lambda: slow.dropped == 1)
    assert time.monotonic() - began < 3


def test_a_call_goes_on_while_another_caller_still_waits_for_it(start_stack):
    stack = start_stack(terms="deadline_ms = 4000\ngrace_ms = 4000")
    stack.nodes["knn"].fault = 1.0
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(stack.predict())) for _ in range(3)]
    for thread in threads:
        thread.start()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{stack.url}/v1/tasks/iris/predict", json={"rows": [IRIS.example]}, timeout=0.3)
    for thread in threads:
        thread.join()
    assert [answer.json()["verdicts"][0]["status"] for answer in answers] == ["ok"] * 3


def test_too_many_waiting_rows_are_refused_with_a_time_to_come_back(start_stack):
    stack = start_stack(terms="deadline_ms = 2000\ngrace_ms = 2000", max_waiting_rows=1)
    stack.nodes["knn"].fault = 1.0
    first = threading.Thread(target=stack.predict)
    first.start()
    wait_until(lambda: stack.nodes["knn"].asked)
    response = stack.predict()
    first.join()
    assert (response.status_code, response.json()["error"]["code"]) == (429, "overloaded")
    assert int(response.headers["retry-after"]) >= 1


def test_a_node_with_another_schema_is_shown_and_not_asked(start_stack):
    from dataclasses import replace

    from tests.service.stack import Node, StandInModel, iris_nodes, species

    nodes = iris_nodes()
    nodes["odd"] = Node(StandInModel(replace(IRIS, title="Another"), "odd", species(0)))
    stack = start_stack(nodes, ready=False)
    # Until the others have their deposits, whose schema the task's is depends on who answered first.
    wait_until(
        lambda: (
            {view.node for view in stack.client.nodes("iris") if view.status != "up"} == {"odd"}
            and all(view.deposit for view in stack.client.nodes("iris") if view.node != "odd")
        )
    )
    wait_until(stack.client.ready)
    assert outcomes(stack.predict().json())["odd"] == "unavailable"
    assert stack.nodes["odd"].asked == []


def test_a_service_that_starts_before_its_nodes_answers_503_and_not_404(start_stack):
    stack = start_stack()
    home = stack.home
    for name in stack.nodes:
        stack.stop_node(name)
    again = start_stack({}, home=home, ready=False)
    response = again.predict()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_quorum")
    assert again.client.schema("iris") == IRIS
