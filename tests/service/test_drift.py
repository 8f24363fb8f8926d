"""Drift through the real stack: rows, votes and labels of live rounds, and the command line."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from concord.cli import main
from concord.http.tokens import Token, hash_of, render
from concord.journal.rows import LabelRow
from concord.types.drift import ErrorDrift
from tests.service.stack import IRIS, Node, StandInModel, iris_nodes, species, wait_until
from training.data.dataset import Dataset
from training.fitting.profile import build_profile
from training.task import Answer, Rule

pytestmark = pytest.mark.slow

TASK = SimpleNamespace(schema=IRIS, answers=(Answer("species"),), rule=lambda name: Rule())
NAMES = [feature.name for feature in IRIS.features]


def flowers(rows, seed=0, **shifts):
    """Rows of four features around (6, 3, 4, 1); each shift moves one feature."""
    centre = np.array([6.0, 3.0, 4.0, 1.0]) + [shifts.get(name, 0.0) for name in NAMES]
    return np.random.default_rng(seed).normal(centre, 0.2, (rows, 4)).round(2).clip(0.1, 30)


def learned(answered=2):
    """The profile of a model that answered the rows that were held out with one class."""
    rows, answers = flowers(1000, 1).astype(np.float32), np.arange(1000) % 3
    document = build_profile(TASK, rows, Dataset("iris", rows, answers), answers, np.eye(3)[[answered] * 200])
    return orjson.dumps(document)


def node(name, k, document):
    return Node(StandInModel(IRIS, name, species(k)), profile=document)


@pytest.fixture
def start_profiled(start_stack):
    """Starts a stack whose nodes carry profiles, and waits until the service has read them."""

    def start(**answers):
        answers = answers or {"knn": 2, "svm": 2}
        nodes = {
            name: Node(StandInModel(IRIS, name, species(k)), profile=learned(k))
            for name, k in answers.items()
        }
        stack = start_stack(nodes)
        wait_until(lambda: all(client.training_profile for client in stack.api.service.node_clients))
        return stack

    return start


def ask(stack, rows, at_once=500):
    """Asks about rows, so many a call; returns the rounds' ids once they are recorded."""
    ids = []
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once].tolist()
        body = {"rows": [dict(zip(NAMES, row, strict=True)) for row in some]}
        answer = stack.http.post("/v1/tasks/iris/predict?recorded=true", json=body)
        ids += [verdict["id"] for verdict in answer.json()["verdicts"]]
    return ids


