"""`concord predict --file`: empty cells by the task's rules, and wrong lines left out, are said and kept."""

import json
import os
import threading

import pytest

from concord.tasks.profile import TrainingProfile
from tests.unit.cli.test_table_file import verdict

HEADER = "sepal_length,sepal_width,petal_length,petal_width\n"


class Service:
    """A service of the task iris, whose rules fill an empty petal_width."""

    def __init__(self, schema):
        self.schema_of, self.rows = schema, []

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def schema(self, _task):
        return self.schema_of

    def profile(self, _task):
        number = {"edges": [1.0], "shares": [0.5, 0.5], "minimum": 0, "maximum": 2}
        names = [feature.name for feature in self.schema_of.features]
        features = dict.fromkeys(names, number) | {"petal_width": number | {"fill": 0.2}}
        return TrainingProfile.from_json({"rows": 2, "features": features})

    def predict(self, _task, rows):
        self.rows += rows
        return type("Response", (), {"verdicts": [verdict() for _ in rows]})()


@pytest.fixture
def service(monkeypatch, iris):
    client = Service(iris)
    monkeypatch.setattr("concord.cli.commands.predict.connect", lambda: client)
    return client


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "1,2,3,\n1,2,3,4\nx,2,3,4\n")
    return path


def test_a_file_with_wrong_lines_is_refused_as_a_whole(run, service, file):
    result = run("predict", "iris", "--file", str(file))
    assert (result.exit_code, service.rows) == (2, [])
    assert "--rules fills empty cells" in result.output
    assert "--skip-invalid leaves" in result.output


def test_empty_cells_are_filled_by_the_rules_and_wrong_lines_are_kept(run, service, file, tmp_path):
    target = tmp_path / "answers.csv"
    options = ("--rules", "--skip-invalid", "--out", str(target), "--json")
    result = run("predict", "iris", "--file", str(file), *options)
    assert [row["petal_width"] for row in service.rows] == [0.2, 4]
    told = json.loads(result.stdout)
    assert (told["rows"], told["filled"], told["skipped"]) == (2, {"petal_width": 1}, 1)
    skipped = (tmp_path / "answers.skipped.csv").read_text().splitlines()
    assert (skipped[1][:2], skipped[1][-8:]) == ("4,", ",x,2,3,4")
    assert "answers.skipped.csv: 1 line, each with its reason" in result.stderr
    assert "filled by the rules of iris: petal_width 1" in result.stderr


def test_a_file_of_wrong_lines_is_not_overwritten(run, service, file, tmp_path):
    (tmp_path / "rows.skipped.csv").touch()
    result = run("predict", "iris", "--file", str(file), "--skip-invalid")
    assert (result.exit_code, service.rows) == (2, [])


@pytest.mark.parametrize("option", ["--rules", "--skip-invalid"])
def test_what_is_about_files_needs_one(run, service, option):
    assert f"{option} goes with --file" in run("predict", "iris", option).output


def test_with_rules_an_empty_cell_that_none_fills_is_not_sent_to_the_rules(run, service, file):
    file.write_text(HEADER + ",2,3,4\n")
    result = run("predict", "iris", "--file", str(file), "--rules")
    assert "The task's rules fill no such cell." in result.output
    assert "--rules fills" not in result.output


def test_what_was_left_out_can_be_asked_again(run, service, file, tmp_path):
    target = tmp_path / "rows.skipped.csv"
    run("predict", "iris", "--file", str(file), "--skip-invalid")
    run("predict", "iris", "--file", str(target), "--skip-invalid", "--out", str(tmp_path / "again.csv"))
    assert target.read_text().startswith("line,reason,")
    target.write_text(target.read_text().replace("x,2,3,4", "1,2,3,4"))
    run("predict", "iris", "--file", str(target), "--skip-invalid", "--out", str(tmp_path / "again.csv"))
    assert (tmp_path / "again.skipped.csv").read_text().startswith("concord_line,concord_reason,line,reason,")


def test_a_pipe_is_read_like_a_file(run, service, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(HEADER + "1,2,3,4\n"))
    writer.start()
    result = run("predict", "iris", "--file", str(pipe))
    writer.join()
    assert (result.exit_code, len(service.rows)) == (0, 1)
