"""Tokens: only their hashes are kept, each does what its entry says, and a file that breaks opens nothing."""

import logging
import os
from datetime import UTC, datetime, timedelta

import pytest

from concord.errors import ConfigurationError, Forbidden, Unauthorized
from concord.http import tokens
from concord.http.tokens import Token, Tokens, hash_of, load, render

SECRET = "the-token-of-the-crm"
HEADER = f"Bearer {SECRET}"


def entry(name="crm", secret=SECRET, **rights):
    rights = {"labels": frozenset({"iris"})} | rights
    return Token(name, hash_of(secret), **rights)


@pytest.fixture
def file(tmp_path):
    """Writes a tokens' file, newer than the one before."""
    path, clock = tmp_path / "tokens.toml", iter(range(1, 99))

    def write(*entries, text=None):
        path.write_text(render(entries) if text is None else text, "utf-8")
        os.utime(path, ns=(0, next(clock) * 10**9))
        return path

    return write


def test_a_file_is_read_back_as_written(file):
    written = (
        entry(labels=frozenset({"iris", "film_rating"})),
        entry("reader", "b", labels=frozenset(), reads=True),
        entry("all", "c", labels=frozenset({"*"}), administers=True),
    )
    assert load(file(*written)) == written


def test_a_token_is_known_by_its_hash_alone(file):
    path = file(entry("other", "x"), entry(), entry("last", "y"))
    assert SECRET not in path.read_text()
    assert Tokens(path).bearer(HEADER).name == "crm"
    assert Tokens(path).bearer(f"bearer  {SECRET} ").name == "crm"


def test_every_entry_is_compared_whichever_matches(file, monkeypatch):
    compared, real = [], tokens.hmac.compare_digest
    monkeypatch.setattr(tokens.hmac, "compare_digest", lambda a, b: compared.append(b) or real(a, b))
    Tokens(file(entry(), entry("second", "x"), entry("third", "y"))).bearer(HEADER)
    assert len(compared) == 3


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", SECRET, f"Basic {SECRET}", "Bearer wrong", "Bearer \u00ff"]
)
def test_a_missing_or_unknown_token_is_refused(file, header):
    with pytest.raises(Unauthorized) as caught:
        Tokens(file(entry())).bearer(header)
    assert (caught.value.status, caught.value.code) == (401, "unauthorized")
    assert "wrong" not in caught.value.message


@pytest.mark.parametrize("text", [None, "", "[tokens]\n"], ids=["no file", "empty", "no tokens"])
def test_without_tokens_everything_that_needs_one_is_off(file, tmp_path, text):
    path = tmp_path / "nowhere.toml" if text is None else file(text=text)
    with pytest.raises(Forbidden, match="concord tokens add NAME --labels TASK") as caught:
        Tokens(path).bearer(HEADER)
    assert caught.value.code == "tokens_off"
    assert not Tokens(path).guard_rounds


def test_a_token_labels_its_tasks_and_no_other():
    assert entry().may_label("iris")
    assert not entry().may_label("film_rating")
    assert entry(labels=frozenset({"*"})).may_label("anything")


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ({}, "labels iris"),
        ({"labels": frozenset({"*"}), "reads": True}, "labels every task and reads rounds"),
        ({"labels": frozenset(), "administers": True}, "administers"),
    ],
)
def test_the_rights_of_a_token_in_words(rights, words):
    assert entry(**rights).rights == words


@pytest.mark.parametrize(
    ("rights", "guarded"), [({}, False), ({"reads": True}, True), ({"administers": True}, True)]
)
def test_rounds_are_guarded_once_a_token_has_the_right_to_read_them(file, rights, guarded):
    assert Tokens(file(entry(**rights))).guard_rounds is guarded


def test_a_changed_file_is_read_again(file):
    known = Tokens(file(entry()))
    known.bearer(HEADER)
    file(entry("erp", "new"))
    assert known.bearer("Bearer new").name == "erp"
    with pytest.raises(Unauthorized):
        known.bearer(HEADER)


def test_a_secret_that_is_mounted_anew_behind_its_link_is_read_again(file, tmp_path):
    (tmp_path / "one").mkdir()
    file(entry()).rename(tmp_path / "one" / "tokens.toml")
    (tmp_path / "data").symlink_to("one")
    known = Tokens(tmp_path / "data" / "tokens.toml")
    (tmp_path / "two").mkdir()
    file(entry("erp", "new")).rename(tmp_path / "two" / "tokens.toml")
    (tmp_path / "fresh").symlink_to("two")
    (tmp_path / "fresh").rename(tmp_path / "data")
    assert known.bearer("Bearer new").name == "erp"


def test_a_file_that_becomes_invalid_changes_nothing_and_is_reported_once(file, caplog):
    known = Tokens(file(entry(reads=True)))
    file(text=f'[tokens.crm]\nsha256 = "{SECRET}"\n')
    with caplog.at_level(logging.ERROR):
        assert known.bearer(HEADER).name == known.bearer(HEADER).name == "crm"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert SECRET not in caplog.text + str(vars(caplog.records[0]))