def drift_of(stack, **query):
    # The detector of errors takes its time to start where others want the cores too.
    answer = stack.http.get("/v1/tasks/iris/drift", params=query, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


def status_of(report):
    return {one["name"]: one["status"] for one in report["features"]}


def test_live_rows_that_move_have_drifted_in_the_column_that_moved(start_profiled):
    stack = start_profiled()
    ask(stack, flowers(50))
    assert drift_of(stack)["status"] == "too_few_rows"
    ask(stack, flowers(450, 2))
    steady = drift_of(stack)
    assert (steady["status"], steady["rows"], steady["profile_rows"]) == ("steady", 500, 1000)
    assert steady["profile_nodes"] == ["knn", "svm"]
    ask(stack, flowers(500, 3, petal_length=0.4))
    report = drift_of(stack, limit=500)
    assert report["status"] == "drifted"
    assert status_of(report) == dict.fromkeys(NAMES, "steady") | {"petal_length": "drifted"}
    assert report["since"] > steady["until"]
    assert drift_of(stack, since=report["until"])["rows"] <= 500


def test_a_node_that_answers_otherwise_than_on_the_rows_held_out_has_drifted(start_profiled):
    stack = start_profiled(knn=2, svm=2, tree=1)
    stack.nodes["svm"].model._answer = species(0)
    ask(stack, flowers(300))
    answers = {one["node"]: one["difference"]["status"] for one in drift_of(stack)["answers"]}
    assert answers == {"knn": "steady", "svm": "drifted", "tree": "steady"}


def test_labels_say_whether_the_truth_has_drifted_and_whether_errors_have_grown(start_profiled):
    stack = start_profiled()
    # Rounds of one call have one time, and no order among themselves.
    ids = ask(stack, flowers(600), at_once=100)
    # All answers are class 2: right at first, then wrong.
    labels = [LabelRow(one, 2 if place < 400 else 0, "crm", 1, "r") for place, one in enumerate(ids)]
    stack.api.service.journal.label(labels)
    report = drift_of(stack)
    assert report["target"]["status"] == "drifted"
    assert report["errors"]["labelled"] == 600
    assert report["errors"]["problem"] is None
    assert report["errors"]["status"] == "drifted"
    assert report["errors"]["error_before"] < 0.2
    assert report["errors"]["error"] > 0.7


def test_a_label_that_the_tasks_schema_does_not_know_any_more_is_left_out(start_profiled):
    stack = start_profiled()
    ids = ask(stack, flowers(90))
    # As of a class that the schema had when the rounds were answered.
    labels = [LabelRow(one, 7 if place < 30 else 2, "crm", 1, "r") for place, one in enumerate(ids)]
    stack.api.service.journal.label(labels)
    report = drift_of(stack)
    assert (report["rows"], report["target"]["rows"], report["errors"]["labelled"]) == (90, 60, 60)


def test_forgotten_rows_are_not_seen(start_profiled):
    stack = start_profiled()
    ids = ask(stack, flowers(200))
    stack.api.service.journal.forget(ids[:150])
    assert drift_of(stack)["rows"] == 50


def test_metrics_say_how_far_each_feature_is_and_whether_that_is_chance(start_profiled):
    stack = start_profiled()
    ask(stack, flowers(300, 3, sepal_width=1.0))
    import asyncio

    asyncio.run(stack.api.service.drift.refresh())
    lines = dict(
        line.rsplit(" ", 1) for line in stack.http.get("/metrics").text.splitlines() if "iris" in line
    )
    significant = 'concord_drift_significant{feature="%s",task="iris"}'
    assert float(lines[significant % "sepal_width"]) == 1
    assert float(lines[significant % "sepal_length"]) == 0
    assert float(lines['concord_drift_psi{feature="sepal_width",task="iris"}']) > 0.25
    assert float(lines['concord_drifted{kind="feature",name="sepal_width",task="iris"}']) == 1
    assert float(lines['concord_drift_answers_psi{node="knn",task="iris",version="1"}']) < 0.1
    assert float(lines['concord_drift_rows{task="iris"}']) == 300


def test_the_detector_runs_once_for_the_same_errors(start_profiled, monkeypatch):
    stack = start_profiled()
    ids, told = ask(stack, flowers(200)), []

    def detector(errors, times):
        told.append(len(errors))
        return ErrorDrift(len(errors), "steady", 0.1)

    monkeypatch.setattr("concord.drift.live.detect_error_drift", detector)
    journal = stack.api.service.journal
    journal.label([LabelRow(one, 2, "crm", 1, "r") for one in ids[:150]])
    assert [drift_of(stack)["errors"]["error"] for _ in range(3)] == [0.1] * 3
    journal.label([LabelRow(one, 2, "crm", 1, "r") for one in ids[150:]])
    drift_of(stack)
    assert told == [150, 200]


def test_a_node_that_is_promoted_is_compared_with_the_profile_of_its_new_version(start_profiled):
    stack = start_profiled(knn=2)
    client = stack.api.service.node_clients.by_node("iris")["knn"]
    before, served = client.training_profile, stack.nodes["knn"].model
    served.info, served.tag = replace(served.info, version="2"), "iris.knn/2"
    stack.nodes["knn"].api._profile = learned(0)
    stack.predict()
    wait_until(lambda: client.training_profile is not None and client.training_profile is not before)
    ask(stack, flowers(200))
    (said,) = drift_of(stack)["answers"]
    assert (said["version"], said["difference"]["status"]) == ("2", "drifted")


def test_without_a_profile_there_is_no_answer_and_the_remedy_is_named(start_stack):
    stack = start_stack(iris_nodes(knn=2))
    for path in ("drift", "profile"):
        answer = stack.http.get(f"/v1/tasks/iris/{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_profile")
    assert stack.http.get("/v1/tasks/flowers/drift").json()["error"]["code"] == "unknown_task"


@pytest.mark.parametrize(
    ("query", "field"), [({"limit": 0}, "limit"), ({"since": "x"}, "since"), ({"x": 1}, "x")]
)
def test_a_wrong_query_names_its_field(start_profiled, query, field):
    answer = start_profiled().http.get("/v1/tasks/iris/drift", params=query)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_whoever_may_not_read_rounds_may_not_ask_for_their_drift(start_profiled):
    stack = start_profiled()
    (stack.home / "tokens.toml").write_text(render([Token("me", hash_of("x"), frozenset(), reads=True)]))
    assert stack.http.get("/v1/tasks/iris/drift").status_code == 401
    shown = stack.http.get("/v1/tasks/iris/drift", headers={"authorization": "Bearer x"})
    assert shown.status_code == 200


def test_a_profile_that_cannot_be_read_takes_no_node_away(start_stack):
    stack = start_stack({"knn": node("knn", 1, b'{"rows": 0}')})
    assert stack.predict().status_code == 200
    assert stack.http.get("/v1/tasks/iris/drift").status_code == 404


@pytest.fixture
def run():
    def invoke(stack, *arguments, **env):
        known = {"CONCORD_HOME": str(stack.home), "CONCORD_URL": stack.url, "COLUMNS": "80"} if stack else {}
        return CliRunner(env=known | env).invoke(main, list(arguments), prog_name="concord")

    return invoke


def write(path, rows, also=None):
    lines = [",".join([*NAMES, *([also] if also else [])])]
    lines += [",".join([*map(str, row), *(["setosa"] if also else [])]) for row in rows.tolist()]
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


def test_the_command_shows_the_drift_of_live_rounds(start_profiled, run):
    stack = start_profiled()
    ask(stack, flowers(300, 3, petal_width=1.0))
    shown = run(stack, "drift", "iris", "--since", "1h")
    assert shown.exit_code == 0, shown.output
    assert "The rows have drifted. petal_width." in shown.stdout
    assert max(map(len, shown.stdout.splitlines()[:8])) <= 80
    told = json.loads(run(stack, "drift", "iris", "--limit", "200", "--json").stdout)
    assert (told["rows"], told["status"]) == (200, "drifted")


def test_an_empty_journal_says_why_there_is_no_answer(start_profiled, run):
    shown = run(start_profiled(), "drift", "iris")
    assert shown.exit_code == 0, shown.output
    assert "Too few rows to say." in shown.stdout
    assert "No round with its row is there" in shown.stdout


def test_amid_a_promotion_the_new_version_and_its_other_data_are_explained(start_profiled, run):
    stack = start_profiled(knn=2, svm=2, tree=2)
    ask(stack, flowers(200))
    client = stack.api.service.node_clients.by_node("iris")["knn"]
    before, served = client.training_profile, stack.nodes["knn"].model
    served.info, served.tag = replace(served.info, version="2"), "iris.knn/2"
    rows, answers = flowers(700, 9).astype(np.float32), np.arange(700) % 3
    document = build_profile(TASK, rows, Dataset("iris", rows, answers), answers, np.eye(3)[[2] * 200])
    stack.nodes["knn"].api._profile = orjson.dumps(document)
    stack.predict()
    wait_until(lambda: client.training_profile is not before)
    shown = " ".join(run(stack, "drift", "iris").stdout.split())
    assert "against 1,000 that svm, tree learned from" in shown
    assert "knn v2: as new as that; what an older version answered does not count." in shown
    assert "knn learned from other rows, with less stake behind them." in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("flowers",), "flowers"),
        (("iris", "--limit", "0"), "--limit"),
        (("iris", "--since", "tomorrow"), "--since"),
        (("iris", "--file", "nowhere.csv"), "nowhere.csv"),
        (("iris", "--profile", "profile.json"), "--profile goes with --file"),
    ],
)
def test_a_wrong_argument_is_named_and_the_users(start_profiled, run, arguments, words):
    shown = run(start_profiled(), "drift", *arguments)
    assert shown.exit_code == 2
    assert words in shown.stderr


