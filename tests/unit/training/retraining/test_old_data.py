"""What a champion learned from is found again, or asked for; nothing is guessed."""

from dataclasses import replace

import numpy as np
import pytest

from concord.errors import DataError
from training.data.dataset import generate_rows
from training.data.provenance import Provenance
from training.data.split import hash_rows
from training.retraining.old_data import Sources, find_old_data, merge, newest_of_each
from training.tasks import discover

IRIS, FILM = discover()["iris"], discover()["film_rating"]
NAMES = frozenset([b"a" * 32])


def test_a_generator_makes_its_rows_again():
    data = generate_rows(FILM, 7)
    found = find_old_data(Sources(FILM, "journal"), "it", ((Provenance.of(data, 42),), NAMES), None, 42)
    assert np.array_equal(found.data.rows, data.rows)
    assert (found.learned.hashes, found.learned.source, found.notes) == (NAMES, "logged", ())


def test_a_generator_that_makes_other_rows_now_is_an_error():
    stated = ((replace(Provenance.of(generate_rows(FILM, 7), 42), digest="0" * 64),), NAMES)
    with pytest.raises(DataError, match=r"generator:7 is not what it learned from.*--old"):
        find_old_data(Sources(FILM, "journal"), "it", stated, None, 42)


def test_a_model_from_elsewhere_states_nothing_so_old_rows_are_asked_for():
    with pytest.raises(DataError, match="does not state what it learned from"):
        find_old_data(Sources(IRIS, "journal"), "it", ((), frozenset()), None, 42)


def test_old_rows_that_are_named_stand_for_hashes_that_nobody_kept_and_that_is_said():
    found = find_old_data(Sources(IRIS, "journal"), "it", ((), frozenset()), "generator", 42)
    assert found.learned.hashes == frozenset(hash_rows(generate_rows(IRIS, 42).rows))
    assert found.learned.source == "old data"
    assert "keeps no hashes" in found.notes[0]


def test_a_journal_may_have_grown_and_that_is_said():
    sources = Sources(IRIS, "journal")
    sources._read["journal"] = replace(generate_rows(IRIS, 1), source="journal")
    found = find_old_data(sources, "it", ((Provenance("journal", "0" * 64, 99),), NAMES), None, 42)
    assert found.notes == ("journal had 99 rows when it learned from it and has 150 now.",)


KEPT = Provenance("mysql+pymysql://ann:***@db/films#film_rating", "0" * 64, 5)
"""As a record has it of an address with a password."""


@pytest.mark.parametrize(
    "new",
    [
        "mysql+pymysql://ann:secret@db/films#film_rating",
        "mysql://ann:secret@db/films",
        "mysql://ann:s#cret@db/films?charset=utf8mb4#film_rating",
    ],
)
def test_a_password_that_no_record_keeps_comes_from_the_same_address_as_new_source(new):
    sources = Sources(FILM, new)
    sources._read[new] = generate_rows(IRIS, 1)
    assert len(find_old_data(sources, "it", ((KEPT,), NAMES), None, 42).data.rows) == 150


def test_a_password_that_no_record_keeps_comes_from_the_environment(monkeypatch):
    sources = Sources(FILM, "journal")
    sources._read["mysql+pymysql://ann@db/films#film_rating"] = generate_rows(IRIS, 1)
    monkeypatch.setenv("CONCORD_DATA_PASSWORD", "secret")
    assert len(find_old_data(sources, "it", ((KEPT,), NAMES), None, 42).data.rows) == 150


def test_a_password_that_is_nowhere_is_asked_for():
    for new in ("journal", "mysql://ann:secret@elsewhere/films"):
        with pytest.raises(DataError, match=r"keeps its password.*CONCORD_DATA_PASSWORD"):
            find_old_data(Sources(FILM, new), "it", ((KEPT,), NAMES), None, 42)


def test_several_sources_are_one_data_set():
    one, two = (replace(generate_rows(FILM, seed), empty={"budget": seed}) for seed in (1, 2))
    both = merge([one, two])
    assert len(both.rows) == len(one.rows) + len(two.rows)
    assert both.empty == {"budget": 3}


def test_a_source_that_is_learned_from_again_counts_once_in_its_newest_state():
    first, again, other = (
        Provenance("journal", "a", 1),
        Provenance("journal", "b", 2),
        Provenance("generator", "c", 3, 42),
    )
    assert newest_of_each([first, other, again]) == (again, other)
