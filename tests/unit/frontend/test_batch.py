"""What a person meets on the batch page: template, checks, asking, answers, and every way it fails."""

import csv
import io
from itertools import chain

import pytest
from streamlit.testing.v1 import AppTest

from concord.client import Client
from concord.errors import InvalidInput, JournalUnavailable, Overloaded
from concord.tasks.csv_dialect import COMMA_SEPARATED, CsvDialect
from concord.tasks.csv_rows import InvalidTable, Table
from frontend.views.batch import answers, data, uploads
from frontend.views.batch import page as view
from frontend.views.batch.data import Batch, RowAnswer
from tests.unit.frontend.conftest import clear_caches
from tests.unit.frontend.fake_batch import FakeBatchService, thistles
from tests.unit.frontend.fake_service import FLOWER, LOAN, loan_verdict, no_quorum, verdict
from tests.unit.frontend.test_predict import press, text

HEADER = "petal_length,petals,place\n"
GOOD = HEADER + "1.4,5,shade\n3,6,sun\n"


@pytest.fixture
def service(monkeypatch):
    fake = FakeBatchService(answer=thistles).start()
    monkeypatch.setenv("CONCORD_URL", fake.url)
    yield fake
    clear_caches()
    fake.stop()


@pytest.fixture
def open_batch(service):
    """Opens the page, with a file if there is one to bring."""

    def script(url):
        from frontend.text import language
        from frontend.views.batch import page as batch

        language.choose()
        batch.show(url)

    def drawn(content=None, *, name="flowers.csv", url=None, **address):
        page = AppTest.from_function(script, args=(url or service.url,), default_timeout=20)
        for key, value in address.items():
            page.query_params[key] = value
        page.run()
        if content is not None:
            data = content if isinstance(content, bytes) else content.encode()
            page.file_uploader[0].set_value((name, data, "text/csv")).run()
        return page

    return drawn


def sheet(rows):
    return HEADER + "".join(f"{1 + i % 3}.5,{1 + i % 40},sun\n" for i in range(rows))


def answer_table(page):
    return page.dataframe[0].value


def downloaded(schema, batch):
    return list(csv.reader(io.StringIO(answers.write_csv(schema, batch).decode("utf-8-sig"))))


def flower_batch(rows=250):
    table = uploads.read_upload(sheet(rows).encode(), FLOWER)
    batch = Batch("flowers.csv", table)
    batch.begin()
    return batch


def test_the_page_begins_with_a_template_and_what_to_do(open_batch):
    page = open_batch()
    assert "No file yet" in page.info[0].value
    assert [item.label for item in page.get("download_button")] == ["Download the template"]
    assert "`petals`: Petals Admitted: whole number, 1 to 40. Example: 5." in text(page)


def test_the_template_is_a_file_that_can_be_asked():
    table = uploads.read_upload(uploads.write_template(FLOWER, COMMA_SEPARATED), FLOWER)
    assert isinstance(table, Table)
    assert table.rows == ({"petal_length": 1.4, "petals": 5, "place": "shade"},)


def test_the_french_template_is_one_that_french_spreadsheets_open():
    data = uploads.write_template(FLOWER, view.SEMICOLONS)
    assert data.decode("utf-8-sig") == "petal_length;petals;place\n1,4;5;shade\n"
    assert uploads.read_upload(data, FLOWER).rows == ({"petal_length": 1.4, "petals": 5, "place": "shade"},)


def test_nothing_is_sent_before_the_person_asks(open_batch, service):
    page = open_batch(GOOD)
    assert "2 rows of flowers.csv can be asked" in page.success[0].value
    assert service.calls == []


def test_a_file_is_asked_and_its_answers_stand_beside_its_columns(open_batch, service):
    page = press(open_batch("name," + HEADER + "Ann,1.4,5,shade\nBob,3,6,sun\n"), "Ask about 2 rows")
    table = answer_table(page)
    assert list(table.columns) == [
        "Line", "Answer", "How sure", "Agreement", "Status",
        "name", "petal_length", "petals", "place", "Round id",
    ]  # fmt: skip
    assert list(table["Line"]) == [2, 3]
    assert list(table["name"]) == ["Ann", "Bob"]
    assert list(table["Answer"]) == ["rose", "thistle"]
    assert list(table["How sure"]) == pytest.approx([87, 80])
    assert list(table["Status"]) == ["✔ all nodes voted"] * 2
    assert "All 2 rows are answered" in page.success[0].value
    assert service.calls == [
        [
            {"petal_length": 1.4, "petals": 5, "place": "shade"},
            {"petal_length": 3, "petals": 6, "place": "sun"},
        ]
    ]