def test_a_file_is_compared_with_the_profile_that_the_service_knows(start_profiled, run, tmp_path):
    stack = start_profiled()
    source = write(tmp_path / "rows.csv", flowers(400, 5), also="species")
    told = json.loads(run(stack, "drift", "iris", "--file", source, "--json").stdout)
    assert status_of(told) == dict.fromkeys(NAMES, "steady")
    assert (told["rows"], told["target"]["status"], told["target"]["name"]) == (400, "drifted", "species")


def test_with_a_profile_beside_the_file_no_service_is_asked(run, tmp_path):
    known = tmp_path / "profile.json"
    known.write_bytes(learned())
    source = write(tmp_path / "rows.csv", flowers(400, 5, sepal_length=1.0))
    shown = run(
        None, "drift", "iris", "--file", source, "--profile", str(known), CONCORD_URL="http://127.0.0.1:9"
    )
    assert shown.exit_code == 0, shown.output
    assert "drifted. sepal_length." in shown.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty. It needs a header line"),
        ("sepal_length,sepal_width,petal_length\n1,2,3", "'petal_width' is missing"),
        ("sepal_length,sepal_width,petal_length,petal_width\n1,2,3", "line 2: 3 cells"),
        ("sepal_length,sepal_width,petal_length,petal_width\n1,2,blue,3", "line 2: petal_length"),
    ],
)
def test_a_bad_file_is_the_users_mistake_and_is_said_with_its_line(run, tmp_path, text, words):
    known, source = tmp_path / "profile.json", tmp_path / "rows.csv"
    known.write_bytes(learned())
    source.write_text(text)
    result = run(None, "drift", "iris", "--file", str(source), "--profile", str(known))
    assert result.exit_code == 2
    assert words in result.stderr
