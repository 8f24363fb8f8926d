"""What every database of rows promises: SQLite in the quick tests, servers in the slow ones.

A test asks for `url`, an empty database's.
"""

import csv
import gzip
import json
import threading

import pytest
import sqlalchemy as sa

from concord.errors import DataError, UnknownName
from training.data.database.address import read_address
from training.data.database.engine import RowDatabase
from training.data.database.export import export
from training.data.database.inspection import describe_table, list_tables
from training.data.database.load_file import load_file
from training.data.database.tables import OURS, loads
from training.data.dataset import read_file
from training.data.sources import read_rows
from training.tasks import select

IRIS = "sepal_length,sepal_width,petal_length,petal_width,species"
FILM = "id,title,release_date,budget,revenue,runtime,vote_count,vote_average"
LOAN = (
    "customer_id,credit_lines_outstanding,loan_amt_outstanding,total_debt_outstanding,income,"
    "years_employed,fico_score,default"
)
PERSON = (
    "nom,age,taille,poids,sexe,sport_licence,niveau_etude,region,smoker,nationalité_francaise,"
    "revenu_estime_mois,montant_pret"
)
PEOPLE = [
    "Fleury,58,175.0,67.9,H,oui,bac+2,Corse,oui,oui,3277,6705.14",
    "Roy,41,160.5,55.25,F,,master,Provence-Alpes-Côte d’Azur,non,non,2100,500.0",
    "Blanc,41,160.5,55.25,F,non,doctorat,Île-de-France,non,oui,2100,12000.1",
]


def task(name):
    return select([name])[0]


def load(name, path, url, **options):
    """Loads a file; its summary, and whatever was told."""
    told = []
    summary, beside = load_file(
        task(name),
        path,
        read_address(url, name),
        report=told.append,
        show_note=told.append,
        refused=options.get("refused"),
    )
    return summary, beside, told


def lines_of(url, table, *columns):
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = sa.table(table, *(sa.column(name) for name in (*columns, "row_id")))
        query = sa.select(*(found.c[name] for name in columns)).order_by(found.c.row_id)
        return [tuple(row) for row in connection.execute(query)]


def flowers(count, start=0):
    return [
        f"{1 + number % 20}.{number % 9 + 1},3.5,1.4,0.2,setosa" for number in range(start, start + count)
    ]


def test_what_was_loaded_is_what_the_file_says(url, csv_file):
    for name, header, rows in (
        ("loan_amount", PERSON, PEOPLE),
        (
            "film_rating",
            FILM,
            ["7,A,1965-03-02,9,9,90.5,9,6", "8,B,,9,9,91,9,8", "9,C,2024-05-01,0,9,92,9,8"],
        ),
        ("iris", IRIS, [*flowers(5), *flowers(5)]),
    ):
        path = csv_file(header, *rows)
        load(name, path, url)
        there, wanted = read_rows(task(name), url), read_file(task(name), path)
        assert there.digest == wanted.digest
        assert (there.times is None) == (wanted.times is None)
        assert wanted.times is None or there.times.tolist() == wanted.times.tolist()
        assert there.name == name


def test_a_cell_that_a_rule_fills_stays_empty_in_the_table(url, csv_file):
    load("loan_amount", csv_file(PERSON, *PEOPLE), url)
    assert lines_of(url, "loan_amount", "sport_licence", "answer") == [
        ("oui", 6705.14),
        (None, 500.0),
        ("non", 12000.1),
    ]
    assert read_rows(task("loan_amount"), url).empty == {"sport_licence": 1}


def test_the_same_file_again_changes_nothing(url, csv_file):
    path = csv_file(IRIS, *flowers(30), *flowers(30))
    first, _, _ = load("iris", path, url)
    again, _, _ = load("iris", path, url)
    assert (first.loaded, first.known) == (60, 0)
    assert (again.loaded, again.known) == (0, 60)
    assert len(lines_of(url, "iris", "row_key")) == 60


def test_a_file_that_has_grown_brings_what_is_new(url, csv_file):
    load("iris", csv_file(IRIS, *flowers(10)), url)
    summary, _, _ = load("iris", csv_file(IRIS, *flowers(14), flowers(1)[0]), url)
    assert (summary.loaded, summary.known) == (5, 10)
    assert [line for (line,) in lines_of(url, "iris", "row_line")] == [*range(2, 16), 16]