def test_a_thousand_rows_are_asked_a_hundred_a_call(open_batch, service):
    page = press(open_batch(sheet(1000)), "Ask about 1,000 rows")
    assert [len(rows) for rows in service.calls] == [100] * 10
    assert answer_table(page)["Answer"].value_counts().to_dict() == {"thistle": 666, "rose": 334}
    assert "thistle **666** · rose **334**" in text(page)
    assert answer_table(page)["Round id"].is_unique


def test_columns_that_the_task_does_not_have_are_said_and_not_sent(open_batch):
    page = open_batch("note," + HEADER + "x,1.4,5,shade\n")
    assert "Not sent, and kept for the answers: note." in text(page)


def test_what_is_wrong_stands_in_a_table_and_nothing_is_sent(open_batch, service):
    page = open_batch(HEADER + "1.4,5,shade\nlong,5.5,Sun\n99,,moon\n1,2\n")
    assert "7 things in the file are wrong" in page.error[0].value
    table = page.dataframe[0].value
    assert list(table["Line"]) == [3, 3, 3, 4, 4, 4, 5]
    assert list(table["Column"])[:6] == ["petal_length", "petals", "place"] * 2
    assert list(table["What is wrong"]) == [
        "“long” is no number.",
        "“5.5” is no whole number.",
        "“Sun” is none of the choices.",
        "“99” is not admitted.",
        "The cell is empty.",
        "“moon” is none of the choices.",
        "The line has 2 cells, the header 3.",
    ]
    assert table["What to do"][2] == "Is it “sun”?"
    assert table["What to do"][3] == "Enter: 0.1 to 30 cm."
    assert service.calls == []
    assert not [button for button in page.button if button.label.startswith("Ask")]


def test_the_first_hundred_problems_are_shown_and_all_are_counted(open_batch):
    page = open_batch(HEADER + "0,0,x\n" * 50)
    assert "150 things in the file are wrong" in page.error[0].value
    assert "The first 100 are shown" in text(page)
    assert len(page.dataframe[0].value) == 100


def test_a_missing_column_is_named_with_the_one_that_was_probably_meant(open_batch):
    table = open_batch("petal_lenght,petals\n1,2\n").dataframe[0].value
    assert list(table["Column"]) == ["petal_length", "place"]
    assert list(table["What to do"]) == [
        "Is it “petal_lenght”? Then rename that one.",
        "Add it; the template has every column.",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"\n\n", "The file is empty"),
        (HEADER.encode(), "The file has no rows"),
        ((HEADER + ",,\n,,\n").encode(), "The file has no rows"),
        (GOOD.replace("sun", "été").encode("latin-1"), "not in UTF-8"),
        (GOOD.encode("utf-16"), "not in UTF-8"),
        (GOOD.encode("utf-16-le"), "not in UTF-8"),
        (b'petal_length,petals,place\n"1,2,sun\n', "This is no CSV file"),
        (sheet(uploads.MOST_ROWS + 1).encode(), "too many rows:** 10,000 are admitted"),
        (",".join(f"c{i}" for i in range(20_000)).encode(), "too many columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained_with_what_to_do(open_batch, service, content, words):
    page = open_batch(content)
    assert words in page.error[0].value
    assert service.calls == []


def test_a_file_over_the_limit_is_told_the_limit(open_batch, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 3 << 20)
    content = GOOD + "# " + "x" * (4 << 20)
    result = uploads.read_upload(content.encode(), FLOWER)
    assert result == uploads.UnreadableFile("too_large", len(content))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace(",", ";").encode(),
        GOOD.replace(",", "\t").encode(),
        GOOD.replace(",", ";").replace(".", ",").encode(),
        GOOD.replace("\n", "\r\n").encode(),
        (GOOD + ",,\n\n").encode(),
    ],
    ids=["mark", "semicolons", "tabs", "decimal commas", "windows", "empty lines"],
)
def test_what_spreadsheets_write_is_read(content):
    table = uploads.read_upload(content, FLOWER)
    assert isinstance(table, Table)
    assert [row["petal_length"] for row in table.rows] == [1.4, 3]


def test_a_comma_is_no_decimal_sign_where_others_have_a_point():
    result = uploads.read_upload(b"petal_length;petals;place\n1,234;5;sun\n1.5;5;sun\n", FLOWER)
    assert isinstance(result, InvalidTable)
    assert [(item.kind, item.line) for item in result.problems] == [("thousands", 2)]


def test_a_number_that_may_have_signs_between_its_thousands_is_refused():
    """A German 26.648 is 26648, and in another country's sheet it is not."""
    result = uploads.read_upload(b"petal_length;petals;place\n26.648;5;sun\n", FLOWER)
    assert isinstance(result, InvalidTable)
    assert [(item.kind, item.meant) for item in result.problems] == [("ambiguous", "26648 / 26.6480")]


