"""Environments that are unlike a developer's own: encodings, folders, prefixes, a bare installation."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from concord.cli.console import Group, print_file, print_json, print_line
from concord.cli.up.launcher import page_path
from concord.cli.up.preparation import check_store
from concord.cli.up.readiness import is_alive
from concord.cli.up.session import UpSession
from concord.errors import ConfigurationError
from concord.settings import Settings
from tests.homes import ROOT

TEXT = "élevé ✓ 猫"


@click.group("concord", cls=Group)
def program():
    """A command line."""


@program.command("line")
def line():
    click.echo(TEXT)


@program.command("json")
def json_():
    print_json({"text": TEXT})


@program.command("file")
def file():
    print_file(f"text\n{TEXT}\n")


@program.command("table")
def table_():
    print_line(f"[green]✓[/] {TEXT}")


@pytest.mark.parametrize(
    ("command", "encoding"),
    [("line", "latin-1"), ("line", "cp1252"), ("table", "ascii"), ("table", "latin-1")],
)
def test_what_an_encoding_lacks_is_shown_as_a_question_mark(command, encoding):
    result = CliRunner(charset=encoding).invoke(program, [command])
    assert result.exit_code == 0
    assert "lev" in result.stdout
    assert "? ?" in result.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_whole_in_every_encoding(encoding):
    result = CliRunner(charset=encoding).invoke(program, ["json"])
    assert json.loads(result.stdout) == {"text": TEXT}


def test_a_file_that_is_printed_with_losses_says_so():
    result = CliRunner(charset="latin-1").invoke(program, ["file"])
    assert result.exit_code == 0
    assert "Standard output is iso8859-1" in result.stderr
    assert "--out" in result.stderr


def test_a_file_that_is_printed_whole_says_nothing():
    assert CliRunner().invoke(program, ["file"]).stderr == ""


@pytest.mark.parametrize("below", ["", "deep/bentoml"])
def test_a_store_that_cannot_be_written_is_named_before_anything_is_fitted(below, monkeypatch, tmp_path, run):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "file" / below))
    with pytest.raises(ConfigurationError, match="BENTOML_HOME names another folder"):
        check_store()
    result = run("train", "iris")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_store_that_is_not_there_is_made(monkeypatch, tmp_path):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "a" / "b"))
    check_store()
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(
    ("stated", "path"), [("", ""), ("/", ""), ("page", "/page"), ("/a/page/", "/a/page")]
)
def test_the_page_is_looked_for_below_streamlits_own_path(stated, path, monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", stated)
    assert page_path() == path


@pytest.mark.parametrize("path", ["concord", "/concord/", "/a b", "//"])
def test_a_root_path_that_is_none_is_refused(path):
    with pytest.raises(ValueError, match="begins with a slash"):
        Settings(root_path=path)


def test_a_clusters_ledger_without_the_package_is_an_error_with_a_remedy(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    result = run("ledger", "verify", "--ledger", "configmap:concord/concord-ledger")
    assert result.exit_code == 2
    assert "pip install kubernetes" in result.stderr


@pytest.mark.parametrize("folder", ["a?b", "a%25b", "a#b"])
def test_the_home_folder_may_have_any_name(folder, run, home, monkeypatch):
    from concord.journal import Journal

    home = home.parent / folder
    monkeypatch.setenv("CONCORD_HOME", str(home))
    journal = Journal(Settings.read().journal_url)
    journal.migrate()
    journal.close()
    assert (home / "journal.sqlite").stat().st_size > 0
    assert run("doctor", "--only", "journal").exit_code == 0
    assert [path.name for path in home.parent.iterdir()] == [folder]


def test_up_waits_for_the_page_where_streamlit_offers_it(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", "a/page")
    ports = SimpleNamespace(host="127.0.0.1", page=True, page_port=7480, mlflow=False, monitoring=False)
    session = SimpleNamespace(
        ports=ports, home=SimpleNamespace(folder=tmp_path), _service="http://127.0.0.1:1"
    )
    launcher = SimpleNamespace(root=ROOT, start_page=lambda *_: None)
    pages = UpSession._start_pages(session, launcher)
    assert pages == {"page": "http://127.0.0.1:7480/a/page"}
    asked = []
    monkeypatch.setattr("concord.cli.up.readiness._fetch", lambda url: asked.append(url) or b"ok")
    assert is_alive("page", pages["page"])
    assert asked == ["http://127.0.0.1:7480/a/page/_stcore/health"]


@pytest.mark.slow
def test_training_shows_what_an_encoding_lacks_as_a_question_mark_too():
    command = [sys.executable, "-m", "training", "describe"]
    env = {**os.environ, "PYTHONIOENCODING": "latin-1", "CONCORD_HOME": "/nowhere"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("latin-1")[-300:]
