"""Ten data sets that nobody here made, as tasks by docs/new-task.md: from fit to retraining, by commands."""

import re
import sys

import httpx
import pytest

from tests.datasets.foreign import FOREIGN
from tests.service.teaching import Teacher
from tests.tiers import TIERS

pytestmark = pytest.mark.datasets

CONDITIONS = re.compile(r"(?m)^([✓✗]) (\w+) +(\S.*\S) *$")

every_set = pytest.mark.parametrize("name", FOREIGN)


@pytest.fixture
def way(ways, name):
    return ways[name]


@pytest.fixture
def wine(service):
    """One who asks and labels wines over HTTP."""
    url, token = service
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        yield Teacher(http, token, "wine")


def node_scores(fitted, task):
    """Node → what the table of a fit says of it, in the task's metric."""
    header, *lines = re.search(rf"(?m)^{task.name}, by .*\n((?:\S.*\n)+)", fitted)[1].splitlines()[:3]
    short = {"roc_auc": "AUC", "log_loss": "loss", "f1": "F1"}.get(task.metric, task.metric)
    # The heading of the seconds is of two words, and that of nodes of one.
    place = header.split().index(short)
    return {line.split()[0]: float(line.split()[place].replace(",", "")) for line in lines}


def decisions(way):
    """Node → whether the gate lets its new version pass, by what the retraining printed."""
    found = {}
    for node in way.task.nodes:
        model = f"{way.name}.{node}"
        (told,) = re.findall(rf"(?ms)^{model}: champion is(.+?)^MLflow run", way.retraining)
        conditions = CONDITIONS.findall(told)
        assert all(len(reason.split()) > 3 for _, _, reason in conditions), told
        refused = [condition for mark, condition, _ in conditions if mark == "✗"]
        decision = f"refused by {', '.join(refused)}." if refused else "passed."
        assert conditions, told
        assert f"{model}: {decision}" in " ".join(told.split()), told
        found[node] = decision.rstrip(".")
    return found


@every_set
def test_every_node_is_fitted_and_the_table_says_how_good_it_is(fitted, way):
    assert node_scores(fitted, way.task).keys() == way.task.nodes.keys()


@every_set
def test_scikit_learn_finds_something_in_the_data(way):
    assert way.scikit_learns >= way.foreign.least


@every_set
def test_the_service_answers_as_well_as_scikit_learn(way):
    assert way.score == pytest.approx(way.scikit_learns, abs=way.foreign.near)


@every_set
def test_every_row_that_can_be_asked_is_answered_by_both_nodes(way):
    assert set(way.answers["status"]) == {"ok"}


@every_set
def test_the_file_that_was_learned_from_has_not_drifted(way):
    assert way.drift["status"] == way.foreign.drift


@every_set
def test_every_label_is_taken(way):
    assert way.labels["status"] == {"accepted": len(way.known)}
    assert way.labels["settled"] == len(way.known)


@every_set
def test_retraining_comes_to_a_decision_with_its_reasons(fitted, way, capsys):
    told = decisions(way)
    with capsys.disabled():
        sys.stdout.write(report(fitted, way, told))
    assert told.keys() == way.task.nodes.keys()


@every_set
def test_after_it_all_the_task_answers_its_example(way):
    assert way.retraining
    assert way.answer_example()["verdicts"][0]["status"] == "ok"


def test_wines_are_answered_by_the_names_of_their_classes(ways):
    assert set(ways["wine"].answers["answer"]) == {"1", "2", "3"}


@pytest.mark.parametrize("label", ["1", 1, 1.0], ids=["text", "integer", "float"])
def test_a_wine_that_is_labelled_1_is_of_class_1(ways, wine, label):
    verdict = wine.ask(ways["wine"].task.schema.example)
    wine.label(verdict, [label])
    stored = wine.http.get(f"/v1/rounds/{verdict[0]['id']}").json()
    assert stored["truth"]["label"] == "1"


def test_the_repositorys_quick_tests_pass_beside_the_ten_tasks(project):
    (project.root / "docs" / "tasks.md").write_text(project.train("describe"), "utf-8")
    left_out = " and ".join(f"not {tier}" for tier in sorted(TIERS))
    command = [sys.executable, "-m", "pytest", "-q", "-m", left_out, "-n", "2", "--dist", "loadfile"]
    project.run(*command, HYPOTHESIS_PROFILE="small")


def report(fitted, way, told):
    """One line: rows, scores, drift, and what the gate said of each node."""
    nodes = ", ".join(f"{node} {value:g}" for node, value in node_scores(fitted, way.task).items())
    gate = ", ".join(f"{node} {decision}" for node, decision in told.items())
    return (
        f"\n{way.name}: {len(way.known)} labelled of {len(way.answers)} asked; {way.task.metric} of {nodes}; "
        f"{way.foreign.metric} {way.score:.3f}, scikit-learn's {way.scikit_learns:.3f}; "
        f"{way.drift['status']}; {gate}\n"
    )
