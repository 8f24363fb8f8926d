"""Scores, and records that fade: each worked out by hand, and by fractions where hands are too slow."""

from fractions import Fraction

import pytest
from hypothesis import strategies as st

from concord.policies import scoring as skill
from concord.policies.scoring import Trial, brier, closeness, faded, hit, next_regret, next_sigma
from concord.policies.voting import PPM, split
from tests.unit.properties import Properties

properties = Properties()

votes = st.lists(st.integers(0, 100), min_size=2, max_size=6).filter(any).map(lambda raw: split(PPM, raw))
steps = st.integers(-(10**9), 10**9)


@pytest.mark.parametrize(
    ("vote", "label", "score"),
    [
        ((0, PPM, 0), 1, PPM),
        ((0, PPM, 0), 2, 0),
        ((0, 350000, 650000), 1, 577500),
        ((0, 200000, 800000), 1, 360000),
        ((0, 600000, 400000), 1, 840000),
        ((333334, 333333, 333333), 0, 666667),
        ((1, 999999), 1, 999999),
    ],
)
def test_the_quadratic_score_comes_out_by_hand(vote, label, score):
    assert brier(vote, label) == score


@properties(votes, st.data())
def test_the_quadratic_score_is_its_formula_floored(vote, data):
    label = data.draw(st.integers(0, len(vote) - 1))
    distance = sum((Fraction(p, PPM) - (k == label)) ** 2 for k, p in enumerate(vote))
    assert brier(vote, label) == (1 - distance / 2) * PPM // 1
    assert 0 <= brier(vote, label) <= PPM


@properties(votes, st.data())
def test_an_honest_answer_has_the_best_expected_quadratic_score(vote, data):
    other = data.draw(st.permutations(vote))

    def expected(answer):
        return sum(p * brier(answer, k) for k, p in enumerate(vote))

    assert expected(other) <= expected(vote) + PPM


def test_a_hit_needs_the_label_among_the_classes():
    assert [hit((0, PPM), label) for label in (0, 1, 2, -1)] == [0, PPM, 0, 0]


@pytest.mark.parametrize("label", [3, 7])
def test_a_label_beyond_the_classes_that_a_vote_names_scores_as_a_class_of_probability_zero(label):
    assert brier((PPM, 0, 0), label) == brier((PPM, 0, 0, 0, 0, 0, 0, 0), label) == 0


@pytest.mark.parametrize(
    ("value", "truth", "sigma", "score"),
    [
        (100, 100, 10, PPM),
        (100, 110, 10, 666667),
        (110, 100, 10, 666667),
        (100, 115, 10, 500000),
        (100, 129, 10, 33334),
        (100, 130, 10, 0),
        (-(10**15), 10**15, 1, 0),
        (-5, -6, 1, 666667),
    ],
)
def test_closeness_falls_to_nothing_at_three_sigma(value, truth, sigma, score):
    assert closeness(value, truth, sigma) == score


@properties(steps, steps, st.integers(1, 10**7))
def test_closeness_is_the_formula_of_the_specification(value, truth, sigma):
    assert closeness(value, truth, sigma) == PPM - PPM * min(3 * sigma, abs(value - truth)) // (3 * sigma)
    assert 0 <= closeness(value, truth, sigma) == closeness(truth, value, sigma) <= PPM


@pytest.mark.parametrize(
    ("total", "rounds", "left"),
    [(14 * PPM, 0, 14 * PPM), (14 * PPM, 1, 13_860_000), (20 * PPM, 2, 19_602_000), (1, 1, 0), (0, 9, 0)],
)
def test_a_record_fades_by_a_hundredth_a_round(total, rounds, left):
    assert faded(total, rounds) == left


def test_a_thousand_rounds_fade_exactly():
    assert faded(10**20, 1000) == 10**20 * Fraction(99, 100) ** 1000 // 1


@properties(st.integers(0, 10**9), st.lists(st.lists(st.integers(0, PPM), max_size=40), max_size=6))
def test_skill_stays_between_zero_and_one(start, blocks):
    trial = Trial("2", score=min(start, 20 * PPM))
    for scores in blocks:
        trial = trial.after(len(scores), sum(scores))
        assert 0 <= trial.skill <= PPM
    assert trial.rounds == sum(len(scores) for scores in blocks)


def test_a_version_starts_at_seven_tenths_and_a_good_one_is_believed_after_some_rounds():
    trial = Trial("2")
    assert trial.skill == 700_000
    trial = trial.after(1, PPM)
    assert (trial.score, trial.answered, trial.skill) == (14_860_000, 20_800_000, 714_423)
    assert trial.after(99, 99 * PPM).skill > 930_000


@pytest.mark.parametrize(
    ("sigma", "error", "rounds", "after"),
    [
        (1000, 1000, 7, 1000),
        (1000, 0, 1, 980),
        (1000, 2000, 1, 1020),
        (1000, 0, 2, 960),
        (100, 0, 1000, 1),
        (1, 0, 1, 1),
    ],
)
def test_sigma_moves_to_the_new_error_by_a_fiftieth_a_round(sigma, error, rounds, after):
    assert next_sigma(sigma, error, rounds) == after


@properties(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(1, 1000), few=20)
def test_sigma_is_the_formula_of_the_specification_and_never_zero(sigma, error, rounds):
    assert next_sigma(sigma, error, rounds) == sigma_by_fractions(sigma, error, rounds) >= 1


def sigma_by_fractions(sigma, error, rounds):
    kept = Fraction(49, 50) ** rounds
    return max(1, (sigma * kept + error * (1 - kept)) // 1)


@pytest.mark.parametrize(
    ("regret", "gained", "rounds", "after"),
    [(0, 0, 5, 0), (0, 750_000, 1, 550_000), (300_000, 0, 1, 100_000), (300_000, -PPM, 3, 0), (5, 5, 0, 10)],
)
def test_a_fifth_of_a_round_is_forgiven_each_round(regret, gained, rounds, after):
    assert next_regret(regret, gained, rounds) == after


def test_the_constants_are_those_of_the_specification():
    assert (skill.FIRST_SCORE, skill.FIRST_ANSWERED, skill.ALLOWED_REGRET) == (14 * PPM, 20 * PPM, 200_000)


@pytest.mark.slow
@pytest.mark.guard
@pytest.mark.parametrize("property_", properties, ids=str)
def test_what_holds_in_a_few_cases_holds_in_many(property_):
    property_.check()