def test_a_deleted_file_takes_all_tokens_away_and_opens_nothing(file):
    path = file(entry(reads=True))
    known = Tokens(path)
    path.unlink()
    assert (known.are_off, known.guard_rounds) == (True, True)
    file(entry())
    assert (known.bearer(HEADER).name, known.guard_rounds) == ("crm", False)


GOOD = f'sha256 = "{hash_of(SECRET)}"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tokens.crm", "no TOML"),
        ("[token.crm]\n" + GOOD, "and nothing else"),
        ("tokens = 3\n", "and nothing else"),
        ("[tokens]\ncrm = 3\n", "tokens.crm is no section"),
        (f'[tokens.crm]\nlabels = ["iris"]\nsha256 = "{SECRET}"\n', "64 hex digits"),
        ('[tokens.crm]\nlabels = ["iris"]\n', "64 hex digits"),
        ("[tokens.crm]\nlabels = 'iris'\n" + GOOD, "a list of tasks"),
        ("[tokens.crm]\nlabels = [1]\n" + GOOD, "a list of tasks"),
        ("[tokens.crm]\nlabels = ['no task']\n" + GOOD, "a list of tasks' names"),
        ("[tokens.crm]\nreads = 'yes'\n" + GOOD, "reads must be true or false"),
        ("[tokens.crm]\nwrites = true\n" + GOOD, "'writes' is not known"),
        ("[tokens.crm]\n" + GOOD, "may do nothing"),
        ("[tokens.'c r m']\nreads = true\n" + GOOD, "letters, digits"),
        ("[tokens.a]\nreads = true\n" + GOOD + "[tokens.b]\nreads = true\n" + GOOD, "are the same token"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason_and_never_quoted(file, text, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        Tokens(file(text=text))
    assert caught.value.field == "CONCORD_TOKENS"
    assert SECRET not in f"{caught.value} {caught.value.message}"


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Tokens(tmp_path)


def test_the_repr_of_a_token_hides_its_hash():
    assert hash_of(SECRET) not in repr(entry())


def test_a_made_token_is_random_and_long():
    assert len({tokens.make() for _ in range(50)}) == 50
    assert len(tokens.make()) >= 43


SOON = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_token_predicts_its_tasks_and_no_other():
    token = entry(labels=frozenset(), predicts=frozenset({"iris"}))
    assert token.may_predict("iris")
    assert not token.may_predict("film_rating")
    assert entry(predicts=frozenset({"*"})).may_predict("anything")
    assert not entry(administers=True).may_predict("iris")


def test_predictions_and_an_end_are_read_back_as_written(file):
    written = (entry(predicts=frozenset({"iris", "film_rating"}), expires=SOON),)
    assert load(file(*written)) == written
    assert "expires = 2030-01-01T00:00:00+00:00" in file(*written).read_text()


@pytest.mark.parametrize(
    "text",
    ["2030-01-01T00:00:00Z", '"2030-01-01T00:00:00Z"', "2030-01-01T01:00:00+01:00", "2030-01-01 00:00:00Z"],
)
def test_an_end_may_be_a_time_of_toml_or_a_text(file, text):
    (token,) = load(file(text=f"[tokens.crm]\nreads = true\nexpires = {text}\n{GOOD}"))
    assert token.expires == SOON


@pytest.mark.parametrize(
    "text", ["1893456000", '"1893456000"', '"90d"', "2030-01-01", "2030-01-01T00:00:00", "true", "[]", "1.5"]
)
def test_an_end_without_zone_or_of_another_form_is_refused(file, text):
    with pytest.raises(ConfigurationError, match="expires must be a time with its zone"):
        load(file(text=f"[tokens.crm]\nreads = true\nexpires = {text}\n{GOOD}"))


def test_a_token_is_refused_from_its_end_on_and_still_guards_rounds(file):
    past = datetime.now(UTC) - timedelta(seconds=1)
    known = Tokens(file(entry(reads=True, expires=past)))
    with pytest.raises(Unauthorized, match="Token crm expired at") as caught:
        known.bearer(HEADER)
    assert caught.value.code == "expired_token"
    assert known.recognize(HEADER) is None
    assert known.guard_rounds


def test_a_token_before_its_end_is_taken(file):
    assert Tokens(file(entry(expires=datetime.now(UTC) + timedelta(minutes=1)))).bearer(HEADER).name == "crm"


def test_who_need_not_say_so_is_recognised_by_a_known_token_alone(file, tmp_path):
    known = Tokens(file(entry()))
    assert known.recognize(HEADER).name == "crm"
    assert [known.recognize(header) for header in (None, "", "Bearer wrong", f"Basic {SECRET}")] == [None] * 4
    assert Tokens(tmp_path / "nowhere.toml").recognize(HEADER) is None


def test_a_token_that_was_found_is_found_without_a_look_at_the_file_for_a_moment(file, monkeypatch):
    known = Tokens(file(entry()), trust_seconds=60)
    known.bearer(HEADER)
    looks, real = [], tokens.file_version
    monkeypatch.setattr(tokens, "file_version", lambda path: looks.append(path) or real(path))
    assert known.bearer(HEADER).name == "crm"
    assert looks == []
    file(entry("erp", "new"))
    assert known.bearer("Bearer new").name == "erp"
    with pytest.raises(Unauthorized):
        known.bearer(HEADER)
