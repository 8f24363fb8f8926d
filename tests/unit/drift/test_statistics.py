"""Every formula against SciPy, or against its definition, within 1e-9."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from concord.drift.statistics import (
    PSI_FLOOR,
    chi_squared,
    chi_squared_survival,
    holm,
    kolmogorov_smirnov,
    kolmogorov_survival,
    pooled,
    population_stability_index,
)

near = lambda value: pytest.approx(value, rel=1e-9, abs=1e-9)  # noqa: E731
counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12)


def both(pairs):
    before, now = np.array(pairs, dtype=np.int64).T
    assume(before.sum() and now.sum())
    return before, now


@settings(deadline=None)
@given(counts)
def test_the_index_is_its_definition(pairs):
    before, now = both(pairs)
    expected = 0.0
    for b, n in zip(before / before.sum(), now / now.sum(), strict=True):
        p, q = max(b, PSI_FLOOR), max(n, PSI_FLOOR)
        expected += (q - p) * np.log(q / p)
    assert population_stability_index(before, now) == near(expected)
    assert population_stability_index(now, before) == near(expected)


@settings(deadline=None)
@given(counts)
def test_kolmogorov_smirnov_is_scipys(pairs):
    before, now = both(pairs)
    cells = np.arange(len(before))
    expected = stats.ks_2samp(np.repeat(cells, before), np.repeat(cells, now), method="asymp").statistic
    distance, p = kolmogorov_smirnov(before, now)
    n, m = before.sum(), now.sum()
    assert distance == near(expected)
    assert p == near(stats.kstwobign.sf(np.sqrt(n * m / (n + m)) * expected))


@settings(deadline=None)
@given(counts)
def test_chi_squared_is_scipys_on_the_pooled_table(pairs):
    before, now = both(pairs)
    table = pooled(before, now)
    statistic, freedom, p = chi_squared(before, now)
    if table.shape[1] < 2:
        assert (statistic, freedom, p) == (0, 0, 1)
        return
    expected = stats.chi2_contingency(table, correction=False)
    assert (statistic, freedom, p) == (near(expected.statistic), expected.dof, near(expected.pvalue))
    assert table.sum() == before.sum() + now.sum()
    assert expected.expected_freq.min() >= 5


def test_a_table_without_rare_cells_is_left_as_it_is():
    before, now = np.array([50, 60, 70]), np.array([20, 90, 31])
    assert pooled(before, now).tolist() == [[50, 60, 70], [20, 90, 31]]


def test_rare_cells_become_one():
    table = pooled(np.array([100, 2, 100, 3]), np.array([100, 4, 100, 3]))
    assert table.tolist() == [[100, 100, 5], [100, 100, 7]]


def test_rare_cells_that_stay_rare_take_in_the_next_smallest():
    assert pooled(np.array([100, 1, 60]), np.array([100, 0, 60])).tolist() == [[100, 61], [100, 60]]


@settings(deadline=None)
@given(st.floats(0.0, 8.0))
def test_kolmogorovs_distribution_is_scipys(x):
    assert kolmogorov_survival(x) == near(stats.kstwobign.sf(x))


@settings(deadline=None)
@given(st.floats(0.0, 1e6), st.integers(1, 200))
def test_the_tail_of_chi_squared_is_scipys(x, freedom):
    assert chi_squared_survival(x, freedom) == near(stats.chi2.sf(x, freedom))


@pytest.mark.parametrize(
    ("given_values", "adjusted"),
    [
        ([], []),
        ([0.2], [0.2]),
        # By hand: 0.005·4, 0.01·3, 0.03·2, 0.04·1 in rising order, and none below the one before.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6, 0.9], [1.0, 1.0, 1.0]),
        ([0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_holms_values_are_those_by_hand(given_values, adjusted):
    assert holm(given_values) == pytest.approx(adjusted)
