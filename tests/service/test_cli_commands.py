"""The commands against a real service over stand-in models: what people and programs read."""

import csv
import json
import re
import shlex
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from concord.cli import main
from tests.service.stack import iris_nodes, wait_until

ASKED = ("sepal_length=6.0", "sepal_width=2.7", "petal_length=5.1", "petal_width=1.6")


@pytest.fixture(scope="module")
def run(module_stack):
    """Runs a command line against the running service."""
    env = {"CONCORD_HOME": str(module_stack.home), "CONCORD_URL": module_stack.url, "COLUMNS": "100"}
    return lambda *arguments: CliRunner(env=env).invoke(main, list(arguments), prog_name="concord")


def read_json(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_prediction_shows_the_answer_and_every_vote(run):
    shown = run("predict", "iris", *ASKED)
    assert shown.exit_code == 0
    assert "This is " in shown.stdout
    assert shown.stdout.count("voted") >= 4
    assert "Round " in shown.stdout


def test_a_prediction_is_a_document_for_programs(run):
    verdict = read_json(run("predict", "iris", *ASKED, "--json"))["verdicts"][0]
    assert {vote["node"] for vote in verdict["votes"]} >= {"knn", "decision_tree"}


def test_without_keys_the_schema_is_shown_with_a_command_to_copy(run):
    shown = run("predict", "iris").stdout
    assert "from 0.1 to 30 cm" in shown
    assert "concord predict iris sepal_length=6" in shown


def test_an_unknown_task_is_the_users_mistake(run):
    result = run("predict", "flowers")
    assert (result.exit_code, result.stderr.splitlines()[0][:13]) == (2, "error: There ")


def test_a_file_is_answered_line_by_line(run, tmp_path):
    source, target = tmp_path / "rows.csv", tmp_path / "answers.csv"
    lines = ["note,sepal_length,sepal_width,petal_length,petal_width"]
    source.write_text("\n".join([*lines, *(f"=n{i},{1 + i / 1000},2,3,4" for i in range(1500))]))
    result = run("predict", "iris", "--file", str(source), "--out", str(target))
    assert result.exit_code == 0, result.output
    answers = list(csv.DictReader(target.read_text("utf-8").splitlines()))
    assert len(answers) == 1500
    assert answers[7]["note"] == "'=n7"
    assert {answer["status"] for answer in answers} == {"ok"}
    assert len({answer["id"] for answer in answers}) == 1500
    assert run("predict", "iris", "--file", str(source), "--out", str(target)).exit_code == 2


@pytest.fixture
def run_without_quorum(start_stack):
    """Runs a command line against a service two of whose three nodes fail."""
    stack = start_stack(iris_nodes(knn=1, svm=2, tree=1), terms="deadline_ms = 300\ngrace_ms = 100")
    stack.nodes["knn"].fault, stack.nodes["svm"].fault = "error", "nan"
    env = {"CONCORD_HOME": str(stack.home), "CONCORD_URL": stack.url, "COLUMNS": "100"}
    return lambda *arguments: CliRunner(env=env).invoke(main, list(arguments), prog_name="concord")


def test_without_a_quorum_the_evidence_is_shown_with_status_1(run_without_quorum):
    shown = run_without_quorum("predict", "iris", *ASKED)
    assert shown.exit_code == 1
    assert "No answer." in shown.stdout
    for word in ("unavailable", "invalid", "voted", "Round "):
        assert word in shown.stdout
    result = run_without_quorum("predict", "iris", *ASKED, "--json")
    verdict = json.loads(result.stdout)["verdicts"][0]
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (1, "no_quorum")
    assert {vote["node"]: vote["outcome"] for vote in verdict["votes"]} == {
        "knn": "unavailable", "svm": "invalid", "tree": "voted",
    }  # fmt: skip
    assert re.fullmatch("[0-9a-f]{32}", verdict["id"])


def test_a_file_without_a_quorum_has_the_ids_of_its_rounds_and_status_1(run_without_quorum, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_text("sepal_length,sepal_width,petal_length,petal_width\n1,2,3,4\n5,2,3,1\n")
    result = run_without_quorum("predict", "iris", "--file", str(source))
    answers = list(csv.DictReader(result.stdout.splitlines()))
    assert (result.exit_code, [answer["status"] for answer in answers]) == (1, ["no_quorum"] * 2)
    assert len({answer["id"] for answer in answers if len(answer["id"]) == 32}) == 2


def test_nothing_is_sent_when_one_line_is_bad(run, module_stack, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_text("sepal_length,sepal_width,petal_length,petal_width\n1,2,3,4\n1,2,3,blue\n")
    before = sum(len(node.asked) for node in module_stack.nodes.values())
    result = run("predict", "iris", "--file", str(source))
    assert result.exit_code == 2
    assert "line 3: petal_width" in result.stderr
    assert sum(len(node.asked) for node in module_stack.nodes.values()) == before


def test_tasks_and_nodes_are_listed(run):
    assert "Iris species" in run("tasks").stdout
    assert run("nodes", "iris").stdout.count("✓ up") == 4
    assert {node["status"] for node in read_json(run("nodes", "--json"))} == {"up"}


def test_the_id_of_a_round_is_whole_however_narrow_the_screen(run, module_stack):
    read_json(run("predict", "iris", *ASKED, "--json"))
    wait_until(lambda: module_stack.client.rounds(limit=1).rounds)
    env = {"CONCORD_HOME": str(module_stack.home), "CONCORD_URL": module_stack.url, "COLUMNS": "60"}
    shown = CliRunner(env=env).invoke(main, ["rounds"], prog_name="concord").stdout
    assert re.search(r" [0-9a-f]{32}$", shown, re.MULTILINE)


def test_rounds_are_listed_shown_and_forgotten(run):
    verdict = read_json(run("predict", "iris", *ASKED, "--json"))["verdicts"][0]
    for _ in range(50):
        if run("rounds", "show", verdict["id"]).exit_code == 0:
            break
        time.sleep(0.1)
    assert verdict["id"] in run("rounds", "--task", "iris", "--since", "1h", "--limit", "5000").stdout
    assert "sepal_length=6" in run("rounds", "show", verdict["id"]).stdout
    assert read_json(run("rounds", "forget", verdict["id"], "--json"))["forgotten"] == 1
    assert "was forgotten" in run("rounds", "show", verdict["id"]).stdout
    assert run("rounds", "forget", "f" * 32).exit_code == 2


def test_the_demo_plays_the_workshops_example_twice_in_a_row_and_goes_on(run):
    for _ in range(2):
        played = read_json(run("demo", "--json"))
        assert (played["consensus"], played["label"], played["as_taught"]) == (1.63, "virginica", True)
        assert [node["before"] for node in played["nodes"]] == [1000] * 4
        assert [node["after"] for node in played["nodes"]] == [1000, 900, 1000, 900]
        assert [node["wager"] for node in played["nodes"]] == [950, 1050, 950, 1050]
    for mean, left in ((1.654206, 810), (1.677638, 729), (1.700210, 656.1)):
        played = read_json(run("demo", "--again", "--json"))
        assert round(played["consensus"], 6) == mean
        assert [node["after"] for node in played["nodes"]] == [1000, left, 1000, left]


def test_the_demo_shows_a_newcomer_what_happened_within_80_columns(run):
    shown = run("demo").stdout
    assert max(map(len, shown.splitlines())) <= 80
    for words in (
        "they were not measured on these models",
        "(970·2 + 570·1 + 920·2 + 540·1) / 3000",
        "= 1.630000, rounded: class 2, virginica",
        "✗ slashed by 100",
        "✓ not slashed",
        "its true class is 1, versicolor",
        "were right, and paid for it",
        "1050",
    ):
        assert words in shown


def test_the_ledger_is_shown_and_verified_while_the_service_runs(run):
    run("demo")
    report = read_json(run("ledger", "verify", "--json"))
    assert report["ok"]
    assert report["noted"] >= 1
    shown = run("ledger", "show").stdout
    assert "workshop" in shown
    assert "treasury" in shown
    assert "policy wager" in run("ledger", "show", "1").stdout
    assert run("ledger", "show", "999999").exit_code == 2
    assert read_json(run("ledger", "archive", "--json"))["moved"] == 0


def test_verify_ends_with_status_1_when_a_stored_byte_has_changed(run, module_stack):
    head = module_stack.home / "ledger" / "head.json"
    kept = head.read_bytes()
    try:
        head.write_bytes(kept.replace(b"iris", b"irjs", 1))
        result = run("ledger", "verify", "--json")
    finally:
        head.write_bytes(kept)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"]


def test_doctor_finds_the_service_and_its_nodes(run):
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").stdout)["checks"]}
    assert checks["service"]["ok"]
    assert "iris 4/4" in checks["service"]["found"]
    assert checks["journal"]["ok"]
    assert checks["ledger"]["ok"]


def test_the_readmes_way_from_a_token_to_an_explanation_is_as_printed(start_stack):
    """Each command of the README's part on labels, with the id of a round that is there."""
    stack = start_stack()
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    part = readme.split("**Tell it the truth.**")[1].split("**Look around.**")[0]
    commands = [shlex.split(line) for line in re.findall(r"^uv run concord (.*)$", part, re.MULTILINE)]
    assert [command[0] for command in commands] == ["tokens", "feedback", "explain", "nodes"]
    printed = re.search(r"[0-9a-f]{32}", readme)[0]
    round_id = stack.predict(query="?recorded=true").json()["verdicts"][0]["id"]
    env = {"CONCORD_HOME": str(stack.home), "CONCORD_URL": stack.url, "COLUMNS": "80"}
    shown = []
    for command in commands:
        arguments = [round_id if word == printed else word for word in command]
        result = CliRunner(env=env).invoke(main, arguments, prog_name="concord")
        assert result.exit_code == 0, result.output
        shown.append(result.stdout)
        if command[0] == "tokens":
            env["CONCORD_TOKEN"] = result.stdout.strip()
    assert "1 settled, the newest in block" in shown[1]
    assert "versicolor" in shown[2]
    assert "hits" in shown[3]
