"""A file is checked whole before anything is sent, and its answers appear whole or not at all."""

import csv
import stat

import pytest

from concord.cli.files import out_file, table_file
from concord.errors import Conflict, InvalidInput
from concord.types.answers import Verdict

HEADER = "name,sepal_length,sepal_width,petal_length,petal_width\n"
MISSPELT = "sepal_length,sepal_width,petal_length,petal_widht\n1,2,3,4\n"


def verdict(**fields):
    defaults = {
        "id": "ab" * 16, "task": "iris", "status": "ok", "label": "virginica", "value": None, "unit": None,
        "sentence": None, "probabilities": None, "agreement": 0.75, "policy": "wager", "pool": None,
        "height": 1, "recorded": True, "settlement": "none", "votes": [],
    }  # fmt: skip
    return Verdict(**{**defaults, **fields})


@pytest.fixture
def file(tmp_path):
    """Writes a CSV file."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "rows.csv"
        path.write_text(text, encoding)
        return path

    return write


def test_columns_of_the_task_are_asked_and_others_kept(file, iris):
    table = table_file.load(file("\ufeff" + HEADER + "a,1,2,3,4\n\nb,5,6,7,8\n"), iris)
    assert [row["petal_width"] for row in table.rows] == [4, 8]
    assert table.unsent == ("name",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (HEADER, "no rows"),
        (MISSPELT, "line 1: .*'petal_width' is missing. Is it 'petal_widht'"),
        ("name,name\n1,2\n", "there twice"),
        (HEADER + "a,1,2,3,4\nb,1,2,3\n", "line 3: 4 cells"),
        (HEADER + "a,1,2,3,4\nb,1,zwei,3,4\n", "line 3: sepal_width takes .*'zwei'"),
        (
            HEADER + "a,1,,3,4\nb,1,-2,3,4\nc,1,2,3,4\n",
            "line 2: sepal_width .* 1 more lines are wrong",
        ),
        (HEADER + '"two\nlines",1,2,3,4\nb,1,2,3,999\n', "line 4: petal_width"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(file, iris, text, words):
    with pytest.raises(InvalidInput, match=words):
        table_file.load(file(text), iris)


def test_a_file_in_another_encoding_is_refused(file, iris):
    with pytest.raises(InvalidInput, match="not UTF-8"):
        table_file.load(file(HEADER + "é,1,2,3,4\n", "latin-1"), iris)


def test_answers_stand_beside_the_rows_and_no_cell_is_a_formula(file, iris):
    table = table_file.load(file(HEADER + "=1+1,1,2,3,4\n-5,1,2,3,4\n"), iris)
    answers = [verdict(), verdict(label="@evil", agreement=None, status="no_quorum", id="")]
    lines = list(csv.reader(table_file.render(table, answers).splitlines()))
    assert lines[0][-4:] == ["answer", "agreement", "status", "id"]
    assert lines[1] == ["'=1+1", "1", "2", "3", "4", "virginica", "0.750000", "ok", "ab" * 16]
    assert lines[2] == ["-5", "1", "2", "3", "4", "'@evil", "", "no_quorum", ""]


def test_a_column_of_the_input_keeps_its_name_where_ours_has_the_same(file, iris):
    table = table_file.load(file("id,sepal_length,sepal_width,petal_length,petal_width\n7,1,2,3,4\n"), iris)
    assert (
        table_file.render(table, [verdict()]).splitlines()[0].endswith("answer,agreement,status,concord_id")
    )


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "answers.csv"
    target.write_text("old")
    monkeypatch.setattr(out_file.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"), out_file.replacing(target) as file:
        file.write(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["answers.csv"]
    assert target.read_text() == "old"


def test_a_written_file_is_as_readable_as_any(tmp_path):
    with out_file.replacing(tmp_path / "answers.csv") as file:
        file.write(b"text")
    (tmp_path / "other.csv").touch()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_nothing_is_overwritten_unless_forced_and_the_input_never(tmp_path):
    source, target = tmp_path / "rows.csv", tmp_path / "answers.csv"
    source.touch()
    target.touch()
    with pytest.raises(Conflict, match="--force overwrites"):
        table_file.check_target(source, target, force=False)
    table_file.check_target(source, target, force=True)
    with pytest.raises(Conflict, match="is read"):
        table_file.check_target(source, source, force=True)
    with pytest.raises(InvalidInput, match="no folder"):
        table_file.check_target(source, tmp_path / "none" / "a.csv", force=False)
