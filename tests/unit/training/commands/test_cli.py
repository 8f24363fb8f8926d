"""`python -m training` says what it does; a mistake is a sentence and an exit code."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from training.__main__ import main
from training.commands.fit import _table
from training.fit_tasks import FitResult
from training.registry.registry import Registry

GUIDE = Path(__file__).parents[4] / "docs" / "new-task.md"
(NEW_TASK,) = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
"""The new task of the tests is the guide's example, so what the guide prints is what was fitted."""


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Runs the command line with a home of its own."""
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def size(tmp_path, monkeypatch, iris_home):
    """A new task, one new file beside the others and nothing else, and a registry that has Iris."""
    import training.tasks

    (tmp_path / "home").mkdir()
    shutil.copy(iris_home / "mlflow.db", tmp_path / "home")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "size.py").write_text(NEW_TASK)
    monkeypatch.setattr(training.tasks, "__path__", [*training.tasks.__path__, str(tmp_path / "tasks")])


@pytest.mark.usefixtures("size")
def test_the_guides_example_is_one_new_file_and_a_new_task(training, tmp_path):
    done = training("fit", "size", "--json")
    (made,) = json.loads(done.stdout)
    assert (made["model"], made["version"]) == ("size.line", "1")
    assert made["metrics"]["accuracy"] > 0.8
    assert "size.line" in Registry(tmp_path / "home").champions()


@pytest.mark.usefixtures("size")
def test_a_users_own_file_is_learned_from(training, tmp_path):
    rows = [f"{place / 100},{place / 100}" for place in range(100)]
    (tmp_path / "mine.csv").write_text("\n".join(["number,size", *rows]))
    done = training("fit", "size", "--data", "size=mine.csv")
    assert done.exit_code == 0
    assert "size: 80 rows to learn and 20 held out (mine.csv)" in done.stderr
    assert "by accuracy on held-out rows" in done.stdout


@pytest.mark.usefixtures("size")
def test_a_task_with_all_champions_can_be_left_alone(training):
    training("fit", "size")
    done = training("fit", "size", "--missing")
    assert "nothing to fit" in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("size")
def test_only_a_node_that_is_missing_is_fitted_and_from_the_rows_of_its_siblings(training, tmp_path):
    """A node that joined the task's file since: its siblings' champions, fitted on the user's rows, stay."""
    rows = [f"{place / 100},{place / 100}" for place in range(100)]
    (tmp_path / "mine.csv").write_text("\n".join(["number,size", *rows]))
    training("fit", "size", "--data", "size=mine.csv")
    before = Registry(tmp_path / "home").champions()
    file = tmp_path / "tasks" / "size.py"
    file.write_text(
        NEW_TASK.replace("nodes={", 'nodes={"other": lambda: make_pipeline(LogisticRegression(C=9)),')
    )
    sys.modules.pop("training.tasks.size")
    done = training("fit", "size", "--missing", "--json")
    assert [result["model"] for result in json.loads(done.stdout)] == ["size.other"]
    assert Registry(tmp_path / "home").champions().items() > before.items()
    origins = Registry(tmp_path / "home").origins(
        Registry(tmp_path / "home").champions()["size.other"].run_id
    )
    assert [origin.source for origin in origins] == [str(tmp_path / "mine.csv")]
    (tmp_path / "mine.csv").unlink()
    assert "--data size=SOURCE" in training("fit", "size").stderr


@pytest.mark.usefixtures("size")
def test_a_node_that_fails_stops_no_other_and_is_told(training, monkeypatch):
    from concord.errors import TrainingError

    monkeypatch.setattr(
        "training.fit_tasks.fit", lambda *_: (_ for _ in ()).throw(TrainingError("It broke [here]."))
    )
    done = training("fit", "size", "iris")
    assert done.exit_code == 1
    assert done.stdout.count("failed") == 6
    assert "✗ It broke [here]." in done.stderr


@pytest.mark.usefixtures("size")
def test_a_node_that_fails_is_told_on_stderr_beside_the_json(training, monkeypatch):
    from concord.errors import TrainingError

    monkeypatch.setattr(
        "training.fit_tasks.fit", lambda *_: (_ for _ in ()).throw(TrainingError("It broke."))
    )
    done = training("fit", "size", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["error"] == "It broke."
    assert "✗ It broke." in done.stderr


def test_bad_data_are_a_sentence_and_no_traceback(training, tmp_path):
    (tmp_path / "bad.csv").write_text("sepal_length\n5.1\n")
    done = training("fit", "iris", "--data", "iris=bad.csv")
    assert done.exit_code == 2
    assert "✗ bad.csv has no column" in done.stderr
    assert "Traceback" not in done.output


def test_bad_data_are_one_json_document_for_programs(training, tmp_path):
    (tmp_path / "bad.csv").write_text("sepal_length\n5.1\n")
    done = training("fit", "iris", "--data", "iris=bad.csv", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"], error["field"]) == (2, "bad_data", "sepal_width")
    assert f"✗ {error['message']}" in done.stderr


def test_an_unknown_task_is_one_json_document_for_programs(training):
    done = training("fit", "irsi", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"], error["field"]) == (2, "unknown_task", "irsi")


def test_packing_nothing_is_one_json_document_and_not_the_users_mistake(training):
    done = training("package", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"], error["field"]) == (1, "training", None)
    assert f"✗ {error['message']}" in done.stderr


def test_bad_data_leave_nothing_behind(training, tmp_path):
    training("fit", "iris", "--data", "iris=none.csv")
    assert not (tmp_path / "home").exists()


def test_a_file_for_a_task_that_is_not_fitted_is_refused(training):
    done = training("fit", "iris", "--data", "loan_default=x.csv")
    assert "'loan_default', which is not among those to fit" in done.stderr


def test_a_file_without_its_task_is_the_users_mistake(training):
    done = training("fit", "--data", "x.csv", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["field"] == "--data"


def test_an_unknown_task_is_named_with_those_there_are(training):
    done = training("fit", "irsi")
    assert done.exit_code == 2
    assert "There is no task 'irsi'" in done.stderr


def test_packing_nothing_says_what_to_run(training):
    done = training("package")
    assert done.exit_code == 1
    assert "Run `python -m training fit`" in done.stderr


@pytest.mark.parametrize("command", [(), ("fit",), ("package",)])
def test_every_command_explains_itself(training, command):
    done = training(*command, "--help")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) > 5


def test_a_registry_file_that_is_none_is_a_sentence(training, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mlflow.db").write_text("This is no database, and long enough to be one." * 20)
    done = training("fit", "iris", "--missing")
    assert done.exit_code == 1
    assert "mlflow.db is damaged, or no SQLite database" in done.stderr


def test_a_registry_that_nobody_serves_is_a_sentence(training, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = training("fit", "iris")
    assert done.exit_code == 1
    assert "The registry http://127.0.0.1:1 cannot be opened" in done.stderr


def test_the_metrics_of_a_small_target_are_shown_with_digits_that_say_something():
    result = FitResult("size.line", "mae", {"mae": 0.000123, "r2": 0.5}, None, 0.1)
    table = _table("size", [result])
    shown = {cell for column in table.columns for cell in column.cells}
    assert {"0.000123", "0.500"} <= shown
