"""Schemas, a home folder, and a way to run a command."""

import pytest
from click.testing import CliRunner

from concord.cli import main
from concord.tasks.schema import Feature, Label, TaskSchema, Value


@pytest.fixture
def iris():
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    return TaskSchema(
        "iris",
        "Iris species",
        "Which species a flower belongs to.",
        tuple(Feature(name, "number", 5.1, "cm", 0.1, 30) for name in names),
        (
            Label("setosa", "A setosa."),
            Label("versicolor", "A versicolor."),
            Label("virginica", "A virginica."),
        ),
    )


@pytest.fixture
def amount():
    return TaskSchema(
        "loan_amount",
        "Loan amount",
        "How much is lent.",
        (
            Feature("âge", "integer", 40, "years", 18, 99),
            Feature("region", "choice", "Corse", choices=("Corse", "Normandie", "-autre")),
        ),
        value=Value("montant", "EUR", "0.01", 1000, "A loan of {value} {unit}."),
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of the test's own, and no setting of the machine's."""
    for name in ("CONCORD_URL", "CONCORD_NODES", "CONCORD_JOURNAL", "MLFLOW_TRACKING_URI", "UV", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("CONCORD_HOME", str(folder))
    return folder


@pytest.fixture
def run(home):
    """Runs a command line; returns click's result."""
    return lambda *arguments: CliRunner().invoke(main, list(arguments), prog_name="concord")
