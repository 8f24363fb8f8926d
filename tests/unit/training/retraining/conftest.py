"""A small task of amounts, files of it, and a registry in which its line has a champion."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

TASK = """
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from concord.tasks.schema import Feature, TaskSchema, Value
from training.task import Answer, Task


def generate(random):
    x = random.uniform(0, 100, 300).round(3)
    side = np.array(["left", "right"])[random.integers(2, size=300)]
    return {"x": x, "side": side, "amount": (2 * x + random.normal(0, 3, 300)).round(2)}


TASK = Task(
    schema=TaskSchema(
        task="double",
        title="Double",
        description="Twice a number.",
        features=(
            Feature("x", "number", 5.0, "", 0, 1000, description="A number."),
            Feature("side", "choice", "left", choices=("left", "right"), description="A side."),
        ),
        value=Value("amount", unit="EUR", resolution="0.01", scale=3.0, sentence="It is {value} {unit}."),
    ),
    answers=(Answer("amount"),),
    generate=generate,
    nodes={"line": lambda: make_pipeline(LinearRegression())},
    metric="mae",
    groups=("side",),
    settings={"line": ({}, {"linearregression__fit_intercept": False})},
)
"""


def rows_of(seed, slope, count=300):
    """Lines of a file in which the amount is `slope` times the number, give or take 3."""
    random = np.random.default_rng(seed)
    x, side = random.uniform(0, 100, count), random.choice(["left", "right"], count)
    amounts = slope * x + random.normal(0, 3, count)
    cells = zip(x, side, amounts, strict=True)
    return "\n".join(["x,side,amount", *(f"{a:.3f},{b},{c:.2f}" for a, b, c in cells)])


@pytest.fixture(scope="session")
def fitted_home(tmp_path_factory, iris_home) -> Path:
    """A folder with the task, `old.csv`, and a home whose champion learned from that file: tests read it."""
    import training.tasks
    from training.__main__ import main

    folder = tmp_path_factory.mktemp("double")
    (folder / "home").mkdir()
    shutil.copy(iris_home / "mlflow.db", folder / "home")
    (folder / "tasks").mkdir()
    (folder / "tasks" / "double.py").write_text(TASK)
    (folder / "old.csv").write_text(rows_of(1, 2.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCORD_HOME", str(folder / "home"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(training.tasks, "__path__", [*training.tasks.__path__, str(folder / "tasks")])
        done = CliRunner().invoke(main, ["fit", "double", "--data", f"double={folder / 'old.csv'}"])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def double(fitted_home, tmp_path, monkeypatch) -> Path:
    """A home of the test's own with that champion, where `double` is a task; returns its folder."""
    import training.tasks

    (tmp_path / "home").mkdir()
    shutil.copy(fitted_home / "home" / "mlflow.db", tmp_path / "home")
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training.tasks, "__path__", [*training.tasks.__path__, str(fitted_home / "tasks")])
    return tmp_path


@pytest.fixture
def new_file(double):
    """Writes `new.csv`, in which the amount is `slope` times the number."""
    return lambda slope, count=300: (double / "new.csv").write_text(rows_of(2, slope, count))


@pytest.fixture
def retrain(new_file):
    """Runs `retrain double` on a file of new rows in which the amount is `slope` times the number."""
    from training.__main__ import main

    def run(slope, *arguments, count=300):
        new_file(slope, count)
        return CliRunner().invoke(main, ["retrain", "double", "--new", "new.csv", *arguments])

    return run
