"""Labels over HTTP: each gets its own clear answer, and what is wrong touches nothing else."""

import os
import sqlite3
import threading
import time

import pytest

from concord.client import Client
from concord.errors import JournalUnavailable, Refused
from concord.journal.labels import MOST_DISPUTES
from concord.journal.rows import LabelRow
from tests.service.labelling import Caller, ask, label, statuses, write_tokens
from tests.service.stack import AMOUNT, IRIS, Node, StandInModel, iris_nodes, wait_until


@pytest.fixture(scope="module")
def stack(module_stack):
    """A stack whose callers have tokens."""
    write_tokens(module_stack.home, "crm", "films", "all")
    return module_stack


@pytest.fixture
def crm(stack):
    return Caller(stack)


@pytest.mark.parametrize("value", ["virginica", 2, 2.0])
def test_a_label_is_taken_by_name_and_by_number(stack, crm, value):
    (round_id,) = ask(stack)
    response = crm.send(label(round_id, value))
    (result,) = response.json()["labels"]
    assert response.status_code == 200
    assert result == {"id": round_id, "status": "accepted", "settlement": "due", "block": None, "error": None}
    stored = stack.api.service.journal.round(round_id)
    assert (stored.label, stored.label_source) == (2, "crm")


def test_one_label_may_be_the_body_itself(stack, crm):
    (round_id,) = ask(stack)
    assert statuses(crm.send(id=round_id, label="setosa")) == ["accepted"]


def test_a_label_is_taken_the_moment_its_round_was_answered(stack, crm):
    for _ in range(5):
        round_id = stack.predict().json()["verdicts"][0]["id"]
        assert statuses(crm.send(label(round_id))) == ["accepted"]


def test_the_same_label_again_is_known_and_changes_nothing(stack, crm):
    (round_id,) = ask(stack)
    crm.send(label(round_id))
    before = stack.api.service.journal.round(round_id)
    again = Caller(stack, "all").send(label(round_id, 2))
    after = stack.api.service.journal.round(round_id)
    assert (again.status_code, statuses(again)) == (200, ["known"])
    assert (after.label_source, after.label_time) == (before.label_source, before.label_time)


def test_a_second_label_is_refused_with_409_and_kept_as_a_dispute(stack, crm):
    (round_id,) = ask(stack)
    crm.send(label(round_id))
    response = Caller(stack, "all").send(label(round_id, "setosa"))
    journal = stack.api.service.journal
    assert (response.status_code, response.json()["error"]["code"]) == (409, "conflict")
    assert statuses(response) == ["conflict"]
    assert [(row.label, row.source) for row in journal.disputes(round_id)] == [(0, "all")]
    assert journal.round(round_id).label == 2


def test_a_dispute_that_is_too_many_is_not_kept_and_says_so(stack, crm):
    (round_id,) = ask(stack, task="iris")
    crm.send(label(round_id))
    journal = stack.api.service.journal
    rows = [LabelRow(round_id, 100 + k, "crm", 1, "r") for k in range(MOST_DISPUTES)]
    journal.label(rows)
    response = crm.send(label(round_id, "setosa"))
    assert response.status_code == 409
    assert (
        f"as this token has disputed the round {MOST_DISPUTES} times" in response.json()["error"]["message"]
    )
    assert len(journal.disputes(round_id)) == MOST_DISPUTES


def test_of_two_labels_in_one_call_the_second_is_a_conflict_unless_it_is_the_same(stack, crm):
    round_id, other_id = ask(stack, 2)
    response = crm.send(label(round_id), label(other_id), label(round_id, 2), label(other_id, 0))
    assert (response.status_code, statuses(response)) == (200, ["accepted", "accepted", "known", "conflict"])


def test_an_unknown_id_is_a_404_that_names_it(crm):
    response = crm.send(label("0" * 32))
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (404, "unknown_round", "labels[0].id")
    assert "0" * 32 in error["message"]


