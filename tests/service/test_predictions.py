"""What an answer says, where its ids go, and what the journal keeps."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from concord.client import Client
from concord.consensus import reconciler
from concord.ledger import FileStore, Ledger, events
from frontend.data import exposition
from frontend.data import series as courses
from tests.service.stack import AMOUNT, IRIS, Node, StandInModel, species, wait_until


def test_an_answer_carries_its_evidence(start_stack):
    stack = start_stack()
    verdict = stack.predict().json()["verdicts"][0]
    assert verdict["label"] == "versicolor"
    assert verdict["probabilities"] == {"setosa": 0.0, "versicolor": 0.5, "virginica": 0.5}
    assert verdict["agreement"] == 0.5
    assert (verdict["status"], verdict["policy"], verdict["settlement"]) == ("ok", "wager", "none")
    assert [vote["weight"] for vote in verdict["votes"]] == [0.25] * 4
    assert all(vote["version"] == "1" and vote["latency_ms"] > 0 for vote in verdict["votes"])
    assert len(verdict["id"]) == 32


def test_a_value_is_answered_with_its_unit_and_sentence(start_stack):
    nodes = {
        name: Node(StandInModel(AMOUNT, name, lambda _row, v=v: [v], accuracy=None))
        for name, v in (("a", 1000.0), ("b", 1200.5), ("c", 9000.0))
    }
    stack = start_stack(nodes, task="loan_amount")
    verdict = stack.predict(AMOUNT.example, "loan_amount").json()["verdicts"][0]
    assert (verdict["value"], verdict["unit"]) == (1200.5, "EUR")
    assert verdict["sentence"] == "A loan of 1,200.50 EUR."
    assert verdict["agreement"] == pytest.approx(2 / 3, abs=1e-5)


def test_a_node_that_states_no_accuracy_has_none(start_stack):
    nodes = {
        name: Node(StandInModel(AMOUNT, name, lambda _row: [1000.0], accuracy=None))
        for name in ("a", "b", "c")
    }
    stack = start_stack(nodes, task="loan_amount")
    stack.predict(AMOUNT.example, "loan_amount")
    views = stack.http.get("/v1/nodes").json()["nodes"]
    assert [(view["stake"], view["accuracy"]) for view in views] == [(1000.0, None)] * 3


def test_a_round_is_in_the_journal_behind_its_answer(start_stack):
    stack = start_stack()
    response = stack.http.post(
        "/v1/tasks/iris/predict", json={"rows": [IRIS.example]}, headers={"x-request-id": "mine.1"}
    )
    verdict = response.json()["verdicts"][0]
    assert verdict["recorded"] is False
    wait_until(lambda: stack.http.get(f"/v1/rounds/{verdict['id']}").status_code == 200)
    kept = stack.client.round(verdict["id"])
    assert (kept.request_id, kept.features, kept.verdict.recorded) == ("mine.1", IRIS.example, True)
    assert kept.verdict.votes[0].node == "decision_tree"


@pytest.mark.parametrize("rows", [1, 300])
def test_an_answer_without_votes_is_the_same_otherwise_and_the_votes_are_kept(start_stack, rows):
    stack = start_stack()
    asked = {"rows": [IRIS.example] * rows}
    path = "/v1/tasks/iris/predict?recorded=true&votes="
    full, bare = (stack.http.post(path + votes, json=asked) for votes in ("all", "none"))
    assert len(bare.content) < len(full.content) / 2
    ones, others = full.json()["verdicts"], bare.json()["verdicts"]
    own = {"id", "votes"}
    assert [{k: v for k, v in one.items() if k not in own} for one in ones] == [
        {k: v for k, v in one.items() if k not in own} for one in others
    ]
    assert {len(one["votes"]) for one in others} == {0}
    assert len(stack.client.round(others[-1]["id"]).verdict.votes) == len(ones[0]["votes"]) > 1
    assert stack.client.predict("iris", [IRIS.example], votes=False).verdicts[0].votes == []


def test_votes_are_all_or_none(start_stack):
    response = start_stack().predict(query="?votes=some")
    assert (response.status_code, response.json()["error"]["field"]) == (422, "votes")


def test_recorded_waits_for_the_journal(start_stack):
    stack = start_stack()
    verdict = stack.predict(query="?recorded=true").json()["verdicts"][0]
    assert verdict["recorded"] is True
    assert stack.http.get(f"/v1/rounds/{verdict['id']}").status_code == 200


def test_ids_and_trace_reach_the_nodes(start_stack):
    stack = start_stack()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"x-request-id": "mine.2", "traceparent": trace}
    response = stack.http.post("/v1/tasks/iris/predict", json={"rows": [IRIS.example]}, headers=headers)
    asked = stack.nodes["knn"].asked[-1]
    assert (asked["x-request-id"], asked["traceparent"]) == ("mine.2", trace)
    assert response.headers["x-request-id"] == response.json()["request_id"] == "mine.2"
    round_id = response.json()["verdicts"][0]["id"]
    wait_until(lambda: stack.http.get(f"/v1/rounds/{round_id}").status_code == 200)
    assert stack.client.round(round_id).traceparent == trace


def test_a_shared_call_names_all_its_requests_and_the_node_keeps_them(start_stack):
    stack = start_stack()
    ids = "one,two.2,three-3"
    body = {"rows": [IRIS.example]}
    url = stack.nodes["knn"].url
    response = httpx.post(f"{url}/v1/votes", json=body, headers={"x-request-id": ids})
    assert response.headers["x-request-id"] == ids


@pytest.mark.parametrize("stated", ["has spaces", "x" * 65, "new\tline", "é"])
def test_a_request_id_that_could_do_harm_is_replaced(start_stack, stated):
    stack = start_stack()
    response = stack.http.get("/v1/tasks", headers={"x-request-id": stated.encode()})
    assert response.headers["x-request-id"] != stated


def test_rounds_are_paged_newest_first(start_stack):
    stack = start_stack()
    ids = [stack.predict(query="?recorded=true").json()["verdicts"][0]["id"] for _ in range(5)]
    listed = [round_.id for round_ in stack.client.all_rounds(task="iris")]
    page = stack.client.rounds(limit=2)
    assert listed == ids[::-1]
    assert [round_.id for round_ in stack.client.rounds(limit=2, after=page.after).rounds] == [ids[2], ids[1]]


def test_seed_slashes_a_node_that_dissents(start_stack):
    stack = start_stack(terms='policy = "seed"')
    verdict = stack.predict(query="?settled=true").json()["verdicts"][0]
    assert verdict["pool"]["mean"] == pytest.approx(1.63)
    assert (verdict["label"], verdict["recorded"], verdict["settlement"]) == ("virginica", True, "settled")
    assert stack.accounts() == {
        "decision_tree": 900,
        "knn": 1000,
        "logistic_regression": 1000,
        "random_forest": 900,
    }
    kept = stack.client.round(verdict["id"])
    assert kept.block == verdict["block"]
    assert kept.deltas["decision_tree"] == -100
    assert stack.client.verify()["ok"] is True


def test_balances_outlive_a_restart(start_stack):
    stack = start_stack(terms='policy = "seed"')
    stack.predict(query="?settled=true")
    again = start_stack(stack.nodes, terms='policy = "seed"', home=stack.home)
    assert again.accounts()["random_forest"] == 900


def test_a_history_tells_what_moved_the_stake(start_stack):
    stack = start_stack(terms='policy = "seed"')
    stack.predict(query="?settled=true")
    entries = stack.client.history("iris", "decision_tree").entries
    assert [(entry.event, entry.change, entry.stake) for entry in entries] == [
        ("open", 1000, 1000),
        ("settle", -100, 900),
    ]


def test_no_feature_value_is_in_a_log_a_metric_or_the_ledger(start_stack, caplog, capfd):
    caplog.set_level("DEBUG")
    stack = start_stack(terms='policy = "seed"')
    row = IRIS.example | {"sepal_length": 7.777}
    stack.predict(row, query="?settled=true")
    stack.predict(row | {"petal_width": 99}, query="?settled=true")
    stored = b"".join(path.read_bytes() for path in (stack.home / "ledger").iterdir())
    logged = "".join(str(vars(record)) for record in caplog.records) + capfd.readouterr().err
    assert "7.777" not in stack.http.get("/metrics").text
    assert b"7.777" not in stored
    assert "7.777" not in logged


def test_a_declared_task_has_its_metrics_before_the_first_round(start_stack):
    stack = start_stack()
    text = stack.http.get("/metrics").text
    assert 'concord_rounds_total{status="no_quorum",task="iris"}' in text


def test_metrics_tell_rounds_outcomes_and_overhead(start_stack):
    stack = start_stack()
    stack.predict()
    text = stack.http.get("/metrics").text
    for name in (
        'concord_rounds_total{status="ok",task="iris"}',
        'concord_outcomes_total{node="knn",outcome="voted",task="iris"}',
        'concord_overhead_seconds_count{task="iris"}',
        'concord_weight{node="knn",task="iris"} 0.25',
        "concord_ledger_height",
        'concord_http_requests_total{method="POST",route="/v1/tasks/{task}/predict",status="200"}',
    ):
        assert name in text


def test_a_client_reads_the_metrics_and_the_page_finds_its_figures_in_them(start_stack):
    stack = start_stack()
    with Client(stack.url) as client:
        before = exposition.parse_sample(client.metrics(), 0.0)
        stack.predict()
        added = courses.count_increase(before.counts, exposition.parse_sample(client.metrics(), 2.0).counts)
    indicators = courses.compute_indicators(added, "iris", 2.0)
    assert (indicators[courses.REQUESTS], indicators[courses.ROWS], indicators[courses.NO_QUORUM]) == (
        0.5,
        0.5,
        0.0,
    )
    assert indicators[courses.AGREEMENT] == 0.5
    assert 0 < indicators[courses.OVERHEAD[0]] <= indicators[courses.LATENCY[2]]
    assert courses.compute_indicators(added, None, 2.0)[courses.FAILED] == 0.0


def test_requests_that_meet_share_a_call_that_names_them_all(start_stack):
    stack = start_stack(terms="deadline_ms = 4000\ngrace_ms = 4000")
    node = stack.nodes["knn"]
    node.fault = 0.3
    before = len(node.asked)

    def ask(name):
        headers = {"x-request-id": name}
        return httpx.post(
            f"{stack.url}/v1/tasks/iris/predict", json={"rows": [IRIS.example]}, headers=headers
        ).json()

    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(ask, [f"caller-{i}" for i in range(12)]))
    named = [asked["x-request-id"].split(",") for asked in node.asked[before:]]
    assert all(answer["verdicts"][0]["status"] == "ok" for answer in answers)
    assert sorted(name for names in named for name in names) == sorted(f"caller-{i}" for i in range(12))
    assert len(named) < 12


def test_the_rows_of_a_request_share_a_call(start_stack):
    stack = start_stack()
    rows = {"rows": [IRIS.example] * 100}
    before = len(stack.nodes["knn"].asked)
    assert len(stack.http.post("/v1/tasks/iris/predict", json=rows).json()["verdicts"]) == 100
    assert len(stack.nodes["knn"].asked) == before + 1


def test_a_task_opened_in_the_ledger_borrows_the_nodes_of_another(start_stack):
    from concord.ledger import FileStore, Ledger, events

    stack = start_stack()
    ledger = Ledger(FileStore(stack.home / "ledger"))
    nodes = ["decision_tree", "knn"]
    ledger.append(
        [
            events.params("workshop", "seed", asks="iris", members=nodes),
            *[events.open_account("workshop", node, 1_000_000_000, 500_000) for node in nodes],
        ]
    )
    wait_until(lambda: "workshop" in [task.task for task in stack.client.tasks()])
    verdict = stack.predict(task="workshop", query="?settled=true").json()["verdicts"][0]
    assert [vote["node"] for vote in verdict["votes"]] == nodes
    assert stack.accounts("workshop") != stack.accounts("iris")


def test_a_new_version_is_noticed_and_stated(start_stack):
    stack = start_stack()
    stack.nodes["knn"].api._model = StandInModel(IRIS, "knn", species(2), version="2")
    stack.predict()
    wait_until(lambda: stack.client.nodes("iris")[1].version == "2")


def test_a_policy_that_another_replica_has_set_back_is_set_again(start_stack, monkeypatch):
    """While replicas are rolled, one with the old nodes file may write last."""
    monkeypatch.setattr(reconciler, "CONTRADICTED_SECONDS", 0.2)
    stack = start_stack(terms='policy = "seed"')
    Ledger(FileStore(stack.home / "ledger")).append([events.params("iris", "wager")])
    wait_until(lambda: stack.client.task("iris").policy == "wager")
    wait_until(lambda: stack.client.task("iris").policy == "seed")


def test_a_version_taken_back_by_another_replica_is_not_written_again_and_again(start_stack, monkeypatch):
    """Two replicas may see two pods of one node for long, and each promotion starts its record anew."""
    monkeypatch.setattr(reconciler, "CONTRADICTED_SECONDS", 0.2)
    stack = start_stack()
    other = Ledger(FileStore(stack.home / "ledger"))

    def version():
        return other.head().state.task("iris").accounts["knn"].version

    other.append([events.promote("iris", "knn", "another", 0)])
    wait_until(lambda: version() == "1")
    height = other.append([events.promote("iris", "knn", "another", 2)]).height
    wait_until(lambda: stack.api.service.settler.head.height == height)
    time.sleep(0.5)
    assert version() == "another"
