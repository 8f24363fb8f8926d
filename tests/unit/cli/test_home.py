"""One `concord up` a home folder, and what others can know of it."""

import subprocess
import sys

import pytest

from concord.cli.home import Home, process_environment, read_settings, service_url
from concord.cli.up.processes import open_log
from concord.errors import ConfigurationError, Conflict


def test_a_second_start_in_the_same_this_homeis_refused_with_the_first_ones_process(home):
    this_home = Home(home)
    with this_home.hold_lock():
        this_home.write_state({"pid": 4711})
        with pytest.raises(Conflict, match="already \\(process 4711\\)"), this_home.hold_lock():
            pass


def test_the_state_is_believed_only_while_the_lock_is_held(home):
    this_home = Home(home)
    with this_home.hold_lock():
        this_home.write_state({"url": "http://127.0.0.1:9"})
        assert this_home.read_state() == {"url": "http://127.0.0.1:9"}
        assert service_url(read_settings()) == "http://127.0.0.1:9"
    assert this_home.read_state() == {}
    this_home.write_state({"url": "stale"})
    assert service_url(read_settings()) == "http://127.0.0.1:7400"


def test_a_lock_goes_with_a_process_that_was_killed(home):
    script = (
        "import os, pathlib, sys; from concord.cli.home import Home\n"
        "with Home(pathlib.Path(sys.argv[1])).hold_lock(): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, home], check=False)
    with Home(home).hold_lock():
        pass


def test_an_address_in_the_environment_goes_before_what_runs_here(home, monkeypatch):
    monkeypatch.setenv("CONCORD_URL", "http://elsewhere:1")
    with Home(home).hold_lock():
        Home(home).write_state({"url": "http://127.0.0.1:9"})
        assert service_url(read_settings()) == "http://elsewhere:1"


def test_a_new_this_homeand_its_logs_are_their_owners_alone(home):
    with Home(home).hold_lock(), open_log(Home(home).log("consensus")):
        modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.rglob("*"))}
    assert (modes["home"], modes["logs"], modes["run"], modes["consensus.log"]) == (0o700,) * 3 + (0o600,)


def test_a_token_stays_with_the_command_line(home, monkeypatch):
    monkeypatch.setenv("CONCORD_TOKEN", "secret")
    assert "secret" not in process_environment(home, home).values()


def test_a_setting_that_is_wrong_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("CONCORD_RETENTION_DAYS", "soon")
    with pytest.raises(ConfigurationError, match="CONCORD_RETENTION_DAYS"):
        read_settings()
