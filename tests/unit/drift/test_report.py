"""What counts as drift and what does not, and the error rate of a report as a whole."""

import json
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from concord.consensus.node_clients import PROFILE_BYTES
from concord.drift.report import LEAST_ROWS, Sketches, build_report, judge_differences, overall_status
from concord.drift.statistics import PSI_FLOOR, population_stability_index
from concord.errors import ConfigurationError
from concord.tasks.profile import MOST_POINTS, TrainingProfile, most_points
from tests.unit.profiles import GRADES, document_of, ks_2samp, reference_of
from training.task import Rule

near = lambda value: pytest.approx(value, rel=1e-9, abs=1e-9)  # noqa: E731


@pytest.fixture
def random():
    return np.random.default_rng(7)


def report(reference, rows):
    sketches = Sketches(reference)
    for start in range(0, len(rows), 97):
        sketches.add_rows(rows[start : start + 97])
    return build_report("toy", reference, (), sketches)


def rows_of(numbers, codes=None):
    codes = [0] * len(numbers) if codes is None else codes
    return [{"x": float(x), "grade": GRADES[int(c)]} for x, c in zip(numbers, codes, strict=True)]


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_the_distance_is_scipys_to_the_last_digit_whatever_the_ties(random, decimals):
    before = random.normal(0, 3, 1500).round(decimals).astype(np.float32)
    now = random.normal(0.3, 4, 700).round(decimals).astype(np.float32)
    difference = report(reference_of(before), rows_of(now)).features[0]
    expected = ks_2samp(before, now)
    n, m = len(before), len(now)
    assert difference.exact
    assert difference.statistic == near(expected.statistic)
    assert difference.p_value == near(stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * expected.statistic))


def test_of_a_column_with_more_values_than_points_the_distance_is_short_by_one_point_at_most(random):
    before, now = random.normal(0, 1, 20_000), random.normal(0.1, 1, 5000)
    difference = report(reference_of(before), rows_of(now)).features[0]
    expected = ks_2samp(before.astype(np.float32), now.astype(np.float32)).statistic
    assert not difference.exact
    assert expected - 1 / MOST_POINTS - 1e-4 <= difference.statistic <= expected + 1e-12


@pytest.mark.parametrize("columns", [1, 16, 17, 128, 300])
def test_a_profile_of_so_many_numbers_is_small_enough_to_be_read_from_a_node(columns):
    points = np.linspace(0, 1, most_points(columns)).astype(np.float32).tolist()
    column = len(json.dumps([points, [0, 1] * len(points)]))
    assert columns * column < PROFILE_BYTES


def test_the_index_is_computed_over_the_training_datas_deciles(random):
    before, now = random.gamma(2, 1, 1000).astype(np.float32), random.gamma(2.5, 2, 800).astype(np.float32)
    deciles = np.quantile(before, np.linspace(0, 1, 11)[1:-1])
    ends = [-np.inf, *deciles, np.inf]
    p, q = (np.maximum(np.histogram(sample, ends)[0] / len(sample), PSI_FLOOR) for sample in (before, now))
    difference = report(reference_of(before), rows_of(now)).features[0]
    assert difference.psi == near(float(((q - p) * np.log(q / p)).sum()))


def test_choices_are_compared_by_chi_squared(random):
    before, now = random.choice(3, 900, p=[0.5, 0.3, 0.2]), random.choice(3, 400, p=[0.2, 0.3, 0.5])
    difference = report(
        reference_of(np.arange(900), before), rows_of(random.random(400) * 900, now)
    ).features[1]
    table = np.stack([np.bincount(before, minlength=3), np.bincount(now, minlength=3)])
    expected = stats.chi2_contingency(table, correction=False)
    assert (difference.statistic, difference.p_value) == (near(expected.statistic), near(expected.pvalue))
    assert difference.psi == near(population_stability_index(*table))
    assert difference.status == "drifted"


def test_a_choice_that_is_not_in_the_training_data_is_drift_and_is_counted(random):
    before = random.choice(2, 1000)
    drift = report(reference_of(np.arange(1000), before), rows_of(range(500), [2] * 100 + [0, 1] * 200))
    assert drift.features[1].unseen == 0.2
    assert drift.features[1].status == "drifted"


def test_a_text_that_is_no_choice_is_unseen_too():
    reference = reference_of(np.arange(1000), np.arange(1000) % 3)
    rows = [{"x": float(i * 3), "grade": "none" if i % 2 else "low"} for i in range(300)]
    assert report(reference, rows).features[1].unseen == 0.5