@pytest.mark.parametrize("odd", ["", "nonsense", "\x00", "A" * 32, "é" * 500, "' OR 1=1 --"])
def test_an_invalid_id_is_unknown_too(crm, odd):
    assert (crm.send(label(odd)).status_code, statuses(crm.send(label(odd)))) == (404, ["unknown"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"label": "rose"}, "setosa, versicolor, virginica"),
        ({"label": "Virginica"}, "no such class"),
        ({"label": "2"}, "no such class"),
        ({"label": 3}, "from 0 to 2"),
        ({"label": -1}, "no such class"),
        ({"label": 1.5}, "no such class"),
        ({"label": True}, "no such class"),
        ({"label": None}, "no such class"),
        ({"label": ["virginica"]}, "no such class"),
        ({"value": 2}, "say 'label'"),
        ({}, "Say one of"),
        ({"label": 1, "value": 1}, "Say one of"),
        ({"label": 1, "labels": 1}, "Unknown field 'labels'"),
    ],
)
def test_a_wrong_label_is_a_422_with_its_reason_and_the_round_keeps_none(stack, crm, fields, words):
    (round_id,) = ask(stack)
    response = crm.send({"id": round_id, **fields})
    error = response.json()["error"]
    assert (response.status_code, error["code"], statuses(response)) == (422, "invalid_label", ["invalid"])
    assert words in error["message"]
    assert error["field"].startswith("labels[0]")
    assert stack.api.service.journal.round(round_id).label is None


@pytest.mark.parametrize("item", [None, 3, "x", [], {"label": 1}, {"id": 3, "label": 1}])
def test_an_item_that_is_no_label_is_invalid_and_does_not_affect_others(stack, crm, item):
    (round_id,) = ask(stack)
    response = crm.send(item, label(round_id))
    assert (response.status_code, statuses(response)) == (200, ["invalid", "accepted"])


def test_every_label_gets_its_own_answer_and_the_wrong_ones_touch_nothing(stack, crm):
    old, good, wrong, other = ask(stack, 4)
    films = Caller(stack, "films")
    age(stack, old, days=91)
    response = crm.send(label(old), label(good), label("f" * 32), label(wrong, "rose"), label(good, "setosa"))
    assert response.status_code == 200
    assert statuses(response) == ["expired", "accepted", "unknown", "invalid", "conflict"]
    codes = [result["error"] and result["error"]["code"] for result in response.json()["labels"]]
    assert codes == ["expired", None, "unknown_round", "invalid_label", "conflict"]
    assert statuses(films.send(label(other))) == ["forbidden"]
    journal = stack.api.service.journal
    assert [journal.round(round_id).label for round_id in (old, good, wrong, other)] == [None, 2, None, None]


def test_refused_labels_move_neither_the_ledger_nor_other_labels(start_stack):
    """The next label that is taken makes the next block, with one round in it and no more."""
    stack = start_stack()
    write_tokens(stack.home, "crm", "films")
    known, old, fresh, last = ask(stack, 4)
    crm = Caller(stack)
    age(stack, old, days=91)
    crm.send(label(known), query="?settled=true")
    before = books(stack)
    refused = [
        crm.send(label("f" * 32)),
        crm.send(label(fresh, "rose")),
        crm.send(label(known, "setosa")),
        crm.send(label(old)),
        Caller(stack, "foreign").send(label(fresh)),
        Caller(stack, "films").send(label(fresh)),
        crm.send(*[label(fresh)] * 100_000),
    ]
    assert [response.status_code for response in refused] == [404, 422, 409, 410, 401, 403, 413]
    assert books(stack) == before
    crm.send(label(last), query="?settled=true")
    assert books(stack) == {name: count + 1 for name, count in before.items()}


def books(stack):
    """The ledger's height, the labels that are settled in it, and those that the journal holds."""
    state = stack.api.service.ledger.head().state.task("iris")
    with sqlite3.connect(stack.home / "journal.sqlite", timeout=5) as connection:
        ((labels,),) = connection.execute("SELECT count(*) FROM labels")
    connection.close()
    return {"height": stack.client.ledger()["height"], "settled": state.labels, "labels": labels}


def age(stack, round_id, days):
    """Makes a round so much older."""
    with sqlite3.connect(stack.home / "journal.sqlite", timeout=5) as connection:
        connection.execute(
            "UPDATE rounds SET time = time - ? WHERE id = ?", (days * 86_400 * 10**6, round_id)
        )
    connection.close()


def test_a_label_that_comes_too_late_is_a_410(stack, crm):
    early, late = ask(stack, 2)
    age(stack, early, days=89)
    age(stack, late, days=91)
    response = crm.send(label(late))
    error = response.json()["error"]
    assert (response.status_code, error["code"], statuses(response)) == (410, "expired", ["expired"])
    assert "90 days" in error["message"]
    assert statuses(crm.send(label(early))) == ["accepted"]


