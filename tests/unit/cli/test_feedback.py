"""`concord feedback`: a file is checked whole before anything is sent, and every line's result is shown."""

import json
import re

import pytest

from concord.cli.commands import feedback
from concord.cli.files import label_file
from concord.errors import ConfigurationError, InvalidInput, Refused, ServiceAway
from concord.tasks.csv_dialect import CsvDialect
from concord.types.rounds import FeedbackResponse, LabelResult
from concord.types.tasks import TaskSummary

CLASSES = {"setosa", "versicolor", "virginica"}


def round_id(number):
    return f"{number:032x}"


@pytest.fixture
def file(tmp_path):
    """Writes a CSV file of labels; returns its path."""

    def write(text):
        path = tmp_path / "labels.csv"
        path.write_text(text.replace("#", "0" * 30), "utf-8")
        return path

    return write


def load(path, classes=CLASSES, id_column="id", label_column="label"):
    return label_file.load(path, id_column, label_column, classes)


def test_labels_are_names_or_numbers_and_other_columns_are_left(file):
    path = file("name,id,label\na,#01,virginica\n\nb,#02,2\nc,#03, 12.5 \n")
    assert [(label.line, label.id, label.label) for label in load(path)] == [
        (2, round_id(1), "virginica"),
        (4, round_id(2), "2"),
        (5, round_id(3), "12.5"),
    ]


def test_what_may_be_a_number_is_sent_as_its_text_for_the_rounds_task_to_read(run, service, file):
    client = service()
    run("feedback", str(file("id,label\n#01,setosa\n#02,3\n#03,1.0\n")))
    run("feedback", round_id(4), "1")
    assert [label for labels, _ in client.calls for label in labels] == [
        {"id": round_id(1), "label": "setosa"},
        {"id": round_id(2), "text": "3"},
        {"id": round_id(3), "text": "1.0"},
        {"id": round_id(4), "text": "1"},
    ]


def test_one_number_written_in_two_ways_is_one_label(file):
    assert len(load(file("id,label\n#01,1\n#01,1.0\n"))) == 2


def test_columns_may_have_other_names(file):
    path = file("round,species\n#01,setosa\n")
    assert load(path, id_column="round", label_column="species")[0].label == "setosa"


def test_a_round_may_stand_there_twice_with_the_same_label(file):
    assert len(load(file("id,label\n#01,setosa\n#01,setosa\n"))) == 2


