"""The confidence sequence, against its definition and in simulations."""

import math

import numpy as np
import pytest

from concord.rollout.confidence import mean_interval


def by_definition(values, level):
    """Theorem 2 of Waudby-Smith & Ramdas, one observation after the other."""
    total = weighted = penalty = 0.0
    before, mean, spread, summed = [], 0.5, 0.25, 0.0
    for i, d in enumerate(values, 1):
        x = (d + 1) / 2
        bet = min(0.5, math.sqrt(2 * math.log(2 / level) / (spread * i * math.log(1 + i))))
        total, weighted = total + bet, weighted + bet * x
        penalty += 4 * (x - mean) ** 2 * (-math.log(1 - bet) - bet) / 4
        before.append(x)
        mean = (0.5 + sum(before)) / (i + 1)
        summed += (x - mean) ** 2
        spread = (0.25 + summed) / (i + 1)
    centre, reach = weighted / total, (math.log(2 / level) + penalty) / total
    return 2 * (centre - reach) - 1, 2 * (centre + reach) - 1


def test_it_is_what_the_source_defines():
    values = np.random.default_rng(1).choice([-1.0, 0.0, 0.3, 1.0], 200)
    low, high = by_definition(values, 0.05)
    assert mean_interval(values) == pytest.approx((max(-1, low), min(1, high)), abs=1e-12)


def test_of_nothing_nothing_is_known():
    assert mean_interval(np.array([])) == (-1.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.choice([-1.0, 0.0, 1.0], n, p=[0.1, 0.8, 0.1]),
        lambda rng, n: rng.uniform(-1, 1, n),
        # A rare large loss, which thirty rounds mostly don't show: where normal intervals are wrong.
        lambda rng, n: np.where(rng.random(n) < 0.02, -1.0, 0.02 / 0.98),
    ],
    ids=["hits", "values", "rare losses"],
)
def test_twins_that_are_looked_at_all_the_time_are_seldom_told_apart(draw):
    rng, wrong = np.random.default_rng(7), 0
    for _ in range(200):
        values = draw(rng, 1000)
        looks = [mean_interval(values[:n]) for n in range(30, 1001, 10)]
        wrong += any(low > 0 or high < 0 for low, high in looks)
    # 5 % are admitted; 200 samples with a chance of 5 % give more than 20 once in two thousand.
    assert wrong <= 20


def test_a_plain_interval_that_is_looked_at_as_often_is_wrong_far_more_often():
    rng, wrong = np.random.default_rng(7), 0
    for _ in range(200):
        values = rng.choice([-1.0, 0.0, 1.0], 1000, p=[0.1, 0.8, 0.1])
        for n in range(30, 1001, 10):
            mean, reach = values[:n].mean(), 1.96 * values[:n].std(ddof=1) / math.sqrt(n)
            if abs(mean) > reach:
                wrong += 1
                break
    assert wrong > 40


def test_a_challenger_that_is_better_by_a_tenth_is_found_within_some_hundred_rounds():
    rng = np.random.default_rng(3)
    values = rng.choice([-1.0, 0.0, 1.0], 1000, p=[0.05, 0.8, 0.15])
    first = next(n for n in range(30, 1001) if mean_interval(values[:n])[0] > 0)
    assert 100 < first < 700
