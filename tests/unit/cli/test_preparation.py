"""Training runs as a process, only where something may be missing."""

import json
import threading

import pytest

from concord.cli.console import exit_status
from concord.cli.text.fits import summarise
from concord.cli.up.preparation import (
    PackagedBentos,
    Preparation,
    Stopped,
    read_sources,
)
from concord.errors import CallerError, ConfigurationError, TrainingError


@pytest.fixture
def training(tmp_path):
    """A project whose `training` module is a script of the test's."""

    def make(script):
        package = tmp_path / "training"
        (package / "tasks").mkdir(parents=True, exist_ok=True)
        (package / "tasks" / "iris.py").write_text("TASK = 1")
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text("import sys, pathlib\n" + script)
        return Preparation(tmp_path, tmp_path / "home")

    return make


NOTE = "pathlib.Path(__file__).with_name('note').open('a').write(' '.join(sys.argv[1:]) + '\\n')\n"


def test_a_task_with_data_is_fitted_and_the_others_where_models_are_missing(training, tmp_path):
    preparation = training(NOTE + "print('[]')")
    preparation.fit(["iris", "loan"], {"loan": f"{tmp_path}/loan.csv"}, missing=True)
    calls = (tmp_path / "training" / "note").read_text().splitlines()
    assert calls == [f"fit --json loan --data=loan={tmp_path}/loan.csv", "fit --json --missing iris"]


def test_what_training_prints_is_read_and_its_failure_is_one_sentence(training):
    document = {"bentos": {"concord-node": "n:1"}, "models": {"iris.knn": "iris.knn:7-0a1b2c3d"}}
    packaged = training(f"print({json.dumps(document)!r})").package()
    assert packaged == PackagedBentos({"concord-node": "n:1"}, {"iris.knn": "7"})
    with pytest.raises(TrainingError, match="training package` ended with exit code 3"):
        training("sys.exit(3)").package()


def error(code):
    return f'print(\'{{"error": {{"code": "{code}", "message": "m", "field": "f"}}}}\');'


@pytest.mark.parametrize(("status", "kind"), [(2, CallerError), (1, TrainingError)])
def test_trainings_own_error_is_raised_with_its_code_and_status(training, status, kind):
    preparation = training(error("bad_data") + f"sys.exit({status})")
    with pytest.raises(kind) as caught:
        preparation.fit([], {}, missing=False)
    caught_error = caught.value
    assert (caught_error.message, caught_error.code, caught_error.field) == ("m", "bad_data", "f")
    assert exit_status(caught_error) == status


def test_models_that_failed_are_named_with_their_reasons(training):
    failed = [{"model": "iris.knn", "error": "It differs."}, {"model": "iris.svm", "error": None}]
    with pytest.raises(TrainingError, match=r"1 of 2 models failed\. iris\.knn: It differs\."):
        training(f"import json; print(json.dumps({failed})); sys.exit(1)").fit([], {}, missing=False)


def test_a_missing_node_that_failed_stops_no_other_and_is_tried_again(training, tmp_path):
    results = [{"model": "iris.knn", "error": None}, {"model": "iris.svm", "error": "It differs."}]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mlflow.db").touch()
    preparation = training(f"import json; print(json.dumps({results})); sys.exit(1)")
    assert preparation.fit([], {}, missing=True) == results
    assert preparation.fit([], {}, missing=True) == results


def test_a_home_that_training_is_started_with_is_its_owners_alone(training, tmp_path):
    training("print('[]')").fit([], {}, missing=False)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_training_ends_when_the_user_stops_the_command(training, tmp_path):
    training("import time; time.sleep(60)")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        Preparation(tmp_path, tmp_path / "home", stop).package()


def change_task(root):
    (root / "training" / "tasks" / "new.py").write_text("TASK = 2")


def change_registry(root):
    (root / "home" / "mlflow.db").write_text("another registry")


def change_store(root):
    (root / "bentoml" / "bentos" / "concord-node" / "latest").unlink()


@pytest.mark.parametrize("change", [change_task, change_registry, change_store])
def test_training_is_not_asked_again_until_code_registry_or_store_change(
    training, tmp_path, monkeypatch, change
):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    latest = tmp_path / "bentoml" / "bentos" / "concord-node" / "latest"
    latest.parent.mkdir(parents=True)
    latest.write_text("1")
    document = {
        "bentos": {"concord-node": "n:1"},
        "models": {"iris.knn": "iris.knn:7"},
        "refused": {"iris.mine": "It carries no schema."},
    }
    calls = tmp_path / "calls"
    note = f"pathlib.Path({str(calls)!r}).open('a').write('call\\n')\n"
    preparation = training(note + f"print({json.dumps(document)!r} if 'package' in sys.argv else '[]')")
    (tmp_path / "home").mkdir()

    def prepare():
        calls.write_text("")
        preparation.fit([], {}, missing=True)
        return preparation.package(), len(calls.read_text().splitlines())

    assert prepare()[1] == 2, "without a registry nothing is known"
    (tmp_path / "home" / "mlflow.db").write_text("registry")
    packaged = prepare()[0]
    assert prepare() == (packaged, 0)
    change(tmp_path)
    assert prepare() == (packaged, 2)


def test_data_options_name_a_task_and_a_file_that_is_there(tmp_path):
    (tmp_path / "rows.csv").touch()
    assert read_sources([f"iris={tmp_path}/rows.csv"]) == {"iris": f"{tmp_path}/rows.csv"}
    for wrong in ("iris", "=x.csv", f"iris={tmp_path}/none.csv"):
        with pytest.raises(ConfigurationError, match="--data"):
            read_sources([wrong])


@pytest.mark.parametrize("source", ["mysql+pymysql://u:p@h/d#t", "journal", "generator", "generator:7"])
def test_data_options_may_name_a_database_the_journal_or_a_generator(source):
    assert read_sources([f"iris={source}"]) == {"iris": source}


def test_a_password_is_in_no_error_of_an_option(training):
    with pytest.raises(ConfigurationError) as caught:
        read_sources(["mysql://u:secret@h/d"])
    assert "secret" not in caught.value.message
    with pytest.raises(TrainingError) as ended:
        training("sys.exit(3)").fit(["iris"], {"iris": "mysql://u:secret@h/d"}, missing=False)
    assert "mysql://u:***@h/d" in ended.value.message


def test_the_token_is_passed_on_only_to_read_the_journal(training, tmp_path, monkeypatch):
    monkeypatch.setenv("CONCORD_TOKEN", "secret")
    write_token = "import os; token = str(os.environ.get('CONCORD_TOKEN'))\n"
    script = write_token + "pathlib.Path(__file__).with_name('note').write_text(token)\n"
    note = tmp_path / "training" / "note"
    training(script + "print('[]')").fit(["iris"], {"iris": "generator"}, missing=False)
    assert note.read_text() == "None"
    training(script + "print('[]')").fit(["iris"], {"iris": "journal"}, missing=False)
    assert note.read_text() == "secret"


def test_a_summary_names_the_best_node_of_each_task():
    results = [
        {"model": "iris.knn", "metrics": {"accuracy": 0.9}},
        {"model": "iris.svm", "metrics": {"accuracy": 0.95}},
        {"model": "loan.ridge", "metrics": {"r2": 0.8}},
        {"model": "loan.tree", "metrics": {}, "error": "It differs."},
    ]
    assert summarise(results) == [
        "iris: 2 nodes, best svm (accuracy 0.950 on held-out rows)",
        "loan: 1 nodes, best ridge (R² 0.800 on held-out rows)",
    ]