def test_a_spreadsheet_is_told_to_be_saved_as_csv(open_batch):
    assert "This is a spreadsheet and no CSV file" in open_batch(b"PK\x03\x04rest").error[0].value


def test_a_failed_slice_is_told_with_its_lines_and_asked_again_alone(open_batch, service):
    def second(_rows):
        return JournalUnavailable("The journal cannot be written.") if len(service.calls) == 2 else None

    service.fault = second
    page = press(open_batch(sheet(250)), "Ask about 250 rows")
    assert "150 of 250 rows are answered" in page.warning[0].value
    assert "Lines 102 to 201: The journal cannot be written. (`page-" in text(page)
    assert list(answer_table(page)["Status"]).count("– no answer yet") == 100
    before = answer_table(page)["Round id"]

    page = press(page, "Ask about the 100 rows without an answer")
    assert "All 250 rows are answered" in page.success[0].value
    assert [len(rows) for rows in service.calls] == [100, 100, 50, 100]
    assert service.calls[3] == service.calls[1]
    assert list(answer_table(page)["Round id"][before.notna()]) == list(before.dropna())


def test_a_refused_row_is_named_by_its_line(open_batch, service):
    service.fault = lambda rows: InvalidInput("petals must be at most 9.", field="rows[1].petals")
    page = press(open_batch(GOOD), "Ask about 2 rows")
    assert "line 3, column petals: petals must be at most 9." in text(page)


def test_after_three_failures_in_a_row_the_rest_is_left_and_said(open_batch, service):
    service.fault = lambda _rows: JournalUnavailable("The journal cannot be written.")
    page = press(open_batch(sheet(1000)), "Ask about 1,000 rows")
    assert len(service.calls) == data.MOST_FAILURES
    assert "The rest was not asked" in text(page)
    assert "Ask about the 1,000 rows without an answer" in [button.label for button in page.button]


def test_a_service_that_goes_away_leaves_the_batch_to_go_on_with(open_batch, service):
    page = open_batch(GOOD)
    port = int(service.url.rpartition(":")[2])
    service.stop()
    page = press(page, "Ask about 2 rows")
    assert "the consensus service did not answer" in text(page)
    service.start(port)
    page = press(page, "Ask about the 2 rows without an answer")
    assert "All 2 rows are answered" in page.success[0].value


def test_rows_below_the_quorum_are_said_and_can_be_asked_again(open_batch, service):
    service.answer = lambda task, row: no_quorum() if row["petals"] == 6 else verdict()
    page = press(open_batch(GOOD), "Ask about 2 rows")
    assert "Too few nodes voted on one row." in text(page)
    assert list(answer_table(page)["Status"]) == ["✔ all nodes voted", "✕ too few nodes voted"]
    service.answer = thistles
    page = press(page, "Ask about the row without an answer")
    assert service.calls[-1] == [{"petal_length": 3, "petals": 6, "place": "sun"}]
    assert "All 2 rows are answered" in page.success[0].value


def test_a_call_of_which_no_row_has_a_quorum_is_answered_too(open_batch, service):
    service.answer = lambda *_: no_quorum()
    page = press(open_batch(GOOD), "Ask about 2 rows")
    assert list(answer_table(page)["Status"]) == ["✕ too few nodes voted"] * 2
    assert all(answer_table(page)["Round id"])


def test_a_regression_shows_values_and_no_sureness(open_batch, service):
    service.answer = lambda *_: loan_verdict()
    page = open_batch("age,income\n45,3200.5\n", task="loan")
    page = press(page, "Ask about one row")
    table = answer_table(page)
    assert list(table["Answer"]) == ["11,900.00 EUR"]
    assert "How sure" not in table.columns
    assert "From 11,900.00 EUR to 11,900.00 EUR" in text(page)


def test_a_persons_column_with_our_name_keeps_its_cells(open_batch):
    page = press(open_batch("Answer," + HEADER + "mine,1.4,5,shade\n"), "Ask about one row")
    assert list(answer_table(page)["Answer (file)"]) == ["mine"]
    assert list(answer_table(page)["Answer"]) == ["rose"]


def test_another_file_takes_the_place_of_the_first(open_batch):
    page = press(open_batch(GOOD), "Ask about 2 rows")
    page.file_uploader[0].set_value(("more.csv", sheet(3).encode(), "text/csv")).run()
    assert "3 rows of more.csv can be asked" in page.success[0].value
    page.file_uploader[0].set_value(None).run()
    assert "No file yet" in page.info[0].value


