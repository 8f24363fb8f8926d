"""Drift in the tasks' own data: what has moved between FastIA's files, and no alarm where nothing has."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from concord.cli import main
from concord.drift.report import Sketch, Sketches, build_report
from concord.tasks.profile import TrainingProfile
from tests.unit.profiles import ks_2samp
from training.data.dataset import generate_rows, read_file
from training.data.split import split
from training.fitting.profile import build_profile
from training.task import SEED

FILES = {
    "film_balanced_570.csv": "film_rating",
    "film_recent_2020_2025.csv": "film_rating",
    "tmdb_5000_min.csv": "film_rating",
    "loan_data.csv": "loan_default",
    "fastia_df_old.csv": "loan_amount",
    "fastia_df_new.csv": "loan_amount",
}


@pytest.fixture
def profile_of(task, shared_data, tmp_path):
    """Writes the profile of a file's training rows, as a fit does."""

    def write(name, file):
        data = read_file(task(name), shared_data(file))
        part = split(task(name), data, SEED).training
        path = tmp_path / "profile.json"
        path.write_text(json.dumps(build_profile(task(name), part.rows, data, part.answers)), "utf-8")
        return path

    return write


def compare(name, source, known):
    arguments = ["drift", name, "--file", str(source), "--profile", str(known), "--json"]
    result = CliRunner().invoke(main, arguments, prog_name="concord")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def status_of(report):
    return {one["name"]: one["status"] for one in report["features"]}


def test_fastias_new_file_has_drifted_in_region_degree_height_and_amount_and_not_in_income(
    profile_of, shared_data
):
    known = profile_of("loan_amount", "fastia_df_old.csv")
    report = compare("loan_amount", shared_data("fastia_df_new.csv"), known)
    status = status_of(report)
    assert {status[name] for name in ("region", "niveau_etude", "taille")} == {"drifted"}
    assert (report["target"]["name"], report["target"]["status"]) == ("montant_pret", "drifted")
    income = next(one for one in report["features"] if one["name"] == "revenu_estime_mois")
    assert (income["status"], income["significant"]) == ("steady", False)


def test_fastias_old_file_has_not_drifted_from_its_own_training_rows(profile_of, shared_data):
    known = profile_of("loan_amount", "fastia_df_old.csv")
    report = compare("loan_amount", shared_data("fastia_df_old.csv"), known)
    assert set(status_of(report).values()) == {"steady"}
    assert report["target"]["status"] == "steady"


def test_recent_films_have_drifted_from_those_that_were_learned_from(profile_of, shared_data):
    known = profile_of("film_rating", "tmdb_5000_min.csv")
    report = compare("film_rating", shared_data("film_recent_2020_2025.csv"), known)
    assert report["status"] == "drifted"
    assert status_of(report)["vote_count"] == "drifted"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["film_rating", "loan_amount", "iris"])
def test_a_hundred_bootstrap_samples_of_the_training_rows_raise_at_most_five_alarms(task, name):
    rows, data = generate_rows(task(name), SEED).rows, generate_rows(task(name), SEED)
    reference = TrainingProfile.from_json(build_profile(task(name), rows, data))
    random, alarms = np.random.default_rng(SEED), 0
    for _ in range(100):
        sketches = Sketches(reference)
        sketches.add(rows[random.integers(len(rows), size=len(rows))].T.astype(np.float64))
        alarms += any(one.significant for one in build_report(name, reference, (), sketches).features)
    assert alarms <= 5


@pytest.mark.slow
@pytest.mark.parametrize("size", [500, None], ids=["of 500 rows", "as large as the data"])
def test_a_hundred_bootstrap_samples_of_the_films_raise_at_most_five_alarms(task, shared_data, size, capsys):
    films = task("film_rating")
    data = read_file(films, shared_data("tmdb_5000_min.csv"))
    part = split(films, data, SEED).training
    reference = TrainingProfile.from_json(
        json.loads(json.dumps(build_profile(films, part.rows, data, part.answers)))
    )
    random, alarms = np.random.default_rng(SEED), 0
    for _ in range(100):
        drawn = random.integers(len(part.rows), size=size or len(part.rows))
        sketches, target = Sketches(reference), Sketch(reference.target)
        sketches.add(part.rows[drawn].T.astype(np.float64))
        target.add(part.answers[drawn].astype(np.float64))
        report = build_report("film_rating", reference, (), sketches, target=target)
        # Significance alone, so that no size of difference hides a false alarm.
        alarms += any(one.significant for one in [*report.features, report.target])
    with capsys.disabled():
        sys.stdout.write(f"\n{alarms} false alarms in 100 samples of {len(drawn):,} films\n")
    assert alarms <= 5


def test_a_profile_has_the_answers_learned_from_and_the_models_own_on_the_rows_held_out(task):
    data = generate_rows(task("iris"), SEED)
    document = build_profile(task("iris"), data.rows, data, data.answers, np.eye(3)[[1] * 30])
    reference = TrainingProfile.from_json(json.loads(json.dumps(document)))
    assert reference.target.name == "species"
    assert reference.target.counts.sum() == len(data.rows)
    assert reference.held_out.counts.tolist() == [0, 30, 0, 0]
    assert document["version"] == 2


@pytest.mark.parametrize("file", FILES)
def test_the_distance_of_every_number_in_the_projects_own_files_is_scipys(task, shared_data, file):
    of = task(FILES[file])
    data = read_file(of, shared_data(file))
    reference = TrainingProfile.from_json(json.loads(json.dumps(build_profile(of, data.rows, data))))
    now = (data.rows * np.float32(1.01)).T
    for column, before, moved in zip(reference.features, data.rows.T, now, strict=True):
        if column.choices:
            continue
        sketch = Sketch(column)
        sketch.add(moved.astype(np.float64))
        found, expected = sketch.difference(), ks_2samp(before, moved)
        n, m = len(before), len(moved)
        p = stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * expected.statistic)
        assert found.exact, column.name
        assert abs(found.statistic - expected.statistic) < 1e-9, column.name
        assert abs(found.p_value - p) < 1e-9, column.name


def test_a_profile_keeps_quantiles_that_are_values_where_there_are_too_many(task, monkeypatch):
    monkeypatch.setattr("training.fitting.profile.most_points", lambda columns: 50)
    data = generate_rows(task("loan_amount"), SEED)
    found = build_profile(task("loan_amount"), data.rows, data)["features"]["poids"]
    assert len(found["points"]) <= 50
    assert sum(found["counts"]) == len(data.rows)
    assert found["points"][0] == found["minimum"]
    assert found["points"][-1] == found["maximum"]
    assert sum(found["counts"][::2]) > 0