def test_numbers_outside_the_training_data_are_counted():
    difference = report(
        reference_of(np.arange(1000)), rows_of([-1.0] * 30 + [1e39] * 20 + [5.0] * 50)
    ).features[0]
    assert difference.outside == 0.5


def test_the_same_rows_have_not_drifted(random):
    numbers, codes = random.normal(0, 1, 500), random.choice(3, 500)
    drift = report(reference_of(numbers, codes), rows_of(numbers, codes))
    assert drift.status == "steady"
    assert [(feature.psi, feature.statistic, feature.p_value) for feature in drift.features] == [
        (0, 0, 1)
    ] * 2


def test_a_constant_column_that_stays_so_has_not_drifted_and_one_that_moves_has():
    reference = reference_of(np.full(300, 4.0))
    assert report(reference, rows_of([4.0] * 200)).status == "steady"
    moved = report(reference, rows_of([4.5] * 200)).features[0]
    assert (moved.status, moved.statistic, moved.outside) == ("drifted", 1.0, 1.0)


def test_too_few_rows_give_no_result():
    reference = reference_of(np.arange(1000))
    for rows in ([], rows_of([1e6] * (LEAST_ROWS - 1))):
        drift = report(reference, rows)
        assert (drift.status, drift.features[0].status) == ("too_few_rows", "too_few_rows")
        assert drift.features[0].psi is drift.features[0].p_value is None
    assert report(reference, rows_of([1e6] * LEAST_ROWS)).status == "drifted"
    assert report(reference_of(np.arange(LEAST_ROWS - 1)), rows_of(range(500))).status == "too_few_rows"


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_column_of_missing_cells_has_drifted(nothing):
    rows = [{"x": nothing, "grade": "low"} for _ in range(200)]
    difference, other = report(reference_of(np.arange(1000)), rows).features
    assert (difference.status, difference.test, difference.missing, difference.rows) == (
        "drifted",
        "missing",
        1.0,
        0,
    )
    assert (other.status, other.missing) == ("too_few_rows", 0)


def test_fewer_missing_cells_are_no_alarm():
    reference = reference_of(np.arange(1000), empty={"x": 500})
    rows = [{"x": None if i == 0 else float(i * 3), "grade": "low"} for i in range(300)]
    difference = report(reference, rows).features[0]
    assert (difference.status, difference.missing_before) == ("steady", 0.5)


def test_a_number_that_means_unknown_is_missing_and_its_row_is_not_compared():
    reference = reference_of(np.arange(1, 1001), rules={"x": Rule(unknown=(0.0,))})
    differences = report(reference, rows_of([0.0] * 100 + list(range(1, 1001, 2)))).features
    assert (differences[0].rows, differences[1].rows) == (500, 500)
    assert differences[0].missing == near(1 / 6)


def test_an_empty_cell_that_is_filled_in_is_missing_and_compared_all_the_same():
    reference = reference_of(
        np.arange(600), np.arange(600) % 3, rules={"grade": Rule(fill="low")}, empty={"grade": 200}
    )
    rows = [{"x": float(2 * i), "grade": (None, "middle", "high")[i % 3]} for i in range(300)]
    difference = report(reference, rows).features[1]
    assert (difference.rows, difference.psi, difference.status) == (300, 0, "steady")
    assert difference.missing == near(difference.missing_before)


def test_two_tests_of_one_column_cost_twice_the_p_value(random):
    reference = reference_of(np.arange(1000))
    cells = [None] * 4 + list(random.random(396) * 1000)
    difference = report(reference, [{"x": x, "grade": "low"} for x in cells]).features[0]
    values_only = report(reference, rows_of(cells[4:])).features[0]
    assert difference.p_value == near(min(1.0, 2 * values_only.p_value))


def test_a_slight_difference_among_many_rows_is_significant_and_no_drift(random):
    reference = reference_of(random.normal(0, 1, 2000).round(2))
    difference = report(reference, rows_of(random.normal(0.15, 1, 20_000).round(2))).features[0]
    assert difference.significant
    assert difference.psi < 0.1
    assert difference.status == "steady"


def test_holms_correction_is_over_all_that_a_report_tests(random):
    reference = reference_of(random.normal(0, 1, 500), random.choice(3, 500))
    sketches = Sketches(reference)
    sketches.add_rows(rows_of(random.normal(0.2, 1, 300), random.choice(3, 300)))
    alone = [sketch.difference() for sketch in sketches.features]
    first = judge_differences(alone)[0]
    assert first.adjusted == near(min(1.0, 2 * first.p_value))
    assert judge_differences([alone[0]])[0].adjusted == near(first.p_value)
    assert overall_status([]) == "too_few_rows"


