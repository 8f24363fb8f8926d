"""A file that cannot be loaded says what is wrong with it and what to do, and leaves nothing half done."""

import gzip
import json

import pytest
from click.testing import CliRunner

from tests.unit.training.data.database.conformance import IRIS, flowers, lines_of
from training.__main__ import main


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Runs `data load iris FILE` on the bytes of a file, or on a path."""
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "home"))

    def run(content, *options, name="rows.csv"):
        path = content
        if isinstance(content, bytes):
            path = tmp_path / name
            path.write_bytes(content)
        url = f"sqlite:///{tmp_path}/rows.sqlite"
        return CliRunner().invoke(main, ["data", "load", "iris", str(path), "--to", url, *options])

    return run


def there(tmp_path):
    return len(lines_of(f"sqlite:///{tmp_path}/rows.sqlite", "iris", "row_id"))


def text(*lines):
    return "\n".join([IRIS, *lines]).encode()


BAD = {
    "UTF-16": ("\n".join([IRIS, *flowers(5)]).encode("utf-16"), "rows.csv is not UTF-8 (it is UTF-16)."),
    "Latin-1": (text(*flowers(5)) + "\n1,2,3,4,sétosa".encode("latin-1"), "rows.csv is not UTF-8 (line 7)."),
    "empty": (b"", "rows.csv is empty. It needs a header line"),
    "a header only": (text(), "rows.csv has a header and no rows."),
    "a missing column": (
        text(*flowers(5)).replace(b"petal_width", b"petal_widht"),
        "has no column 'petal_width'. Is it 'petal_widht'?",
    ),
    "all lines ragged": (text("1,2,3", "1,2", "1,2,3,4"), "3 of the first 3 rows of rows.csv are refused"),
    "an open quote": (text(*flowers(5), '1,"2,3,4,setosa', *flowers(5)), "opened in line 7 is never closed."),
    "a broken gzip": (gzip.compress(text(*flowers(5)))[:-9], "rows.csv is a broken gzip"),
    "no line end": (b"a," * 600_000, "more than 1,048,576 characters without an end."),
    "zeros only": (text("0,0,0,0,setosa"), "1 of the first 1 rows of rows.csv are refused"),
    "a blank row": (text(",,,,"), "rows.csv has a header and no rows."),
    "an empty row": (text(",,,1,"), "has no row left: column 'sepal_length' is empty in 1 of 1."),
    "a spreadsheet": (
        b"PK\x03\x04rest",
        "rows.csv is a spreadsheet (.xlsx, .ods), and no CSV file. Open it and",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_gets_a_clear_answer_and_status_2(load, case):
    content, answer = BAD[case]
    done = load(content, "--json")
    assert done.exit_code == 2, done.output
    assert answer in json.loads(done.stdout)["error"]["message"]
    assert "Traceback" not in done.output


def test_a_folder_and_a_file_that_is_not_there_are_told(load, tmp_path):
    assert "it is a folder. Name a file in it." in load(tmp_path).stderr
    missing = load(tmp_path / "none.csv")
    assert (missing.exit_code, "No such file or directory. Check the path." in missing.stderr) == (2, True)
    assert not (tmp_path / "rows.sqlite").exists()


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.gz"])
def test_a_gzip_is_read_whatever_it_is_called_and_said_to_be_one(load, tmp_path, name):
    done = load(gzip.compress(text(*flowers(5))), name=name)
    assert done.exit_code == 0, done.output
    assert f"{name} is a gzip; it is read as the file in it." in done.stderr
    assert there(tmp_path) == 5


def test_a_plain_file_called_gz_is_read_too(load, tmp_path):
    assert load(text(*flowers(5)), name="rows.csv.gz").exit_code == 0
    assert there(tmp_path) == 5


def test_bytes_that_are_none_end_the_work_where_they_are_and_mended_it_goes_on(load, tmp_path, monkeypatch):
    monkeypatch.setattr("training.data.database.load_file.BATCH", 200)
    # Far enough that the first batch is stored before they are read.
    bad = text(*flowers(2000)) + "\n1,2,3,4,sétosa\n".encode("latin-1")
    assert "rows.csv is not UTF-8 (line 2002)." in load(bad).stderr
    kept = there(tmp_path)
    assert 0 < kept < 2000
    done = load(text(*flowers(2000)), "--json")
    assert json.loads(done.stdout)["known"] == kept
    assert there(tmp_path) == 2000


def test_the_summary_says_what_became_of_every_row(load, tmp_path):
    done = load(text(*flowers(5), "x,3.5,1.4,0.2,setosa", ",3.5,1.4,0.2,setosa"))
    assert done.exit_code == 0
    lines = done.stdout.replace(str(tmp_path), "").splitlines()
    counts = "7 rows read: 5 loaded, 1 without sepal_length left out, 1 refused."
    assert lines == [
        f"{counts} They are in sqlite:////rows.sqlite#iris.",
        "The refused rows are in /rows.refused.csv, each with its line and the reason.",
    ]


def test_a_line_that_is_no_csv_is_refused_and_the_next_ones_are_read(load, tmp_path):
    done = load(text(*flowers(5), '"1"2,3.5,1.4,0.2,setosa', *flowers(5, 5)), "--json")
    assert (json.loads(done.stdout)["loaded"], json.loads(done.stdout)["refused"]) == (10, 1)
    assert (tmp_path / "rows.refused.csv").read_text().splitlines()[1].startswith("7,\"no CSV: ',' expected")


def test_mended_refused_rows_can_be_loaded_as_they_are(load, tmp_path):
    load(text(*flowers(5), "x,3.5,1.4,0.2,setosa"))
    mended = (tmp_path / "rows.refused.csv").read_text().replace(",x,", ",9.5,")
    assert load(mended.encode(), name="mended.csv").exit_code == 0
    assert there(tmp_path) == 6


def test_refused_rows_go_where_they_are_wanted(load, tmp_path):
    bad = text(*flowers(5), "x,3.5,1.4,0.2,setosa")
    assert load(bad, "--refused", str(tmp_path / "other.csv")).exit_code == 0
    assert (tmp_path / "other.csv").exists()
    nowhere = load(bad, "--refused", str(tmp_path / "no" / "other.csv"))
    assert (nowhere.exit_code, "Say --refused FILE" in nowhere.stderr) == (2, True)


def test_refused_rows_do_not_take_the_place_of_the_file_that_they_are_from(load, tmp_path):
    path, content = tmp_path / "rows.csv", text(*flowers(5), "1,2,3")
    done = load(content, "--refused", str(path))
    assert (done.exit_code, "cannot go into" in done.stderr) == (2, True)
    assert path.read_bytes() == content
