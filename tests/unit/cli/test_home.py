"""One `concord up` a home folder, and what others can know of it."""

import subprocess
import sys

import pytest

from concord.cli.home import Home, environment, service_url, settings
from concord.cli.up.processes import open_log
from concord.errors import ConfigurationError, Conflict


def test_a_second_start_in_the_same_home_is_refused_with_the_first_ones_process(home):
    place = Home(home)
    with place.held():
        place.note({"pid": 4711})
        with pytest.raises(Conflict, match="already \\(process 4711\\)"), place.held():
            pass


def test_what_was_noted_is_believed_only_while_the_lock_is_held(home):
    place = Home(home)
    with place.held():
        place.note({"url": "http://127.0.0.1:9"})
        assert place.running() == {"url": "http://127.0.0.1:9"}
        assert service_url(settings()) == "http://127.0.0.1:9"
    assert place.running() == {}
    place.note({"url": "stale"})
    assert service_url(settings()) == "http://127.0.0.1:7400"


def test_a_lock_goes_with_a_process_that_was_killed(home):
    script = (
        "import os, pathlib, sys; from concord.cli.home import Home\n"
        "with Home(pathlib.Path(sys.argv[1])).held(): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, home], check=False)
    with Home(home).held():
        pass


def test_an_address_in_the_environment_goes_before_what_runs_here(home, monkeypatch):
    monkeypatch.setenv("CONCORD_URL", "http://elsewhere:1")
    with Home(home).held():
        Home(home).note({"url": "http://127.0.0.1:9"})
        assert service_url(settings()) == "http://elsewhere:1"


def test_a_new_home_and_its_logs_are_their_owners_alone(home):
    with Home(home).held(), open_log(Home(home).log("consensus")):
        modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.rglob("*"))}
    assert (modes["home"], modes["logs"], modes["run"], modes["consensus.log"]) == (0o700,) * 3 + (0o600,)


def test_a_token_stays_with_the_command_line(home, monkeypatch):
    monkeypatch.setenv("CONCORD_TOKEN", "secret")
    assert "secret" not in environment(home, home).values()


def test_a_setting_that_is_wrong_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("CONCORD_RETENTION_DAYS", "soon")
    with pytest.raises(ConfigurationError, match="CONCORD_RETENTION_DAYS"):
        settings()
