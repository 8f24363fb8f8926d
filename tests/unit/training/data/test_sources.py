"""Rows come from a file, a generator or the journal by one text, and say where they are and of when."""

import gzip
from datetime import UTC, datetime

import numpy as np
import pytest

from concord.errors import DataError
from training.data.cleaning import UNDATED
from training.data.dataset import generate_rows
from training.data.sources import read_rows
from training.fit_tasks import prepare

FILM = "id,release_date,budget,revenue,runtime,vote_count,vote_average"


def micros(*day):
    return int(datetime(*day, tzinfo=UTC).timestamp()) * 10**6


@pytest.fixture
def films(csv_file):
    return csv_file(FILM, "1,1965-03-02,9,9,90,9,6", "2,,9,9,91,9,6", "3,2024-05-01,9,9,92,9,8")


def test_a_generator_is_named_with_its_seed(task):
    iris = task("iris")
    assert read_rows(iris, "generator").digest == generate_rows(iris, 42).digest
    assert read_rows(iris, "generator:7").digest == generate_rows(iris, 7).digest
    assert read_rows(iris, "generator:7").source == "generator:7"


def test_what_has_no_source_is_generated_by_the_seed_of_the_fit(task):
    iris = task("iris")
    (plan,) = prepare([iris], {}, 7)
    assert plan.data.digest == generate_rows(iris, 7).digest


def test_a_file_says_where_it_is_and_of_when_its_rows_are(task, films):
    data = read_rows(task("film_rating"), str(films))
    assert (data.name, data.source) == ("rows.csv", str(films))
    assert data.times.tolist() == [micros(1965, 3, 2), UNDATED, micros(2024, 5, 1)]
    assert data.ignored == ("id",)


def test_times_of_dropped_rows_are_dropped_with_them(task, csv_file):
    path = csv_file(FILM, "1,1965-03-02,0,9,90,9,6", "2,1970-01-01,9,9,91,9,6")
    data = read_rows(task("film_rating"), str(path))
    assert (data.times.tolist(), data.dropped) == ([0], {"budget": 1})


def test_a_date_that_is_none_is_refused_with_its_line(task, csv_file):
    path = csv_file(FILM, "1,1965-03-02,9,9,90,9,6", "2,2/3/1965,9,9,91,9,6")
    with pytest.raises(DataError, match=r"line 3, column 'release_date': .* not '2/3/1965'") as caught:
        read_rows(task("film_rating"), str(path))
    assert caught.value.field == "release_date"


def test_rows_of_a_generator_have_no_times(task):
    assert read_rows(task("iris"), "generator").times is None


def test_a_gzip_is_read_as_the_file_in_it(task, films):
    packed = films.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(films.read_bytes()))
    film = task("film_rating")
    assert np.array_equal(read_rows(film, str(packed)).rows, read_rows(film, str(films)).rows)


def test_a_gzip_that_ends_too_soon_is_refused(task, films):
    packed = films.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(films.read_bytes())[:-10])
    with pytest.raises(DataError, match="broken gzip"):
        read_rows(task("film_rating"), str(packed))