def test_a_row_of_a_name_of_its_own_is_replaced_by_what_it_says_now(url, csv_file):
    load("film_rating", csv_file(FILM, "7,A,2024-01-01,9,9,90,9,6", "8,B,2024-01-01,9,9,90,9,6"), url)
    summary, _, _ = load(
        "film_rating", csv_file(FILM, "7,A,2024-01-01,9,99,90,50,8", "8,B,2024-01-01,9,9,90,9,6"), url
    )
    assert (summary.loaded, summary.changed, summary.known) == (0, 1, 1)
    found = lines_of(url, "film_rating", "row_key", "revenue", "vote_count", "answer")
    assert found == [("7", 99, 50, "good"), ("8", 9, 9, "average")]


def test_names_are_told_apart_by_every_letter(url, csv_file):
    rows = [f"{name},0,9.5,8.5,9000,5,700,0" for name in ("a1", "A1", "á1")]
    summary, _, _ = load("loan_default", csv_file(LOAN, *rows), url)
    assert summary.loaded == 3


def test_one_bad_row_among_many_is_refused_and_the_others_are_loaded(url, csv_file):
    path = csv_file(
        IRIS, *flowers(20), "5.1,=wide(),1.4,0.2,setosa", "5.1,3.5", *flowers(20, 20), name="f.csv"
    )
    summary, beside, _ = load("iris", path, url)
    assert (summary.read, summary.loaded, summary.refused) == (42, 40, 2)
    assert beside.name == "f.refused.csv"
    with beside.open(newline="") as file:
        header, wide, ragged = csv.reader(file)
    assert header == ["line", "reason", *IRIS.split(",")]
    assert (wide[0], wide[2:]) == ("22", ["5.1", "'=wide()", "1.4", "0.2", "setosa"])
    assert wide[1].startswith("sepal_width must be a number, not the text '=wide()'.")
    assert (ragged[0], ragged[2:]) == ("23", ["5.1", "3.5"])
    assert ragged[1].startswith("2 cells where the header names 5 columns.")


def test_rows_that_say_too_little_are_counted_by_their_column(url, csv_file):
    summary, _, _ = load("iris", csv_file(IRIS, "5.1,,1.4,0.2,setosa", "5.1,3.5,1.4,0.2,", *flowers(3)), url)
    assert (summary.loaded, dict(summary.dropped)) == (3, {"sepal_width": 1, "species": 1})


def test_batches_are_loaded_one_by_one_and_what_is_told_is_durable(url, csv_file, monkeypatch):
    monkeypatch.setattr("training.data.database.load_file.BATCH", 10)
    path = csv_file(IRIS, *flowers(25))
    _, _, told = load("iris", path, url)
    assert [one.total for one in told] == [path.stat().st_size] * 3
    assert told[-1].done == path.stat().st_size

    class Cut(Exception):
        pass

    def cut(done):
        assert len(lines_of(url, "iris_2", "row_key")) == done.summary.loaded == 10
        raise Cut

    with pytest.raises(Cut):
        load_file(
            task("iris"),
            path,
            read_address(f"{url}#iris_2", "iris"),
            report=cut,
            show_note=print,
            refused=None,
        )
    summary, _, _ = load("iris", path, f"{url}#iris_2")
    assert (summary.loaded, summary.known) == (15, 10)
    assert read_rows(task("iris"), f"{url}#iris_2").digest == read_rows(task("iris"), url).digest


def test_more_than_half_refused_is_an_error_before_the_batch_is_stored(url, csv_file, monkeypatch):
    monkeypatch.setattr("training.data.database.load_file.BATCH", 10)
    bad = ["x,3.5,1.4,0.2,setosa"] * 40
    with pytest.raises(DataError, match=r"13 of the first 20 rows .* nothing more is loaded") as caught:
        load("iris", csv_file(IRIS, *flowers(7), *bad), url)
    assert "The first is line 9: sepal_length must be a number" in caught.value.message
    assert len(lines_of(url, "iris", "row_key")) == 7


def test_two_loaders_at_once_store_each_row_once(url, csv_file, monkeypatch):
    monkeypatch.setattr("training.data.database.load_file.BATCH", 100)
    path, failed = csv_file(IRIS, *flowers(1000)), []

    def run():
        try:
            load("iris", path, url)
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [repr(error) for error in failed] == []
    assert len(lines_of(url, "iris", "row_key")) == 1000