def test_a_name_and_a_number_of_one_round_are_left_to_the_service(file):
    assert [label.label for label in load(file("id,label\n#01,virginica\n#01,2\n"))] == ["virginica", "2"]


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfid,label\r\n" + b"0" * 31 + b"1,setosa\r\n")
    assert [(label.line, label.label) for label in load(path)] == [(2, "setosa")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,label\n", "no labels"),
        ("id,labels\n#01,setosa\n", "'label' is missing. Did you mean 'labels'.*--label-column"),
        ("id,id,label\n#01,#01,setosa\n", "'id' is there twice"),
        ("id,label\n#01,setosa\nx,setosa\n", "line 3: 'x' is no round's id"),
        ("id,label\n#01,\n", "line 2: the label is empty"),
        ("id,label\n#01,virginca\n", "line 2: no task has a class 'virginca'.*Did you mean 'virginica'"),
        ("id,label\n#01,setosa,1\n", "line 2: 3 cells"),
        ("id,label\n#01,a\n#02,b\n#03,setosa\n", "line 2: .*1 more lines are wrong. Nothing was sent"),
        ("id,label\n#01,setosa\n#01,virginica\n", "line 3: line 2 labels the same round otherwise"),
        ("id,label\n#01,1\n#01,2\n", "line 3: line 2 labels the same round otherwise"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(file, text, words):
    with pytest.raises(InvalidInput, match=words):
        load(file(text))


def test_any_text_may_be_a_class_where_not_all_are_known():
    assert label_file.read_label("rose", None) == "rose"


@pytest.mark.parametrize(("text", "sent"), [("007", "007"), ("1,50", "1.50")])
def test_digits_are_sent_as_they_stand(text, sent):
    dialect = CsvDialect(";", comma=True)
    assert label_file.read_label(text, None, dialect) == label_file.read_label(text, (), dialect) == sent


@pytest.mark.parametrize("text", ["NA", ""])
def test_where_every_task_has_values_an_empty_label_is_none(text):
    with pytest.raises(InvalidInput, match="the label is empty"):
        label_file.read_label(text, ())


class FakeClient:
    """A service that answers the calls with `answers` in turn, then accepts everything."""

    def __init__(self, schema, *answers):
        self.schema_of, self.answers, self.calls = schema, list(answers), []

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def tasks(self):
        return [TaskSummary("iris", "Iris", "", "wager", ready=True, nodes=4, nodes_up=4)]

    def schema(self, _task):
        return self.schema_of

    def feedback(self, labels, *, settled=False):
        self.calls.append((labels, settled))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return FeedbackResponse("r", answer or [accepted(label["id"], settled=settled) for label in labels])


def accepted(id_, *, settled=False):
    return LabelResult(id_, "accepted", "settled" if settled else "due", 7 if settled else None, None)


def failed(id_, status, message):
    return LabelResult(id_, status, "none", None, {"code": status, "message": message, "field": None})


@pytest.fixture
def service(monkeypatch, iris):
    """Has the command ask a stand-in service."""

    def put(*answers):
        client = FakeClient(iris, *answers)
        monkeypatch.setattr("concord.cli.commands.feedback.connect", lambda: client)
        return client

    return put


def test_a_file_is_sent_in_calls_of_a_hundred(run, service, file):
    client = service()
    path = file("id,label\n" + "".join(f"{round_id(n)},setosa\n" for n in range(250)))
    result = run("feedback", str(path), "--settled")
    assert result.exit_code == 0
    assert [len(labels) for labels, _ in client.calls] == [100, 100, 50]
    assert client.calls[0] == ([{"id": round_id(n), "label": "setosa"} for n in range(100)], True)
    assert "250 labels: accepted 250." in result.output
    assert "250 settled, the newest in block 7." in result.output


def test_what_failed_is_listed_by_line_and_makes_the_exit_status_1(run, service, file):
    gone = [accepted(round_id(1)), failed(round_id(2), "unknown", "There is no such round.")]
    service(gone)
    result = run("feedback", str(file("id,label\n#01,setosa\n#02,setosa\n")))
    assert result.exit_code == 1
    assert "accepted 1, unknown 1" in result.output
    assert f"line 3, {round_id(2)}: unknown. There is no such round." in result.output


def test_a_call_of_which_every_label_failed_is_shown_line_by_line_too(run, service, file):
    body = {
        "labels": [
            {"id": round_id(1), "status": "conflict", "settlement": "due", "block": None,
             "error": {"code": "conflict", "message": "Another one.", "field": None}}
        ]
    }  # fmt: skip
    service(Refused("Another one.", status=409, code="conflict", body=body))
    result = run("feedback", str(file("id,label\n#01,setosa\n")), "--json")
    shown = json.loads(result.output)
    assert result.exit_code == 1
    assert (shown["labels"], shown["status"], shown["settled"]) == (1, {"conflict": 1}, 0)
    assert shown["failures"][0] == {
        "line": 2, "id": round_id(1), "status": "conflict",
        "error": {"code": "conflict", "message": "Another one.", "field": None},
    }  # fmt: skip


def test_one_label_is_sent_by_its_id(run, service):
    client = service()
    result = run("feedback", round_id(5), "virginica")
    assert (result.exit_code, client.calls) == (0, [([{"id": round_id(5), "label": "virginica"}], False)])
    assert "1 label: accepted 1." in result.output
    assert "in the next block: 1." in result.output


def test_labels_that_move_no_stake_are_counted(run, service):
    service([LabelResult(round_id(5), "accepted", "none", None, None)])
    assert "below the quorum, so no stake moves: 1." in run("feedback", round_id(5), "setosa").output


def test_an_id_without_a_label_is_not_taken_for_a_file(run, service):
    client = service()
    result = run("feedback", round_id(5))
    assert (result.exit_code, client.calls) == (2, [])
    assert "What was true of this round?" in result.output


def test_a_wrong_file_sends_nothing(run, service, file):
    client = service()
    result = run("feedback", str(file("id,label\n#01,setosa\n#02,rose\n")))
    assert (result.exit_code, client.calls) == (2, [])


def test_a_file_that_is_broken_off_says_how_far_it_came(run, service, file):
    service(None, Refused("This token is not known here.", status=401, code="unauthorized"))
    path = file("id,label\n" + "".join(f"{round_id(n)},setosa\n" for n in range(150)))
    result = run("feedback", str(path))
    assert result.exit_code == 2
    assert "100 of 150 labels were sent. Send the file again" in result.output
    assert "not known here" in result.output


BUSY = Refused("busy", status=429, code="overloaded", retry_after=3)
AWAY = Refused("away", status=503, code="journal_unavailable")


def test_a_busy_or_absent_service_is_asked_again(iris):
    client, waits = FakeClient(iris, BUSY, AWAY, ServiceAway("gone")), []
    labels = [label_file.FileLabel(2, round_id(1), "setosa")]
    assert feedback.send(client, labels, sleep=waits.append)[0].status == "accepted"
    assert waits == [3, 1.0, 1.0]


@pytest.mark.parametrize("error", [AWAY, BUSY, ServiceAway("gone")])
def test_after_a_minute_it_is_given_up(iris, error):
    waits = []
    with pytest.raises(type(error)):
        feedback.send(FakeClient(iris, *[error] * 99), [label_file.FileLabel(2, round_id(1), "1")],
                      sleep=waits.append)  # fmt: skip
    assert 60 <= sum(waits) <= 63


@pytest.mark.parametrize("token", ["tökèn", "a\nb"])
def test_a_token_that_no_header_can_carry_is_refused_in_words(run, monkeypatch, token):
    from concord.client import Client

    with pytest.raises(ConfigurationError, match="copy it anew") as caught:
        Client("http://127.0.0.1:1", token=token)
    assert token not in caught.value.message


@pytest.mark.parametrize(("cells", "label"), [(["1,5", "2,25"], "1.5"), (["setosa", "1,5"], "setosa")])
def test_numbers_between_semicolons_are_read_as_the_file_writes_them(file, cells, label):
    lines = [f"{round_id(place)};{cell}" for place, cell in enumerate(cells)]
    assert load(file("\n".join(["id;label", *lines])))[0].label == label


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"id;label\n{round_id(1)};26.648\n", "may be two numbers. Write one of these: 26648 / 26.6480"),
        (f'id,label\n{round_id(1)},"1,5"\n', "is no number. Decimals are written with a point. Write 1.5"),
        (f"sep=;\nid;lable\n{round_id(1)};1\n", "line 2: column 'label' is missing"),
    ],
)
def test_a_number_that_may_be_two_and_a_missing_column_are_told_where_they_stand(file, text, words):
    with pytest.raises(InvalidInput, match=re.escape(words)):
        load(file(text))


@pytest.mark.parametrize("text", ["None", "NA"])
def test_where_not_all_classes_are_known_what_looks_empty_may_be_a_class(file, text):
    path = file(f"id,label\n#01,{text}\n")
    assert [one.label for one in label_file.load(path, "id", "label", None)] == [text]
