"""Training runs as a process; it is asked only where something may be missing."""

import threading

import pytest

from concord.cli.preparation import Packaged, Preparation, Seen, Stopped, read_data, summary
from concord.errors import ConfigurationError, TrainingError


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


NOTE = "pathlib.Path(__file__).with_name('asked').open('a').write(' '.join(sys.argv[1:]) + '\\n')\n"


def test_a_task_with_data_is_fitted_and_the_others_where_models_are_missing(training, tmp_path):
    preparation = training(NOTE + "print('[]')")
    preparation.fit(["iris", "loan"], {"loan": tmp_path / "loan.csv"}, missing=True)
    asked = (tmp_path / "training" / "asked").read_text().splitlines()
    assert asked == [f"fit --json loan --data=loan={tmp_path}/loan.csv", "fit --json --missing iris"]


def test_what_training_prints_is_read_and_its_failure_is_one_sentence(training):
    preparation = training('print(\'{"bentos": {"concord-node": "n:1"}, "models": {"iris.knn": "x"}}\')')
    assert preparation.package() == Packaged({"concord-node": "n:1"}, ("iris.knn",))
    with pytest.raises(TrainingError, match="training package` ended with exit code 3"):
        training("sys.exit(3)").package()


def test_training_ends_when_the_user_has_had_enough(training, tmp_path):
    training("import time; time.sleep(60)")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        Preparation(tmp_path, tmp_path / "home", stop).package()


def test_training_is_not_asked_again_until_a_task_or_the_registry_changes(training, tmp_path):
    training("")
    home = tmp_path / "home"
    home.mkdir()
    seen = Seen(tmp_path, home)
    seen.note([])
    assert not seen.holds([])
    (home / "mlflow.db").write_text("registry")
    seen.note([])
    assert seen.holds([])
    assert not seen.holds(["iris"])
    (tmp_path / "training" / "tasks" / "new.py").write_text("TASK = 2")
    assert not seen.holds([])


def test_data_options_name_a_task_and_a_file_that_is_there(tmp_path):
    (tmp_path / "rows.csv").touch()
    assert read_data([f"iris={tmp_path}/rows.csv"]) == {"iris": tmp_path / "rows.csv"}
    for wrong in ("iris", "=x.csv", f"iris={tmp_path}/none.csv"):
        with pytest.raises(ConfigurationError, match="--data"):
            read_data([wrong])


def test_a_summary_names_the_best_node_of_each_task():
    results = [
        {"model": "iris.knn", "metrics": {"accuracy": 0.9}},
        {"model": "iris.svm", "metrics": {"accuracy": 0.95}},
        {"model": "loan.ridge", "metrics": {"r2": 0.8}},
    ]
    assert summary(results) == [
        "iris: 2 nodes, best svm (accuracy 0.950 on held-out rows)",
        "loan: 1 nodes, best ridge (R² 0.800 on held-out rows)",
    ]
