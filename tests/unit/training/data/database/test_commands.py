"""`data show` and `data export` say what there is; training learns from a table as from a file."""

import json

import pytest
from click.testing import CliRunner

from tests.unit.training.data.database.conformance import IRIS, PEOPLE, PERSON, flowers, load, task
from training.__main__ import main
from training.fit_tasks import prepare


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return "sqlite:///rows.sqlite"


def run(*arguments):
    return CliRunner().invoke(main, ["data", *arguments])


def test_an_empty_database_and_its_tables_are_shown(url, csv_file, tmp_path):
    (tmp_path / "rows.sqlite").touch()
    assert "There are no tables of rows yet" in run("show", "--from", url).stdout
    load("loan_amount", csv_file(PERSON, *PEOPLE), url)
    assert "loan_amount" in run("show", "--from", url).stdout
    shown = run("show", "loan_amount", "--from", url).stdout
    assert "loan_amount: 3 rows of loan_amount in sqlite:///rows.sqlite" in shown
    assert "bac+2 1, doctorat 1, master 1" in " ".join(shown.split())
    told = json.loads(run("show", "loan_amount", "--from", url, "--json").stdout)
    assert (told["rows"], told["loads"][0]["loaded"]) == (3, 3)


def test_a_load_counts_rows_without_a_cell_by_their_column_in_json(url, csv_file):
    path = csv_file(IRIS, "5.1,,1.4,0.2,setosa", *flowers(3))
    summary = json.loads(run("load", "iris", str(path), "--to", url, "--json").stdout)
    assert (summary["loaded"], summary["dropped"]) == (3, {"sepal_width": 1})


def test_an_export_says_how_many_rows_it_wrote(url, csv_file, tmp_path):
    load("iris", csv_file(IRIS, *flowers(5)), url)
    assert run("export", "iris", "--from", url, "--out", "out.csv").stdout == "5 rows are in out.csv.\n"
    again = run("export", "iris", "--from", url, "--out", "out.csv")
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)
    assert run("export", "iris", "--from", url, "--out", "out.csv", "--force").exit_code == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_options_of_tmdb_are_about_tmdb(url, csv_file):
    done = run("load", "iris", str(csv_file(IRIS, *flowers(3))), "--to", url, "--votes", "5")
    assert (done.exit_code, "--votes and --older are about tmdb" in done.stderr) == (2, True)


def test_a_fit_reads_a_table_as_it_reads_the_file(url, csv_file):
    rows = [
        f"{1 + n % 29}.{n % 7 + 1},3.{n % 9},1.{n % 8},{len(one)},{one}"
        for n in range(60)
        for one in ("setosa", "versicolor", "virginica")
    ]
    path = csv_file(IRIS, *rows)
    load("iris", path, url)
    (table,) = prepare([task("iris")], {"iris": f"{url}#iris"}, 42)
    (file,) = prepare([task("iris")], {"iris": str(path)}, 42)
    assert table.data.digest == file.data.digest
    assert table.parts.test.rows.tolist() == file.parts.test.rows.tolist()
    assert table.data.source == "sqlite:///rows.sqlite#iris"