def test_the_answers_stay_while_another_task_is_looked_at(open_batch, service):
    page = press(open_batch(GOOD), "Ask about 2 rows")
    page.selectbox(key="task").select("loan").run()
    assert not page.dataframe
    page.selectbox(key="task").select("flower").run()
    assert "All 2 rows are answered" in page.success[0].value
    assert len(service.calls) == 1


def test_the_page_speaks_french(open_batch):
    page = open_batch(HEADER + "long,5,sun\n", lang="fr")
    assert "Une chose ne va pas dans le fichier" in page.error[0].value
    assert list(page.dataframe[0].value["Que faire"]) == ["Saisissez\xa0: 0,1 à 30 cm."]


def test_a_service_that_is_away_is_told(open_batch):
    assert "The consensus service is away" in open_batch(url="http://127.0.0.1:9").error[0].value


def test_a_service_without_tasks_says_how_one_comes_to_be(open_batch, service):
    service.schemas = {}
    assert "There is no task yet" in open_batch().info[0].value


def test_a_stopped_batch_keeps_its_answers_and_goes_on_with_the_rest(service):
    batch = flower_batch()
    running = batch.run(data.make_predictor(Client(service.url), "flower"))
    next(running)
    batch.stop()
    assert list(running) == []
    assert (batch.answered, len(service.calls)) == (100, 1)
    batch.begin()
    list(batch.run(data.make_predictor(Client(service.url), "flower")))
    assert (batch.answered, [len(rows) for rows in service.calls]) == (250, [100, 100, 50])


def test_a_batch_that_is_interrupted_goes_on_where_it_was_and_repeats_no_failure():
    asked = []

    def ask(rows, _id):
        asked.append(len(rows))
        if len(asked) == 1:
            raise JournalUnavailable("away")
        return [verdict() for _ in rows]

    batch = flower_batch()
    running = batch.run(ask)
    next(running)
    running.close()
    list(batch.run(ask))
    assert (asked, batch.answered, len(batch.failures)) == ([100, 100, 50], 150, 1)


def test_a_busy_service_is_waited_for_and_then_given_up():
    waited, answers = [], [Overloaded("Wait.", retry_after=2)] * 2

    def ask(rows, _id):
        if answers:
            raise answers.pop()
        return [verdict() for _ in rows]

    batch = flower_batch(50)
    list(batch.run(ask, waited.append))
    assert (batch.answered, len(waited)) == (50, 2)

    def always(_rows, _id):
        raise Overloaded("Wait.", retry_after=2)

    batch = flower_batch(50)
    list(batch.run(always, waited.append))
    assert (batch.answered, [item.code for item in batch.failures]) == (0, ["overloaded"])


def test_a_call_that_is_too_large_is_asked_in_halves():
    asked = []

    def ask(rows, _id):
        if len(rows) > 30:
            raise InvalidInput("Too many.", code="too_many_rows")
        asked.append([row["petals"] for row in rows])
        return [verdict() for _ in rows]

    batch = flower_batch(100)
    list(batch.run(ask))
    assert [len(rows) for rows in asked] == [25] * 4
    assert list(chain(*asked)) == [row["petals"] for row in batch.table.rows]
    assert batch.answered == 100


def test_the_download_has_every_line_and_is_safe_in_a_spreadsheet():
    content = "note," + HEADER + "=1+1,1.4,5,shade\n@x,3,6,sun\n-4,1,5,sun\n"
    batch = Batch("f.csv", uploads.read_upload(content.encode(), FLOWER))
    batch.replies[0] = RowAnswer("a" * 32, "ok", "rose", None, 0.87, 1.0)
    batch.replies[1] = RowAnswer("b" * 32, "no_quorum", None, None, None, None)
    assert downloaded(FLOWER, batch) == [
        ["note", "petal_length", "petals", "place", "answer", "sure", "agreement", "status", "id"],
        ["'=1+1", "1.4", "5", "shade", "rose", "0.870000", "1.000000", "ok", "a" * 32],
        ["'@x", "3", "6", "sun", "", "", "", "no_quorum", "b" * 32],
        ["-4", "1", "5", "sun", "", "", "", "not_asked", ""],
    ]


def test_the_download_is_written_as_the_file_was():
    table = uploads.read_upload(b"age;income\n45;3200,5\n", LOAN)
    assert table.dialect == CsvDialect(";", comma=True)
    batch = Batch("f.csv", table)
    batch.replies[0] = RowAnswer("a" * 32, "ok", None, -11900.5, None, 0.5)
    written = answers.write_csv(LOAN, batch).decode("utf-8-sig").splitlines()
    assert written[1] == f"45;3200,5;-11900,5;0,500000;ok;{'a' * 32}"
    assert len(written) == 2
