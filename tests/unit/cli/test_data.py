"""`concord data` passes its arguments to training, and training's exit status back."""

import json

import pytest
from click.testing import CliRunner

from concord.cli import main

STAND_IN = """
import json, os, pathlib, sys
note = {"arguments": sys.argv[1:], "key": os.environ.get("TMDB_API_KEY")}
pathlib.Path(os.environ["CONCORD_HOME"], "note.json").write_text(json.dumps(note))
sys.exit(len(sys.argv) - 3)
"""


@pytest.fixture
def run_data(tmp_path, monkeypatch):
    """Runs `concord data …` with a `training` that writes its arguments down; returns status and note."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").touch()
    (tmp_path / "training" / "__main__.py").write_text(STAND_IN)
    monkeypatch.setattr("concord.cli.commands.data.find_project", lambda: tmp_path)
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path))
    monkeypatch.setenv("TMDB_API_KEY", "k")

    def run(*arguments):
        done = CliRunner().invoke(main, ["data", *arguments])
        return done.exit_code, json.loads((tmp_path / "note.json").read_text())

    return run


def test_a_step_gets_its_arguments_and_the_readers_key(run_data):
    status, note = run_data("load", "iris", "rows.csv", "--to", "sqlite:///x", "--json")
    assert note == {
        "arguments": ["data", "load", "--to=sqlite:///x", "--json", "--", "iris", "rows.csv"],
        "key": "k",
    }
    assert status == 5


def test_a_flag_and_a_file_of_an_odd_name_are_passed_on_too(run_data):
    _, note = run_data("export", "iris", "--from", "sqlite:///x", "--out", "-rows.csv", "--force")
    assert note["arguments"][1:4] == ["export", "--from=sqlite:///x", "--out=-rows.csv"]
    assert note["arguments"][4:] == ["--force", "--", "iris"]


def test_a_number_is_passed_on_though_it_is_nought_or_one(run_data):
    _, note = run_data(
        "load", "film_rating", "tmdb:2020", "--to", "sqlite:///x", "--votes", "1", "--older", "0"
    )
    assert note["arguments"][3:5] == ["--votes=1", "--older=0"]


def test_a_task_that_is_not_named_is_not_passed_on(run_data):
    _, note = run_data("show", "--from", "sqlite:///x")
    assert note["arguments"] == ["data", "show", "--from=sqlite:///x", "--"]


def test_data_says_which_steps_there_are():
    shown = CliRunner().invoke(main, ["data", "--help"]).output
    assert all(step in shown for step in ("load", "show", "export", "CONCORD_DATA_PASSWORD"))