def test_a_token_for_another_task_is_a_403_that_names_it_and_not_the_label(stack):
    (round_id,) = ask(stack)
    response = Caller(stack, "films").send(label(round_id))
    error = response.json()["error"]
    assert (response.status_code, error["code"], statuses(response)) == (403, "forbidden_task", ["forbidden"])
    assert error["message"] == "Token films labels film_rating; this round is one of iris."


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer foreign"}, {"authorization": "Basic eA=="}]
)
def test_a_foreign_token_is_a_401_and_labels_nothing(stack, headers):
    (round_id,) = ask(stack)
    response = stack.http.post("/v1/feedback", json={"labels": [label(round_id)]}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    assert "foreign" not in response.text
    assert stack.api.service.journal.round(round_id).label is None


def test_a_hundred_thousand_labels_at_once_are_a_413_and_none_is_taken(stack, crm):
    (round_id,) = ask(stack)
    response = crm.send(*[label(round_id)] * 100_000)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert stack.api.service.journal.round(round_id).label is None


def test_more_labels_than_a_call_takes_are_a_422_and_none_is_taken(stack, crm):
    (round_id,) = ask(stack)
    response = crm.send(*[label(round_id)] * 1001)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "too_many_labels")
    assert "1000" in response.json()["error"]["message"]
    assert stack.api.service.journal.round(round_id).label is None


@pytest.mark.parametrize(
    ("content", "status", "code", "field"),
    [
        (b"{", 400, "invalid_json", "body"),
        (b'{"labels": [{"id": "a", "label": NaN}]}', 400, "invalid_json", "body"),
        (b"[]", 422, "invalid_input", "body"),
        (b"{}", 422, "invalid_input", "labels"),
        (b'{"labels": []}', 422, "invalid_input", "labels"),
        (b'{"labels": {"id": "a"}}', 422, "invalid_input", "labels"),
        (b'{"labels": [], "rows": []}', 422, "invalid_input", "rows"),
    ],
)
def test_a_bad_body_is_refused_with_its_reason(stack, crm, content, status, code, field):
    headers = {"content-type": "application/json", **crm.headers}
    response = stack.http.post("/v1/feedback", content=content, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (status, code, field)


def test_a_misspelt_flag_is_refused_and_not_ignored(stack, crm):
    (round_id,) = ask(stack)
    response = crm.send(label(round_id), query="?setled=true")
    assert (response.status_code, response.json()["error"]["field"]) == (422, "setled")
    assert stack.api.service.journal.round(round_id).label is None


def test_a_round_without_a_quorum_takes_its_label_and_never_settles(start_stack):
    nodes = iris_nodes()
    stack = start_stack(nodes)
    write_tokens(stack.home, "crm")
    for node in nodes.values():
        node.fault = "error"
    answer = stack.http.post("/v1/tasks/iris/predict?recorded=true", json={"rows": [IRIS.example]})
    round_id = answer.json()["verdicts"][0]["id"]
    (result,) = Caller(stack).send(label(round_id)).json()["labels"]
    assert (result["status"], result["settlement"]) == ("accepted", "none")


def amounts(*values):
    return {
        f"n{i}": Node(StandInModel(AMOUNT, f"n{i}", lambda _row, v=value: [v], accuracy=None))
        for i, value in enumerate(values)
    }


@pytest.mark.parametrize(
    ("value", "steps"),
    [(12.5, 1250), (0.125, 12), (0.135, 14), (1e13, 10**15), (7, 700), (-3.004, -300), (0, 0)],
)
def test_a_value_is_counted_in_steps_of_the_resolution_half_to_even(amount_stack, value, steps):
    (round_id,) = ask(amount_stack, task="loan_amount", row=AMOUNT.example)
    assert statuses(Caller(amount_stack).send({"id": round_id, "value": value})) == ["accepted"]
    assert amount_stack.api.service.journal.round(round_id).label == steps


@pytest.mark.parametrize("value", [1e300, "12.5", True, None, 10**19])
def test_a_value_that_cannot_be_counted_is_invalid(amount_stack, value):
    (round_id,) = ask(amount_stack, task="loan_amount", row=AMOUNT.example)
    response = Caller(amount_stack).send({"id": round_id, "value": value})
    assert (response.status_code, statuses(response)) == (422, ["invalid"])


@pytest.fixture(scope="module")
def amount_stack(tmp_path_factory):
    from tests.service.conftest import serving, starting

    with serving() as serve, starting(serve, tmp_path_factory.mktemp("amounts")) as start:
        stack = start(amounts(100.0, 110.0, 120.0), task="loan_amount")
        write_tokens(stack.home, "crm")
        yield stack


def test_settled_waits_for_the_block(start_stack):
    stack = start_stack()
    write_tokens(stack.home, "crm")
    round_id, other_id = ask(stack, 2)
    response = Caller(stack).send(label(round_id), label("0" * 32), label(other_id), query="?settled=true")
    first, unknown, second = response.json()["labels"]
    height = stack.client.ledger()["height"]
    assert (first["settlement"], second["settlement"]) == ("settled", "settled")
    assert 0 < first["block"] <= height
    assert unknown["status"] == "unknown"
    again = Caller(stack).send(label(round_id)).json()["labels"][0]
    assert (again["status"], again["settlement"], again["block"]) == ("known", "settled", first["block"])


def test_a_seed_round_keeps_its_own_settlement_when_it_is_labelled(start_stack):
    stack = start_stack(terms='policy = "seed"')
    write_tokens(stack.home, "crm")
    answer = stack.predict(query="?settled=true").json()["verdicts"][0]
    (result,) = Caller(stack).send(label(answer["id"])).json()["labels"]
    assert (result["status"], result["settlement"], result["block"]) == (
        "accepted",
        "settled",
        answer["block"],
    )


def test_without_the_journal_a_label_is_a_503_and_is_taken_when_it_is_back(start_stack):
    stack = start_stack()
    write_tokens(stack.home, "crm")
    round_id, other_id = ask(stack, 2)
    path = stack.home / "journal.sqlite"
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        response = Caller(stack).send(label(round_id), label(other_id))
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "journal_unavailable")
    assert stack.api.service.journal.round(round_id).label is None
    assert statuses(Caller(stack).send(label(round_id), label(other_id))) == ["accepted", "accepted"]


