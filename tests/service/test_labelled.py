"""Labelled rows over HTTP: what models learn from anew, oldest first, and by who may read rounds."""

import pytest

from concord.client import Client
from concord.errors import DataError, Refused, ServiceAway
from concord.journal import streams
from concord.journal.rows import LabelRow, RoundRow
from tests.service.labelling import write_tokens
from tests.service.stack import AMOUNT, IRIS, Node, StandInModel
from training.data.sources import read_rows
from training.tasks import select

FLOWER = b'{"sepal_length":6.0,"sepal_width":2.7,"petal_length":5.1,"petal_width":1.6}'
SECOND = 10**6


def record(stack, count, task="iris", features=FLOWER, first=0):
    """Rounds a second apart, as they would be after as many calls."""
    rows = [
        RoundRow(
            f"{number:032x}", task, number * SECOND, "ok", "wager", 1, "r", b"{}", features, None, due=False
        )
        for number in range(first, first + count)
    ]
    stack.api.service.journal.record(rows)
    return [row.id for row in rows]


def label(stack, ids, value=2):
    stack.api.service.journal.label([LabelRow(round_id, value, "crm", 1, "r") for round_id in ids])


def page(stack, **query):
    response = stack.http.get("/v1/tasks/iris/labelled", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def test_labelled_rows_come_oldest_first_in_pages_and_each_once(start_stack, monkeypatch):
    monkeypatch.setattr(streams, "ROWS", 7)
    stack = start_stack()
    ids = record(stack, 50)
    label(stack, ids[::3])
    first = page(stack, limit=4)
    assert [row["id"] for row in first["rows"]] == ids[:12:3]
    assert first["rows"][1]["time"] == "1970-01-01T00:00:03.000+00:00"
    assert (first["rows"][0]["label"], first["rows"][0]["features"]["petal_width"]) == ("virginica", 1.6)
    assert [row.id for row in stack.client.labelled("iris", at_once=4)] == ids[::3]
    since = [row.id for row in stack.client.labelled("iris", since="1970-01-01T00:00:30+00:00")]
    assert since == ids[30::3]


def test_a_page_looks_at_so_many_rounds_and_the_next_one_goes_on(start_stack, monkeypatch):
    monkeypatch.setattr(streams, "ROWS", 5)
    monkeypatch.setattr(streams, "LOOKED_AT", 10)
    stack = start_stack()
    ids = record(stack, 30)
    label(stack, [ids[27]])
    first = page(stack)
    assert first["rows"] == []
    assert first["next"] is not None
    assert [row.id for row in stack.client.labelled("iris")] == [ids[27]]


def test_forgotten_and_unlabelled_rows_are_left_out(start_stack):
    stack = start_stack()
    ids = record(stack, 4)
    label(stack, ids[:2])
    stack.api.service.journal.forget([ids[0]])
    assert [row["id"] for row in page(stack)["rows"]] == [ids[1]]


def test_a_value_comes_in_its_unit(start_stack):
    node = Node(StandInModel(AMOUNT, "ridge", lambda row: [1.0]))
    stack = start_stack({"ridge": node}, task="loan_amount")
    label(stack, record(stack, 1, "loan_amount", b'{"age":40,"region":"Corse"}'), 1_234_550)
    (row,) = stack.client.labelled("loan_amount")
    assert row.label == 12345.5


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"after": "x"}, "after"),
        ({"since": "x"}, "since"),
    ],
)
def test_an_invalid_query_is_refused_with_its_field(module_stack, query, field):
    response = module_stack.http.get("/v1/tasks/iris/labelled", params=query)
    assert (response.status_code, response.json()["error"]["field"]) == (422, field)


def test_labelled_rows_are_for_those_who_may_read_rounds(start_stack):
    stack = start_stack()
    label(stack, record(stack, 1))
    write_tokens(stack.home, "crm", "reader")
    with pytest.raises(Refused) as caught:
        list(stack.client.labelled("iris"))
    assert caught.value.answered == 401
    with Client(stack.url, token="secret-reader") as reader:
        assert len(list(reader.labelled("iris"))) == 1
    with Client(stack.url, token="secret-crm") as labeller, pytest.raises(Refused) as caught:
        list(labeller.labelled("iris"))
    assert caught.value.answered == 403


def test_training_reads_the_journal_over_http_with_its_token(start_stack, monkeypatch):
    (iris,) = select(["iris"])
    stack = start_stack()
    write_tokens(stack.home, "reader")
    monkeypatch.setenv("CONCORD_URL", stack.url)
    monkeypatch.setenv("CONCORD_TOKEN", "secret-reader")
    with pytest.raises(DataError, match="no labelled rows of iris"):
        read_rows(iris, "journal")
    ids = record(stack, 3)
    old = record(stack, 1, features=b'{"sepal_length":6.0}', first=3)
    label(stack, [*ids, *old])
    data = read_rows(iris, "journal")
    assert (data.name, data.source, data.dropped) == ("journal", "journal", {"another schema": 1})
    assert data.rows.tolist() == IRIS.read_rows([IRIS.example] * 3).tolist()
    assert (data.answers.tolist(), data.times.tolist()) == ([2, 2, 2], [0, SECOND, 2 * SECOND])


def test_training_reports_a_service_that_is_away(monkeypatch):
    monkeypatch.setenv("CONCORD_URL", "http://127.0.0.1:9")
    with pytest.raises(ServiceAway):
        read_rows(select(["iris"])[0], "journal")
