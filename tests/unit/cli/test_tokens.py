"""`concord tokens`: a token is shown once, and the file has its hash for its owner alone."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from concord.http.tokens import Tokens, load


def token_of(result):
    """The token: the first line, since click's runner shows both outputs in one."""
    return result.stdout.strip()


def test_a_token_is_printed_once_and_kept_as_its_hash(run, home):
    result = run("tokens", "add", "crm", "--labels", "iris", "--labels", "film_rating")
    path = home / "tokens.toml"
    assert result.exit_code == 0
    assert "export CONCORD_TOKEN=" in result.stderr
    assert token_of(result) not in path.read_text() + result.stderr
    token = Tokens(path).bearer(f"Bearer {token_of(result)}")
    assert (token.name, token.rights) == ("crm", "labels film_rating, iris")
    assert (path.stat().st_mode & 0o777, home.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [file.name for file in home.iterdir()] == ["tokens.toml"]


def test_a_token_has_the_rights_that_were_asked_for(run, home):
    run("tokens", "add", "all", "--labels", "*", "--reads")
    run("tokens", "add", "operator", "--administers", "--predicts", "iris")
    shown = json.loads(run("tokens", "list", "--json").stdout)
    assert shown == [
        {
            "name": "all",
            "predicts": [],
            "labels": ["*"],
            "reads": True,
            "administers": False,
            "expires": None,
        },
        {
            "name": "operator",
            "predicts": ["iris"],
            "labels": [],
            "reads": False,
            "administers": True,
            "expires": None,
        },
    ]


def test_a_message_says_when_a_token_closes_rounds_and_when_they_are_open_again(run):
    run("tokens", "add", "crm", "--labels", "iris")
    first = run("tokens", "add", "operator", "--administers").stderr
    second = run("tokens", "add", "reader", "--reads").stderr
    assert ["From now on rounds are read with a token" in text for text in (first, second)] == [True, False]
    gone = [run("tokens", "remove", name).stderr for name in ("operator", "reader", "crm")]
    assert ["everybody reads rounds" in text for text in gone] == [False, True, False]


def test_the_list_has_names_and_no_hash(run, home):
    run("tokens", "add", "crm", "--labels", "iris")
    (token,) = load(home / "tokens.toml")
    shown = run("tokens", "list").output
    assert "crm" in shown
    assert token.sha256 not in shown


def test_a_name_that_is_taken_is_refused_and_the_file_stays(run, home):
    run("tokens", "add", "crm", "--labels", "iris")
    before = (home / "tokens.toml").read_text()
    result = run("tokens", "add", "crm", "--reads")
    assert result.exit_code == 2
    assert "has a token crm already" in result.stderr
    assert (home / "tokens.toml").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("c r m", "--reads"), "letters, digits"),
        (("crm",), "may do nothing"),
        (("crm", "--labels", "no task"), "a list of tasks' names"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_with_its_reason(run, home, arguments, words):
    result = run("tokens", "add", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert not home.exists()


def test_a_removed_token_is_gone_and_the_others_stay(run, home):
    kept = token_of(run("tokens", "add", "kept", "--reads"))
    run("tokens", "add", "crm", "--labels", "iris")
    assert run("tokens", "remove", "crm").exit_code == 0
    assert Tokens(home / "tokens.toml").bearer(f"Bearer {kept}").name == "kept"
    again = run("tokens", "remove", "crm")
    assert again.exit_code == 2
    assert "There are: kept." in again.stderr


def test_another_file_may_be_named_by_option_or_setting(run, home, tmp_path, monkeypatch):
    run("tokens", "add", "crm", "--labels", "iris", "--file", str(tmp_path / "a" / "t.toml"))
    monkeypatch.setenv("CONCORD_TOKENS", str(tmp_path / "b.toml"))
    run("tokens", "add", "erp", "--labels", "iris")
    assert [token.name for token in load(tmp_path / "a" / "t.toml")] == ["crm"]
    assert [token.name for token in load(tmp_path / "b.toml")] == ["erp"]


def test_a_file_behind_a_link_is_changed_and_the_link_stays(run, home, tmp_path):
    home.mkdir()
    (home / "tokens.toml").symlink_to(tmp_path / "real.toml")
    run("tokens", "add", "crm", "--labels", "iris")
    assert (home / "tokens.toml").is_symlink()
    assert [token.name for token in load(tmp_path / "real.toml")] == ["crm"]


def test_a_broken_file_is_not_overwritten(run, home):
    home.mkdir()
    (home / "tokens.toml").write_text("[tokens.crm")
    result = run("tokens", "add", "crm", "--labels", "iris")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (home / "tokens.toml").read_text() == "[tokens.crm"


def test_an_empty_list_says_how_to_make_one(run, home):
    assert "concord tokens add NAME --labels TASK" in run("tokens", "list").stdout


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [("12h", timedelta(hours=12)), ("90d", timedelta(days=90)), ("8w", timedelta(weeks=8))],
)
def test_a_token_expires_after_a_duration(run, home, text, lifetime):
    before = datetime.now(UTC).replace(microsecond=0)
    result = run("tokens", "add", "crm", "--labels", "iris", "--expires", text)
    (token,) = load(home / "tokens.toml")
    assert timedelta() <= token.expires - before - lifetime < timedelta(minutes=5)
    assert f"until {token.expires.isoformat()}" in result.stderr


def test_a_token_expires_at_a_time_and_the_list_says_so(run):
    added = json.loads(
        run(
            "tokens", "add", "crm", "--predicts", "*", "--expires", "2999-01-01T01:00:00+01:00", "--json"
        ).stdout
    )
    assert (added["expires"], added["predicts"]) == ("2999-01-01T00:00:00+00:00", ["*"])
    run("tokens", "add", "erp", "--reads")
    shown = run("tokens", "list").output
    assert "2999-01-01T00:00:00+00:00" in shown
    assert "never" in shown


def test_the_list_marks_a_token_whose_time_is_over(run, home):
    home.mkdir()
    text = f'[tokens.crm]\nsha256 = "{"a" * 64}"\nreads = true\nexpires = 2020-01-01T00:00:00Z\n'
    (home / "tokens.toml").write_text(text)
    assert "(expired)" in run("tokens", "list").output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("soon", "neither a duration"),
        ("0d", "neither a duration"),
        ("90", "neither a duration"),
        ("999999w", "neither a duration"),
        ("2999-01-01T00:00:00", "neither a duration"),
        ("2999-13-01T00:00:00Z", "neither a duration"),
        ("2020-01-01T00:00:00Z", "is past"),
    ],
)
def test_an_end_that_makes_no_sense_is_refused(run, home, text, words):
    result = run("tokens", "add", "crm", "--reads", "--expires", text)
    assert (result.exit_code, home.exists()) == (2, False)
    assert words in result.stderr


def test_the_ledgers_own_word_names_no_token(run):
    result = run("tokens", "add", "rule", "--administers")
    assert result.exit_code == 2
    assert "take another name" in result.stderr


def test_where_a_setting_decides_no_message_says_that_a_token_closes_rounds(run, monkeypatch):
    monkeypatch.setenv("CONCORD_READ", "open")
    assert "From now on rounds" not in run("tokens", "add", "operator", "--administers").stderr
    assert "everybody reads rounds" not in run("tokens", "remove", "operator").stderr
