"""What every command shares: help with an example, one line for an error, an exit status."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import click
import pytest

from concord import __version__
from concord.cli import COMMANDS, main
from concord.cli.commands.predict import ask
from concord.cli.commands.rounds import read_moment
from concord.cli.console import exit_status
from concord.errors import (
    ConfigurationError,
    InvalidInput,
    NoQuorum,
    Overloaded,
    Refused,
    ServiceAway,
    TrainingError,
)
from concord.types.nodes import NodeView


def commands(group=main, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_it_says_its_version(run):
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"concord {__version__}\n")


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example_and_json(run, path):
    shown = run(*path, "--help").output
    assert f"concord {' '.join(path)}" in shown.partition("Example")[2]
    if path not in {("data",), ("ledger",), ("models",), ("stake",), ("tokens",)}:
        assert "--json" in shown


def test_help_lists_every_command_without_cutting_a_sentence(run):
    shown = run("--help").output
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert "..." not in shown.partition("Commands:")[2]


def test_help_imports_nothing_heavy():
    heavy = ["sqlalchemy", "httpx", "pydantic", "numpy", "rich", "bentoml", "mlflow", "streamlit", "sklearn"]
    script = (
        "import sys; from concord.cli import main; main(['--help'], standalone_mode=False)\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_misspelt_command_is_suggested(run):
    result = run("predcit")
    assert result.exit_code == 2
    assert "Did you mean 'predict'?" in result.output


def test_an_absent_service_is_one_line_and_status_1(run, monkeypatch):
    monkeypatch.setenv("CONCORD_URL", "http://127.0.0.1:9")
    result = run("tasks")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: No consensus service answers at http://127.0.0.1:9")
    assert result.stderr.count("\n") == 1


def test_with_json_an_error_is_a_document_too(run, monkeypatch):
    monkeypatch.setenv("CONCORD_URL", "http://127.0.0.1:9")
    error = json.loads(run("tasks", "--json").stdout)["error"]
    assert (error["code"], error["field"]) == ("service_away", "CONCORD_URL")


@pytest.mark.parametrize(
    "command", [("ledger", "show"), ("ledger", "verify"), ("rounds", "forget", "0" * 32)]
)
def test_a_home_without_records_says_what_makes_them(run, command):
    result = run(*command)
    assert result.exit_code == 2
    assert "`concord up` makes one" in result.stderr


def test_doctor_names_what_is_wrong_with_a_remedy_and_changes_nothing(run, home, monkeypatch, tmp_path):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("CONCORD_URL", "http://127.0.0.1:9")
    result = run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert result.exit_code == 1
    assert {name for name, check in checks.items() if not check["ok"]} == {
        "models",
        "journal",
        "ledger",
        "service",
    }
    assert all(check["remedy"] for check in checks.values() if not check["ok"])
    assert not home.exists()


def test_doctor_looks_at_what_it_is_told_to_and_at_nothing_else(run, monkeypatch, tmp_path):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    result = run("doctor", "--only", "versions", "--only", "disk", "--json")
    assert [check["name"] for check in json.loads(result.stdout)["checks"]] == ["versions", "disk"]
    assert result.exit_code == 0


def test_doctor_names_a_broken_registry_and_moves_it_aside_on_request(run, home, monkeypatch, tmp_path):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    home.mkdir()
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE experiments (name)")
    told = run("doctor", "--only", "databases")
    assert told.exit_code == 1
    assert "unfinished" in told.stdout
    assert "concord doctor --repair" in told.stdout
    repaired = run("doctor", "--only", "databases", "--repair")
    assert repaired.exit_code == 0
    assert not (home / "mlflow.db").exists()
    assert len(list(home.glob("mlflow.db.broken-*"))) == 1


def test_doctor_repairs_nothing_that_is_whole(run, home):
    home.mkdir()
    (home / "journal.sqlite").touch()
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE experiments (name)")
        connection.execute("CREATE TABLE registered_models (name)")
        connection.execute("INSERT INTO experiments VALUES ('Default')")
    before = sorted(home.iterdir())
    assert run("doctor", "--only", "databases", "--repair").exit_code == 0
    assert sorted(home.iterdir()) == before


def test_doctor_knows_no_check_of_another_name(run):
    result = run("doctor", "--only", "jornal")
    assert result.exit_code == 2
    assert "There is no check 'jornal'; there are versions" in result.stderr


def test_doctor_survives_a_setting_that_cannot_be_read(run, monkeypatch):
    monkeypatch.setenv("CONCORD_RETENTION_DAYS", "soon")
    result = run("doctor")
    assert result.exit_code == 1
    assert "Change or unset CONCORD_RETENTION_DAYS" in result.stdout


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("x"), 2),
        (ConfigurationError("x"), 2),
        (Refused("x", status=404, code="unknown_task"), 2),
        (Refused("x", status=429, code="overloaded"), 1),
        (Refused("x", status=503, code="no_quorum"), 1),
        (Overloaded("x", retry_after=1), 1),
        (NoQuorum("x"), 1),
        (ServiceAway("x"), 1),
        (TrainingError("x"), 1),
    ],
)
def test_the_status_is_2_where_the_user_can_mend_it(error, status):
    assert exit_status(error) == status


class Busy:
    """A client that answers after so many refusals."""

    def __init__(self, *errors):
        self.errors, self.sizes = list(errors), []

    def predict(self, _task, rows):
        self.sizes.append(len(rows))
        if self.errors:
            raise self.errors.pop(0)
        return type("Response", (), {"verdicts": [f"verdict {row}" for row in rows]})()


def test_a_busy_service_is_asked_again_when_it_says():
    refusal = Refused("busy", status=429, code="overloaded")
    refusal.retry_after = 7.0
    waits = []
    assert ask(Busy(refusal, ServiceAway("gone")), "iris", [1], waits.append) == ["verdict 1"]
    assert waits == [7.0, 1.0]


def test_a_service_that_stays_away_is_given_up():
    waits = []
    with pytest.raises(ServiceAway):
        ask(Busy(*[ServiceAway("gone")] * 100), "iris", [1], waits.append)
    assert sum(waits) == 60


def test_rows_without_a_quorum_are_answered_as_such_and_a_body_too_large_is_halved():
    client = Busy(Refused("x", status=413, code="too_large"), no_quorum(UNANSWERED))
    verdicts = ask(client, "iris", [1, 2, 3])
    assert client.sizes == [3, 1, 2]
    assert (verdicts[0].id, verdicts[0].votes[0].outcome) == ("a" * 32, "unavailable")
    assert verdicts[1:] == ["verdict 2", "verdict 3"]


def test_a_task_whose_nodes_have_not_come_up_yet_is_asked_again():
    waits = []
    assert ask(Busy(no_quorum()), "iris", [1], waits.append) == ["verdict 1"]
    assert waits == [1.0]


def no_quorum(*verdicts):
    return Refused("few", status=503, code="no_quorum", body={"verdicts": list(verdicts)})


UNANSWERED = {
    "id": "a" * 32,
    "task": "iris",
    "status": "no_quorum",
    "label": None,
    "value": None,
    "unit": None,
    "sentence": None,
    "probabilities": None,
    "agreement": None,
    "policy": "seed",
    "pool": None,
    "height": 1,
    "recorded": False,
    "settlement": "none",
    "votes": [
        {
            "node": "knn",
            "label": None,
            "value": None,
            "probabilities": None,
            "weight": 0.0,
            "latency_ms": None,
            "outcome": "unavailable",
            "version": None,
        }
    ],
}


def test_times_are_ages_or_moments():
    now = datetime(2026, 1, 31, 9, tzinfo=UTC)
    assert read_moment("2h", now) == "2026-01-31T07:00:00+00:00"
    assert datetime.fromisoformat(read_moment("2026-01-31T09:00:00Z", now)) == now
    with pytest.raises(InvalidInput, match="--since takes"):
        read_moment("yesterday", now)


class Nodes:
    """A service whose nodes have labels behind them."""

    def __init__(self, *standings):
        names = ("decision_tree", "logistic_regression", "random_forest")[: len(standings)]
        self.views = [
            NodeView(
                "loan_default",
                name,
                f"loan_default.{name}",
                "12",
                "up",
                standing,
                1256.744321,
                1000.0,
                0.314,
                0.9,
                12.3,
                "http://127.0.0.1:1",
                standing_reason=None if standing == "active" else "It waits.",
                skill=0.847,
                labelled=15,
                hit_rate=1.0,
            )
            for name, standing in zip(names, standings, strict=True)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def nodes(self, _task):
        return self.views


def test_nodes_that_do_not_count_are_shown_in_80_columns_and_nothing_is_cut(run, monkeypatch):
    monkeypatch.setattr("concord.cli.commands.nodes.connect", lambda: Nodes("active", "probation", "jailed"))
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("nodes").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert [line.split()[-7:] for line in lines[2:4]] == [
        ["logistic_regression", "12", "probation", "1,256.74", "0.314", "1.000", "0.847"],
        ["random_forest", "12", "jailed", "1,256.74", "0.314", "1.000", "0.847"],
    ]
    assert "! loan_default.random_forest: It waits." in lines


def test_where_there_is_room_nodes_are_shown_with_their_latency(run, monkeypatch):
    monkeypatch.setattr("concord.cli.commands.nodes.connect", lambda: Nodes("active", "active", "active"))
    monkeypatch.setenv("COLUMNS", "100")
    assert run("nodes").stdout.count("12.3 ms") == 3


def test_a_regression_without_labels_shows_a_dash_for_the_accuracy_that_it_has_not(run, monkeypatch):
    service = Nodes("active")
    service.views = [replace(view, accuracy=None, labelled=0, hit_rate=None) for view in service.views]
    monkeypatch.setattr("concord.cli.commands.nodes.connect", lambda: service)
    monkeypatch.setenv("COLUMNS", "100")
    heading, line = run("nodes").stdout.splitlines()
    assert "accuracy" in heading
    assert "–" in line.split()