def test_a_label_of_a_round_that_waits_for_a_full_disk_is_a_503_and_no_404(start_stack, monkeypatch):
    stack = start_stack()
    write_tokens(stack.home, "crm")
    recorder = stack.api.service.recorder
    with monkeypatch.context() as full:
        full.setattr(recorder._journal, "record", is_full)
        round_id = stack.predict().json()["verdicts"][0]["id"]
        wait_until(lambda: recorder.is_away)
        response = Caller(stack).send(label(round_id))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "journal_unavailable")
    wait_until(lambda: not recorder.is_away)
    assert statuses(Caller(stack).send(label(round_id))) == ["accepted"]


def is_full(_rows):
    raise JournalUnavailable("database or disk is full")


def test_a_label_that_names_a_field_twice_is_refused(stack, crm):
    (round_id,) = ask(stack)
    content = f'{{"labels": [{{"id": "{round_id}", "label": 1, "label": 2}}]}}'
    headers = crm.headers | {"content-type": "application/json"}
    error = stack.http.post("/v1/feedback", content=content, headers=headers).json()["error"]
    assert (error["code"], error["field"]) == ("invalid_input", "label")
    assert stack.api.service.journal.round(round_id).label is None


def test_a_label_that_names_a_field_twice_is_found_in_a_large_body_too(stack, crm):
    content = '{"labels": [' + '{"id": "x", "label": 1}, ' * 5000 + '{"id": "x", "id": "y"}]}'
    headers = crm.headers | {"content-type": "application/json"}
    error = stack.http.post("/v1/feedback", content=content, headers=headers).json()["error"]
    assert (error["code"], error["field"]) == ("invalid_input", "id")


def test_without_tokens_feedback_is_off_with_its_remedy(start_stack):
    stack = start_stack()
    (round_id,) = ask(stack)
    response = Caller(stack).send(label(round_id))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (403, "tokens_off")
    assert "concord tokens add" in error["message"]


def test_rounds_are_open_until_a_token_has_the_right_to_read_them(start_stack):
    stack = start_stack()
    (round_id,) = ask(stack)
    paths = ("/v1/rounds", f"/v1/rounds/{round_id}")
    write_tokens(stack.home, "crm")
    assert [stack.http.get(path).status_code for path in paths] == [200, 200]
    write_tokens(stack.home, "crm", "reader", "operator")
    os.utime(stack.home / "tokens.toml", ns=(0, 0))
    assert [stack.http.get(path).status_code for path in paths] == [401, 401]
    crm = stack.http.get("/v1/rounds", headers=Caller(stack).headers)
    assert (crm.status_code, crm.json()["error"]["code"]) == (403, "forbidden")
    for name in ("reader", "operator"):
        headers = Caller(stack, name).headers
        assert [stack.http.get(path, headers=headers).status_code for path in paths] == [200, 200]
    response = Caller(stack, "reader").send(label(round_id))
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    assert stack.http.get("/v1/nodes").status_code == 200


