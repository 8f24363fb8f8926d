"""A drift report in MLflow: what the run holds, what the page says, and what is refused."""

import csv
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import mlflow
import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from concord.drift.report import Sketch, Sketches, build_report
from concord.tasks.profile import TrainingProfile
from concord.tasks.schema import Feature, Label, TaskSchema, Value
from concord.types.drift import ErrorDrift, Stretch
from training.__main__ import main
from training.drift_report.html import to_html
from training.drift_report.plots import MOST_CHOICES, draw_report, file_name, short
from training.drift_report.tracking import metrics_of
from training.fitting.profile import build_profile
from training.task import SEED

pytestmark = pytest.mark.slow

COURSE = [Stretch(f"2026-01-{day:02}T09:00:00.000+00:00", 20, day / 40) for day in range(1, 31)]


@pytest.fixture
def report(task):
    """Irises, half of whose columns have moved, with a node's answers and errors that have grown."""
    from training.data.dataset import generate_rows

    iris, data = task("iris"), generate_rows(task("iris"), SEED)
    document = build_profile(iris, data.rows, data, data.answers, np.eye(3)[data.answers.astype(int)])
    reference = TrainingProfile.from_json(json.loads(json.dumps(document)))
    features, said = Sketches(reference), Sketch(reference.held_out)
    moved = np.tile(data.rows, (2, 1)).T.astype(np.float64)
    moved[:2] += 2
    features.add(moved)
    said.add(np.zeros(200))
    found = build_report("iris", reference, ("knn",), features, answers={("knn", "7"): said})
    grown = ErrorDrift(600, "drifted", 0.5, 0.1, COURSE[20].since, course=COURSE)
    return replace(found, errors=grown)


@pytest.fixture
def training(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path))
    # Nobody listens there.
    monkeypatch.setenv("CONCORD_URL", "http://127.0.0.1:9")
    return lambda *arguments, given=None: CliRunner().invoke(main, ["drift", *arguments], input=given)


def test_a_run_keeps_the_report_its_table_its_pictures_and_what_it_is_about(report, training, own_home):
    given = orjson.dumps(asdict(report))
    done = training("iris", "--from", "-", "--source", "rows.csv", given=given)
    assert done.exit_code == 0, done.output
    where, page = done.stdout.splitlines()
    run_id = re.fullmatch(r"Run ([0-9a-f]{32}) of the experiment iris.drift", where)[1]
    assert Path(page).is_relative_to(own_home)
    run = mlflow.MlflowClient(f"sqlite:///{own_home}/mlflow.db").get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["psi.sepal_length"] > 0.25
    assert run.data.metrics["psi.answers.knn"] == pytest.approx(report.answers[0].difference.psi)
    assert (run.data.metrics["error"], run.data.metrics["error_before"]) == (0.5, 0.1)
    tags = {name: text for name, text in run.data.tags.items() if name.startswith("concord.")}
    assert tags["concord.profile"] == report.profile
    assert tags["concord.versions"] == "knn 7"
    assert tags["concord.source"] == "rows.csv"
    folder = Path(page).parent
    assert json.loads((folder / "drift.json").read_text("utf-8")) == json.loads(orjson.dumps(asdict(report)))
    table = list(csv.DictReader((folder / "drift.csv").read_text("utf-8").splitlines()))
    assert [row["name"] for row in table] == [*(one.name for one in report.features), "knn"]
    assert len(list((folder / "plots").glob("*.png"))) == 2 + len(table)
    page = Path(page).read_text("utf-8")
    assert page.count("data:image/png") == 2 + len(table)
    assert "The rows have drifted" in page
    assert "Errors have grown" in page


@pytest.mark.parametrize(
    ("given", "named", "words"),
    [
        (b"[]", "iris", "is no report as `concord drift iris --json` prints it"),
        (None, "loan_amount", "The report is of 'iris', not of 'loan_amount'"),
    ],
)
def test_what_is_no_report_of_the_task_is_refused(report, training, given, named, words):
    done = training(named, "--from", "-", given=given or orjson.dumps(asdict(report)))
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())


def test_what_is_about_live_rounds_goes_with_no_report(report, training):
    done = training("iris", "--from", "-", "--limit", "5", given=orjson.dumps(asdict(report)))
    assert (done.exit_code, "--since and --limit are about live rounds" in done.stderr) == (2, True)


def test_without_a_report_the_service_is_asked_and_told_of_if_it_is_away(training):
    done = training("iris")
    assert done.exit_code == 1
    assert "http://127.0.0.1:9" in done.stderr


def test_an_mlflow_that_is_away_is_named_without_its_password(report, training, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = training("iris", "--from", "-", given=orjson.dumps(asdict(report)))
    assert done.exit_code == 1
    assert "MLFLOW_TRACKING_URI" in done.stderr
    assert "secret" not in done.stderr


def test_of_too_few_rows_there_is_a_page_and_no_picture(report):
    few = replace(report, status="too_few_rows", errors=None, answers=[])
    few = replace(few, features=[replace(one, psi=None, shares=None, adjusted=None) for one in few.features])
    assert list(draw_report(few, None)) == []
    assert "Too few rows to say" in to_html(few, "live rounds", [])
    assert metrics_of(few).keys() == {"rows", "drifted"}


def test_a_name_cannot_break_out_of_the_page_nor_of_a_file_nor_of_a_metric(report):
    wild = "<script>/../é"
    named = replace(report, features=[replace(report.features[0], name=wild)])
    page = to_html(named, wild, [(wild, b"png")])
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 3
    assert file_name(wild) == "_script______"
    assert "psi._script_/../é" in metrics_of(named)


def test_axes_state_units_and_errors_are_in_the_tasks_own(report):
    features = tuple(Feature(one.name, "number", 1.0, "cm") for one in report.features)
    labels = (Label("a", ""), Label("b", ""))
    pictures = {
        what: figure for _, what, figure in draw_report(report, TaskSchema("iris", "", "", features, labels))
    }
    (axes,) = pictures["sepal_length"].axes
    assert axes.get_xlabel() == "sepal_length [cm]"
    assert axes.get_ylabel() == "Share of rows [%]"
    assert pictures["Errors of labelled rounds"].axes[0].get_ylabel() == "Wrong answers [share]"
    value = Value("amount", "EUR", "0.01", 2000.0, "{value}")
    valued = TaskSchema("iris", "", "", features, value=value)
    pictures = {what: figure for _, what, figure in draw_report(report, valued)}
    assert pictures["Errors of labelled rounds"].axes[0].get_ylabel() == "Mean error [0.5 = 2000 EUR]"


def test_many_choices_are_told_apart_as_far_as_there_is_room(report):
    told = report.answers[0].difference
    choices = [f"choice {place}" for place in range(100)]
    now = [0.5, *[0.004] * 99, 0.104]
    shares = replace(told.shares, choices=choices, before=[*[0.01] * 100, 0.0], now=now)
    wide = replace(report, features=[replace(told, name="many", shares=shares)], answers=[])
    picture = next(figure for _, what, figure in draw_report(wide, None) if what == "many")
    names = [label.get_text() for label in picture.axes[0].get_yticklabels()]
    assert len(names) == MOST_CHOICES + 2
    assert (names[0], names[-2:]) == ("choice 0", ["86 rarer ones", "never learned"])
    assert sum(bar.get_width() for bar in picture.axes[0].containers[1]) == pytest.approx(sum(now))


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (-3.25, "-3.25"), (2017, "2017"), (25_000, "25k"), (1_250_000, "1.25M"), (2.5e9, "2.5bn")],
)
def test_numbers_on_an_axis_are_short(number, text):
    assert short(number) == text