def test_a_table_of_another_task_or_schema_or_of_somebody_else_is_refused(url, csv_file):
    load("iris", csv_file(IRIS, *flowers(3)), url)
    with pytest.raises(DataError, match=r"holds rows of iris\. Name another table"):
        load("film_rating", csv_file(FILM, "7,A,2024-01-01,9,9,90,9,6"), f"{url}#iris")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE loan_default (x INTEGER)")
        made = json.dumps({"columns": {"sepal_length": "number"}, "answer": "label", "observed": False})
        connection.execute(OURS.tables["concord_tables"].update().values(layout=made))
    with pytest.raises(DataError, match=r"did not make\. Name another one"):
        load("loan_default", csv_file(LOAN, "1,0,9.5,8.5,9000,5,700,0"), url)
    for use in (lambda: load("iris", csv_file(IRIS, *flowers(3)), url), lambda: read_rows(task("iris"), url)):
        with pytest.raises(DataError, match=r"'sepal_width' was nothing and is number now\. Load the rows"):
            use()


def test_a_table_that_is_not_there_is_named_with_those_that_are(url, csv_file):
    load("iris", csv_file(IRIS, *flowers(3)), url)
    with pytest.raises(UnknownName, match=r"no table 'loan_default' of rows\. There are iris"):
        read_rows(task("loan_default"), url)


def test_a_row_that_the_task_no_longer_admits_ends_the_reading(url, csv_file):
    load("loan_amount", csv_file(PERSON, *PEOPLE), url)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    table = sa.table("loan_amount", sa.column("region"), sa.column("age"), sa.column("row_line"))
    for change, what in (
        ({"region": "Alsace"}, "no choice of region"),
        ({"region": "Corse", "age": 5}, "age that is not from 18 to 120"),
    ):
        with engine.begin() as connection:
            connection.execute(table.update().where(table.c.row_line == 3).values(change))
        with pytest.raises(DataError, match=rf"loan_amount, row_id \d+: {what}"):
            read_rows(task("loan_amount"), url)


def test_what_is_exported_can_be_loaded_again_with_the_same_keys(url, csv_file, tmp_path):
    for name, header, rows in (
        ("loan_amount", PERSON, PEOPLE),
        ("film_rating", FILM, ["7,A,1965-03-02,9,9,90.5,9,6", "8,B,,9,9,91,9,8"]),
    ):
        load(name, csv_file(header, *rows), url)
        for out in (tmp_path / f"{name}.csv", tmp_path / f"{name}.csv.gz"):
            assert export(task(name), read_address(url, name), out, force=False, report=print) == len(rows)
            summary, _, _ = load(name, out, url)
            assert (summary.known, summary.loaded, summary.changed) == (len(rows), 0, 0)
        assert gzip.decompress(out.read_bytes()) == out.with_suffix("").read_bytes()
        with pytest.raises(DataError, match="--force"):
            export(task(name), read_address(url, name), out, force=False, report=print)


def test_a_look_shows_tables_columns_and_loads(url, csv_file):
    load("loan_amount", csv_file(PERSON, *PEOPLE), url)
    load("film_rating", csv_file(FILM, "7,A,1965-03-02,9,9,90,9,6"), url)
    assert [
        (one["table"], one["rows"], len(one["loads"])) for one in list_tables(read_address(url, "x"))
    ] == [
        ("film_rating", 1, 1),
        ("loan_amount", 3, 1),
    ]
    seen = describe_table(task("loan_amount"), read_address(url, "loan_amount"))
    columns = {column["name"]: column for column in seen["columns"]}
    assert columns["age"] == {
        "name": "age",
        "empty": 0,
        "least": 41,
        "mean": pytest.approx(140 / 3),
        "most": 58,
    }
    assert columns["sport_licence"] == {"name": "sport_licence", "empty": 1, "choices": {"non": 1, "oui": 1}}
    (made,) = seen["loads"]
    assert (made["source"], made["read"], made["loaded"]) == ("rows.csv", 3, 3)
    assert made["ended_at"] >= made["began_at"]
    film = describe_table(task("film_rating"), read_address(url, "film_rating"))
    assert film["columns"][-1]["first"] == "1965-03-02T00:00:00+00:00"


def test_a_load_that_was_cut_off_is_seen_to_be(url, csv_file, monkeypatch):
    monkeypatch.setattr("training.data.database.load_file.BATCH", 10)
    with pytest.raises(DataError):
        load("iris", csv_file(IRIS, *flowers(10), *["x,3.5,1.4,0.2,setosa"] * 20), url)
    database = RowDatabase(read_address(url, "iris"))
    with database.reading() as connection:
        row = connection.execute(sa.select(loads.c.read, loads.c.ended_at)).one()
    database.close()
    assert tuple(row) == (20, None)