def test_a_profile_of_version_1_is_read_and_its_bins_are_compared(random):
    document = document_of(random.normal(0, 1, 1000), random.choice(3, 1000))
    number = document["features"]["x"]
    old = {key: document[key] for key in ("rows", "features")}
    del number["points"], number["counts"]
    now = random.normal(1, 1, 500)
    difference = report(TrainingProfile.from_json(old), rows_of(now, random.choice(3, 500))).features[0]
    assert (difference.status, difference.exact) == ("drifted", False)
    assert difference.statistic <= ks_2samp(random.normal(0, 1, 1000), now).statistic + 0.1


@pytest.mark.parametrize(
    "change",
    [
        {"features": {}},
        {"rows": 0},
        {"read": 0},
        {"features": {"x": {"edges": [2, 1], "shares": [0, 0, 1], "minimum": 0, "maximum": 1}}},
        {"features": {"x": {"edges": [1], "shares": [1], "minimum": 0, "maximum": 1}}},
        {"features": {"x": {"edges": ["a"], "shares": [1, 0], "minimum": 0, "maximum": 1}}},
        {"features": None},
    ],
)
def test_what_is_no_profile_is_refused(change):
    with pytest.raises(ConfigurationError, match="no profile"):
        TrainingProfile.from_json(document_of(np.arange(100)) | change)
    with pytest.raises(ConfigurationError):
        TrainingProfile.from_json([1])


def test_models_of_the_same_rows_have_one_digest_whatever_they_answer():
    first, second = (document_of(np.arange(100), votes=np.eye(2)[[k] * 100]) for k in (0, 1))
    assert first["held_out"] != second["held_out"]
    assert TrainingProfile.from_json(first).digest == TrainingProfile.from_json(second).digest
    assert TrainingProfile.from_json(first).digest != reference_of(np.arange(101)).digest


def test_a_million_rows_take_no_more_memory_than_a_chunk(random):
    sketches = Sketches(reference_of(random.normal(0, 1, 5000), random.choice(3, 5000)))
    chunk = np.stack([random.normal(0, 1, 10_000), random.choice(3, 10_000)])
    sketches.add(chunk.copy())
    tracemalloc.start()
    for _ in range(20):
        sketches.add(chunk.copy())
    few = tracemalloc.get_traced_memory()[1]
    for _ in range(80):
        sketches.add(chunk.copy())
    many = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sketches.read == 1_010_000
    assert many <= few * 1.05 < 4_000_000


@pytest.mark.slow
@pytest.mark.parametrize("size", [100, 500, 3000])
def test_samples_of_the_same_source_raise_at_most_five_alarms_in_a_hundred(random, size):
    """Worst case for a test's level: fresh rows, not a bootstrap of the training rows."""
    alarms = 0
    for _ in range(100):
        before, grades = random.normal(0, 1, 2000), random.choice(3, 2000, p=[0.9, 0.09, 0.01])
        rows = rows_of(random.normal(0, 1, size), random.choice(3, size, p=[0.9, 0.09, 0.01]))
        alarms += any(feature.significant for feature in report(reference_of(before, grades), rows).features)
    assert alarms <= 5


def test_a_report_has_the_shares_of_the_bins_before_and_now(random):
    before, now = random.normal(0, 1, 1000), random.normal(2, 1, 300)
    codes = random.choice(3, 300, p=[0.6, 0.4, 0.0])
    rows = [*rows_of(now, codes), *({"x": 0.0, "grade": "unheard"} for _ in range(100))]
    number, choice = report(reference_of(before, np.arange(1000) % 2), rows).features
    assert number.shares.before == pytest.approx([0.1] * 10)
    assert number.shares.now[-1] > 0.5
    assert sum(number.shares.now) == pytest.approx(1, abs=1e-5)
    assert len(number.shares.edges) == 9
    assert number.shares.least == pytest.approx(before.min())
    assert choice.shares.choices == list(GRADES)
    assert choice.shares.before == [0.5, 0.5, 0, 0]
    assert choice.shares.now == [*(np.bincount(codes, minlength=3) / 400), 0.25]


def test_a_report_of_few_rows_has_no_shares(random):
    drift = report(reference_of(random.normal(0, 1, 1000)), rows_of([0.0] * (LEAST_ROWS - 1)))
    assert [feature.shares for feature in drift.features] == [None, None]