def test_the_client_sends_labels_and_returns_a_result_for_each(stack):
    round_id, other_id = ask(stack, 2)
    with Client(stack.url, token="secret-crm\n") as client:
        response = client.feedback([label(round_id), label("0" * 32)])
        with pytest.raises(Refused) as caught:
            client.feedback([label(other_id, "rose")])
    assert [result.status for result in response.labels] == ["accepted", "unknown"]
    assert (caught.value.answered, caught.value.code) == (422, "invalid_label")


def test_labels_are_counted_by_status_and_age(stack, crm):
    (round_id,) = ask(stack)
    before = metric(stack, 'concord_labels_total{status="accepted",task="iris"}')
    crm.send(label(round_id), label("0" * 32))
    after = metric(stack, 'concord_labels_total{status="accepted",task="iris"}')
    assert after - before == 1
    assert metric(stack, 'concord_labels_total{status="unknown",task=""}') >= 1
    assert metric(stack, 'concord_label_age_seconds_count{task="iris"}') >= 1


def test_metrics_show_the_nodes_after_a_settled_label(start_stack):
    """One of four is wrong: all that was taken was its, it is the less skilled, and the accounts add up."""
    stack = start_stack(iris_nodes(knn=1, forest=2, svm=2, tree=2))
    write_tokens(stack.home, "crm")
    (round_id,) = ask(stack)
    debits = [f'concord_debits_total{{right="{right}",task="iris"}}' for right in ("false", "true")]
    before = [metric(stack, name) for name in debits]
    Caller(stack).send(label(round_id), query="?settled=true")
    wait_until(lambda: metric(stack, 'concord_labelled_rounds{task="iris"}') == 1)

    wrong, right = (metric(stack, name) - was for name, was in zip(debits, before, strict=True))
    samples = {
        name: [metric(stack, f'concord_{name}{{node="{node}",task="iris"}}') for node in ("knn", "tree")]
        for name in ("hit_rate", "skill")
    }

    assert (wrong, right) == (pytest.approx(75), 0)
    assert samples["hit_rate"] == [0, 1]
    assert samples["skill"] == pytest.approx([0.66, 0.714423], abs=0.01)
    assert metric(stack, 'concord_imbalance{task="iris"}') == 0
    assert 'concord_imbalance{task="iris"}' in stack.http.get("/metrics").text


def metric(stack, name):
    lines = stack.http.get("/metrics").text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)


def test_no_log_line_holds_a_token_or_a_label(start_stack, caplog):
    stack = start_stack()
    write_tokens(stack.home, "crm")
    (round_id,) = ask(stack)
    caplog.clear()
    with caplog.at_level("DEBUG"):
        Caller(stack).send(label(round_id, "versicolor"))
        Caller(stack).send(label(round_id, "a-rose"))
        stack.http.post("/v1/feedback", json={}, headers={"authorization": "Bearer foreign-token"})
    written = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert not any(word in written for word in ("secret-crm", "foreign-token", "versicolor", "a-rose"))


def test_callers_at_once_label_every_round_once(stack):
    ids = ask(stack, 200)
    results, lock = [], threading.Lock()

    def send(name):
        for start in range(0, 200, 50):
            response = Caller(stack, name).send(*[label(round_id) for round_id in ids[start : start + 50]])
            with lock:
                results.extend(statuses(response))

    threads = [threading.Thread(target=send, args=(name,)) for name in ("crm", "all", "crm")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results.count("accepted"), results.count("known")) == (200, 400)


@pytest.mark.slow
@pytest.mark.guard
def test_a_thousand_labels_a_second_settle_without_a_loss(start_stack):
    """Calls of 100 at the pace of 1,000 a second: none is refused, and all are settled soon after."""
    stack = start_stack()
    write_tokens(stack.home, "crm")
    ids = [round_id for _ in range(5) for round_id in ask(stack, 1000)]
    crm, began = Caller(stack), time.monotonic()
    for turn, start in enumerate(range(0, len(ids), 100)):
        time.sleep(max(0, began + turn / 10 - time.monotonic()))
        assert set(statuses(crm.send(*[label(round_id) for round_id in ids[start : start + 100]]))) == {
            "accepted"
        }
    assert time.monotonic() - began < 8

    def settled():
        # Who waits makes blocks come sooner: each takes 1,000 rounds.
        crm.send(*[label(round_id) for round_id in ids[-100:]], query="?settled=true")
        return stack.api.service.journal.due_count() == 0

    wait_until(settled, 30)
    assert len(stack.api.service.journal.heights(ids)) == len(ids)
