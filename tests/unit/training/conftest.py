"""Factories of files and data, and one registry with the fitted Iris nodes for all tests that read it."""

import shutil
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

with warnings.catch_warnings():
    # BentoML 1.4 and MLflow 3 warn once, when they are imported, of what they use themselves.
    warnings.simplefilter("ignore")
    import_module("bentoml.models")
    import_module("mlflow.pyfunc")

from tests.homes import IRIS
from training.data import dataset
from training.task import Task
from training.tasks import select

DATA = Path(__file__).parents[4] / "shared" / "data"

IRIS_HEADER = "sepal_length,sepal_width,petal_length,petal_width,species"


@pytest.fixture(scope="session")
def task() -> Callable[[str], Task]:
    return lambda name: select([name])[0]


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, name: str = "rows.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes("\n".join(lines).encode(encoding))
        return path

    return write


@pytest.fixture
def read_file(task, csv_file) -> Callable[..., dataset.Dataset]:
    """Reads lines as the file of a task; `name` and `encoding` are the file's."""
    return lambda of, *lines, **how: dataset.read_file(task(of), csv_file(*lines, **how))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        if not (DATA / name).exists():
            pytest.skip(f"{name} is not in {DATA}")
        return DATA / name

    return find


@pytest.fixture(scope="session")
def iris_home(copy_trained_home, tmp_path_factory) -> Path:
    """A home folder whose registry has the five Iris nodes; tests only read it."""
    return copy_trained_home(IRIS, tmp_path_factory.mktemp("home"))


@pytest.fixture
def own_home(iris_home, tmp_path) -> Path:
    """A copy of that registry's database that a test may change."""
    shutil.copy(iris_home / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture(autouse=True)
def _default_registry(monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
