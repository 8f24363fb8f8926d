"""Films are gathered from what answers as TMDB documents: at its pace, once each, and never with the key."""

import json
import logging

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from concord.errors import ConfigurationError, DataError, InvalidInput, TrainingError
from tests.unit.training.data.database.conformance import lines_of
from tests.unit.training.data.tmdb.fake_tmdb import KEY, TOKEN, FakeTmdb, film, refusal
from training.__main__ import main
from training.data.cleaning import read_time
from training.data.database.address import read_address
from training.data.sources import read_rows
from training.data.tmdb.api import Tmdb
from training.data.tmdb.gathering import FilmOptions, gather_films
from training.tasks import select

TASK = select(["film_rating"])[0]


@pytest.fixture
def start():
    started = []

    def make(*films):
        started.append(FakeTmdb(films))
        return started[-1]

    yield make
    for one in started:
        one.close()


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path}/films.sqlite"


class Clock:
    """Time that passes by being slept."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def run(tmdb, url, source="tmdb:2024", key=TOKEN, clock=None, **options):
    clock = clock or Clock()
    api = Tmdb(key, tmdb.url, clock=clock, sleep=clock.sleep)
    told = options.pop("told", [])
    summary, _ = gather_films(
        TASK,
        source,
        read_address(url, "film_rating"),
        report=told.append,
        tmdb=api,
        options=FilmOptions(**options),
    )
    return summary


def test_films_of_all_pages_and_years_are_stored_with_their_dates(start, url):
    tmdb = start(*(film(number, 2023 + number % 2) for number in range(1, 51)))
    told = []
    summary = run(tmdb, url, "tmdb:2023..2024", told=told)
    assert (summary.read, summary.loaded) == (50, 50)
    assert sorted(int(key) for (key,) in lines_of(url, "film_rating", "row_key")) == list(range(1, 51))
    assert [(one.done, one.total) for one in told] == [(1, 2), (2, 2), (3, 4), (4, 4)]
    data = read_rows(TASK, url)
    assert data.answers.tolist() == [1] * 50
    assert (data.times >= read_time("day", "2024-01-01")).sum() == 25


def test_a_film_without_a_budget_is_left_out_and_one_that_is_gone_is_skipped(start, url):
    tmdb = start(film(1), film(2, budget=0), film(3))
    found = tmdb._discover
    gone = {"id": 9, "title": "Gone"}
    tmdb._discover = lambda query: (
        200,
        found(query)[1] | {"results": [*found(query)[1]["results"], gone]},
        {},
    )
    summary = run(tmdb, url)
    assert (summary.loaded, dict(summary.dropped)) == (2, {"budget": 1})


def test_films_of_few_votes_are_not_asked_about(start, url):
    tmdb = start(film(1), film(2, vote_count=49), film(3, vote_count=10))
    assert run(tmdb, url).read == 1
    assert run(tmdb, url, votes=20).read == 1


def test_known_films_are_not_asked_about_again_unless_they_are_old(start, url):
    tmdb = start(*(film(number) for number in range(1, 31)))
    run(tmdb, url)
    tmdb.asked.clear()
    run(tmdb, url)
    # How many pages there are, and the last one, which may have grown.
    assert tmdb.asked == ["/discover/movie?1", "/discover/movie?2"]
    tmdb.films[7]["revenue"] = 9_000_000
    tmdb.films[40] = film(40)
    summary = run(tmdb, url, older_days=0)
    assert (summary.loaded, summary.changed, summary.known) == (1, 1, 29)


def test_what_was_stopped_goes_on_where_it_was(start, url):
    tmdb = start(*(film(number) for number in range(1, 101)))

    class Stopped(Exception):
        pass

    def stop(done):
        if done.done == 3:
            raise Stopped

    clock = Clock()
    api = Tmdb(TOKEN, tmdb.url, clock=clock, sleep=clock.sleep)
    with pytest.raises(Stopped):
        gather_films(TASK, "tmdb:2024", read_address(url, "film_rating"), report=stop, tmdb=api)
    tmdb.asked.clear()
    assert run(tmdb, url).loaded == 40
    assert len([path for path in tmdb.asked if path.startswith("/movie/")]) == 40
    assert len(lines_of(url, "film_rating", "row_key")) == 100


def test_a_span_of_more_pages_than_there_are_is_cut_in_two(start, url):
    tmdb = start(*(film(number) for number in range(1, 101)))
    tmdb.most_pages = 2
    assert run(tmdb, url).loaded == 100


def test_requests_are_at_most_forty_a_second(start, url):
    tmdb, clock = start(*(film(number) for number in range(1, 42))), Clock()
    run(tmdb, url, clock=clock)
    assert clock.now >= (len(tmdb.asked) - 1) / 40 - 1e-9


def test_a_request_that_came_too_fast_is_repeated_when_tmdb_says(start, url):
    tmdb, clock = start(film(1)), Clock()
    wait = {"retry-after": "7"}
    tmdb.faults = [(429, {"status_code": 25, "status_message": "x"}, wait), (503, {"status_code": 9}, {})]
    assert run(tmdb, url, clock=clock).loaded == 1
    assert clock.now >= 7 + 2


def test_a_server_that_only_fails_ends_the_work_with_what_to_do(start, url):
    tmdb = start(film(1))
    tmdb.faults = [refusal(503, 9, "Service offline")] * 6
    with pytest.raises(TrainingError, match=r"again and again\. Try later; the same command goes on"):
        run(tmdb, url)


@pytest.mark.parametrize("key", ["f" * 32, "wrong.token"])
def test_a_key_that_is_refused_is_told_without_it(start, url, key):
    with pytest.raises(ConfigurationError, match="TMDB refuses the key") as caught:
        run(start(film(1)), url, key=key)
    assert key not in caught.value.message


def test_an_older_key_is_a_parameter_and_a_newer_one_a_header(start, url):
    tmdb = start(film(1))
    run(tmdb, url, key=KEY)
    assert all("authorization" not in {name.lower() for name in one} for one in tmdb.headers)
    tmdb.headers.clear()
    run(tmdb, url, older_days=0)
    assert all(TOKEN in one["authorization"] for one in tmdb.headers)


def test_the_key_is_in_no_log_and_no_table(start, url, caplog, tmp_path):
    with caplog.at_level(logging.DEBUG):
        run(start(film(1)), url, key=KEY)
    assert KEY not in caplog.text
    assert KEY.encode() not in (tmp_path / "films.sqlite").read_bytes()


def test_a_server_that_is_not_there_is_told_without_the_key(url):
    clock = Clock()
    api = Tmdb(KEY, "http://127.0.0.1:9/3", clock=clock, sleep=clock.sleep)
    with pytest.raises(TrainingError, match="TMDB cannot be reached") as caught:
        gather_films(TASK, "tmdb:2024", read_address(url, "film_rating"), report=print, tmdb=api)
    assert KEY not in caught.value.message


@pytest.mark.parametrize("source", ["tmdb:", "tmdb:20", "tmdb:2025..2020", "tmdb:1500", "tmdb:2020-2025"])
def test_years_that_are_none_are_refused(url, source):
    with pytest.raises(InvalidInput, match=r"tmdb:2020\.\.2025"):
        gather_films(TASK, source, read_address(url, "film_rating"), report=print)


def test_a_task_of_other_columns_cannot_be_gathered(url):
    with pytest.raises(DataError, match="has no column"):
        gather_films(select(["iris"])[0], "tmdb:2024", read_address(url, "iris"), report=print)


def test_the_command_takes_key_and_address_from_the_environment(start, url, monkeypatch):
    tmdb = start(film(1), film(2))
    command = ["data", "load", "film_rating", "tmdb:2024", "--to", url, "--json"]
    monkeypatch.delenv("TMDB_API_KEY", raising=False)
    without = CliRunner().invoke(main, command)
    assert (without.exit_code, json.loads(without.stdout)["error"]["field"]) == (2, "TMDB_API_KEY")
    monkeypatch.setenv("TMDB_API_KEY", TOKEN)
    monkeypatch.setenv("TMDB_API_URL", tmdb.url)
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["loaded"] == 2
    assert TOKEN not in done.output


def test_the_notes_of_what_was_asked_are_the_tables_own(start, url):
    tmdb = start(film(1))
    run(tmdb, url)
    assert run(tmdb, f"{url}#other").loaded == 1
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT name, film FROM concord_tmdb_films ORDER BY name").all()
    assert found == [("film_rating", 1), ("other", 1)]
