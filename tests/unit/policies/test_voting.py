"""The answering half of both policies: the vectors of the specification, and what always holds."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st

from concord.policies import voting
from concord.policies.voting import PPM, Voter
from tests.unit.properties import Properties

properties = Properties()

STAKE = 1000 * PPM
V1 = {"logistic_regression": (970_000, 2), "decision_tree": (570_000, 1), "knn": (920_000, 2)}
V1["random_forest"] = (540_000, 1)


def make_voters(accuracies, stakes=None):
    stakes = stakes or [STAKE] * len(accuracies)
    return [
        Voter(f"node{i}", stake, STAKE, accuracy)
        for i, (accuracy, stake) in enumerate(zip(accuracies, stakes, strict=True))
    ]


def one_hots(*classes):
    return [voting.one_hot(k, 3) for k in classes]


def ppm_of(result):
    return round(Fraction(*result.mean) * PPM)


@pytest.mark.parametrize(
    ("accuracies", "stakes", "mean", "answer"),
    [
        ((970_000, 570_000, 920_000, 540_000), (1000, 1000, 1000, 1000), 1_630_000, 2),
        ((970_000, 570_000, 920_000, 540_000), (1000, 900, 1000, 900), 1_654_206, 2),
        ((970_000, 570_000, 920_000, 540_000), (1000, 810, 1000, 810), 1_677_638, 2),
        ((970_000, 570_000, 920_000, 540_000), (1000, 729, 1000, 729), 1_700_210, 2),
        ((900_000, 800_000, 700_000, 850_000), (1000, 1000, 1000, 1000), 1_492_308, 1),
        ((PPM, PPM, PPM, PPM), (1000, 1000, 1000, 1000), 1_500_000, 2),
    ],
    ids=["V1", "V1 after one block", "V1 after two", "V1 after three", "V2", "V3"],
)
def test_the_seed_vectors_hold(accuracies, stakes, mean, answer):
    result = voting.seed(make_voters(accuracies, [s * PPM for s in stakes]), one_hots(2, 1, 2, 1))
    assert (ppm_of(result), result.answer) == (mean, answer)


def test_seed_means_that_lie_between_two_classes_go_to_the_even_one():
    voters = make_voters([PPM, PPM])
    assert [voting.seed(voters, one_hots(a, b)).answer for a, b in ((0, 1), (1, 2))] == [0, 2]


def test_seed_without_any_weight_takes_the_plain_mean():
    result = voting.seed(make_voters([0, 0, 0]), one_hots(0, 2, 2))
    assert (result.mean, result.answer) == ((4, 3), 1)


def test_seed_can_answer_a_class_that_no_node_named_and_then_nobody_agrees():
    result = voting.seed(make_voters([PPM, PPM]), one_hots(0, 2))
    assert (result.answer, result.agreement) == (1, 0)


def test_cold_start_with_all_medians_zero_takes_the_mean_and_then_the_lower_class():
    result = voting.wager(make_voters([0] * 4), one_hots(2, 1, 2, 1))
    assert (result.pooled, result.answer, result.method) == ((0, 500_000, 500_000), 1, "stake_mean")


def test_cold_start_pools_lower_medians():
    votes = [[100_000, 900_000, 0], [200_000, 700_000, 100_000], [900_000, 50_000, 50_000]]
    result = voting.wager(make_voters([0] * 3), votes)
    assert (result.method, result.pooled) == ("weighted_median", (210_526, 736_842, 52_632))


def test_a_third_of_liars_cannot_move_the_cold_answer_far():
    honest, liar = [900_000, 100_000, 0], [0, 0, PPM]
    assert voting.wager(make_voters([0] * 3), [honest, honest, liar]).answer == 0


def test_ties_go_to_the_class_with_more_stake_behind_it():
    voters = make_voters([0, 0, 0], [STAKE, STAKE, 2 * STAKE])
    votes = [[0, 500_001, 499_999], [0, 499_999, 500_001], [0, 500_000, 500_000]]
    result = voting.wager(voters, votes)
    assert result.pooled == (0, 500_000, 500_000)
    assert result.answer == 1


def test_from_twenty_labels_on_the_linear_pool_answers():
    votes = one_hots(0, 1, 1)
    assert voting.wager(make_voters([0] * 3), votes, labelled=19).method != "linear"
    assert voting.wager(make_voters([0] * 3), votes, labelled=20).pooled == (333_334, 666_666, 0)


def test_skill_counts_by_its_eighth_power():
    voters = [Voter("good", STAKE, STAKE, skill=900_000), Voter("poor", STAKE, STAKE, skill=800_000)]
    gap = 900_000**2 // PPM
    gap = gap * gap // PPM
    gap = gap * gap // PPM
    good, poor = voting.skill_weights([*voters, Voter("other", STAKE, STAKE, skill=900_000)])[:2]
    assert (gap, poor) == (430_467, pytest.approx(good * gap / PPM, abs=1))


def test_no_weight_passes_the_cap_while_another_has_any():
    voters = [Voter("rich", 98 * STAKE, STAKE), Voter("a", STAKE, STAKE), Voter("b", STAKE, STAKE)]
    assert voting.skill_weights(voters) == (600_000, 200_000, 200_000)


def test_a_lone_voter_has_all_the_weight():
    assert voting.skill_weights([Voter("alone", STAKE, STAKE)]) == (PPM,)


def test_values_are_decided_by_the_lower_weighted_median_and_agreement_is_within_sigma():
    result = voting.wager_value(make_voters([0] * 4), [100, 200, 300, 900], sigma=100)
    assert (result.answer, result.agreement) == (200, 750_000)


@properties(
    st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any), min_size=1, max_size=6),
    st.data(),
    few=200,
    many=400,
)
def test_weights_and_pools_always_sum_to_one(raw, data):
    votes = [voting.split(PPM, shares) for shares in raw]
    stakes = data.draw(st.lists(st.integers(0, 10**12), min_size=len(votes), max_size=len(votes)))
    labelled = data.draw(st.sampled_from([0, 60]))
    result = voting.wager(make_voters([500_000] * len(votes), stakes), votes, labelled)
    assert sum(result.weights) == sum(result.pooled) == PPM


def test_probabilities_become_integers_by_largest_remainder():
    counts, valid = voting.read_probabilities(np.array([[1 / 3, 1 / 3, 1 / 3]], dtype=np.float32))
    assert (counts.tolist(), valid.tolist()) == ([[333_334, 333_333, 333_333]], [True])


@pytest.mark.parametrize(
    "row",
    [
        [float("nan"), 0.5, 0.5],
        [float("inf"), 0.0, 0.0],
        [-0.1, 0.6, 0.5],
        [0.5, 0.5, 0.002],
        [0.0, 0.0, 0.0],
    ],
    ids=["nan", "infinite", "negative", "sum over", "sum zero"],
)
def test_what_is_no_distribution_is_invalid(row):
    _, valid = voting.read_probabilities(np.array([row, [0.2, 0.3, 0.5]], dtype=np.float32))
    assert valid.tolist() == [False, True]


@properties(
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=9).filter(lambda r: sum(r) > 0.01),
    few=200,
    many=400,
)
def test_valid_probabilities_always_become_a_million(row):
    scaled = np.array([row], dtype=np.float64)
    counts, valid = voting.read_probabilities((scaled / scaled.sum()).astype(np.float32))
    assert valid.all()
    assert counts.sum() == PPM


def test_values_become_counts_of_the_resolution():
    counts, valid = voting.read_values(np.array([[1234.56], [float("nan")], [1e30]], dtype=np.float32), 0.01)
    assert (counts.tolist(), valid.tolist()) == ([[123_456], [0], [0]], [True, False, False])


@properties(
    st.lists(st.lists(st.floats(-0.125, 1.125, width=32), min_size=3, max_size=3), min_size=1, max_size=4),
    few=300,
    many=400,
)
def test_few_rows_are_read_as_many_are(rows):
    scaled = [[x / (sum(map(abs, row)) or 1) for x in row] for row in rows]
    few = np.array(scaled, dtype=np.float32)
    many = np.repeat(few, 4, axis=0)[::1]
    few_counts, few_valid = voting.read_probabilities(few)
    many_counts, many_valid = voting.read_probabilities(np.concatenate([many, many]))
    assert (few_counts == many_counts[: len(many) : 4]).all()
    assert (few_valid == many_valid[: len(many) : 4]).all()


skills = st.integers(0, PPM)
held = st.integers(0, 10**12)


@st.composite
def ensembles(draw):
    voters = [
        Voter(f"n{i}", draw(st.sampled_from([0, 1, 10**9]) | held), 1, skill=draw(skills))
        for i in range(draw(st.integers(1, 6)))
    ]
    raw = st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any)
    return voters, [voting.split(PPM, draw(raw)) for _ in voters]


@properties(ensembles(), many=300)
def test_any_ensemble_gets_an_answer_whoever_holds_nothing_and_whoever_lags(ensemble):
    voters, votes = ensemble
    for labelled in (0, 49, 50):
        result = voting.wager(voters, votes, labelled)
        assert sum(result.weights) == sum(result.pooled) == PPM
        assert result.pooled[result.answer] == max(result.pooled)
        assert result.agreement == sum(
            w for w, k in zip(result.weights, result.choices, strict=True) if k == result.answer
        )


@properties(ensembles(), many=300)
def test_no_weight_passes_the_cap_but_where_nobody_else_has_any(ensemble):
    weights = voting.skill_weights(ensemble[0])
    assert max(weights) <= voting.CAP or sorted(weights)[:-1] == [0] * (len(weights) - 1)


@properties(ensembles(), many=300)
def test_the_pool_lies_between_the_least_and_the_most_that_any_vote_says(ensemble):
    voters, votes = ensemble
    pooled = voting.wager(voters, votes, 50).pooled
    for share, column in zip(pooled, zip(*votes, strict=True), strict=True):
        assert min(column) - 1 <= share <= max(column) + 1


@properties(ensembles(), many=300)
def test_weights_are_those_of_the_formula_by_fractions(ensemble):
    voters, _ = ensemble
    best = max(voter.skill for voter in voters)
    raw = [voter.stake * eighth_power(PPM - best + voter.skill) for voter in voters]
    if not any(raw):
        return
    exact = [Fraction(PPM * weight, sum(raw)) for weight in raw]
    first = max(range(len(raw)), key=lambda i: raw[i])
    if exact[first] > voting.CAP and any(raw[:first] + raw[first + 1 :]):
        rest = sum(raw) - raw[first]
        exact = [Fraction((PPM - voting.CAP) * weight, rest) for weight in raw]
        exact[first] = Fraction(voting.CAP)
    assert all(abs(w - e) < 1 for w, e in zip(voting.skill_weights(voters), exact, strict=True))


def eighth_power(share):
    for _ in range(3):
        share = share * share // PPM
    return share


def in_another_order(voters, votes, random):
    """The places of the nodes after their renaming, and voters and votes in these."""
    order = list(range(len(voters)))
    random.shuffle(order)
    return order, [voters[i] for i in order], [votes[i] for i in order]


@properties(ensembles(), st.randoms(use_true_random=False), many=400)
def test_while_stake_alone_counts_renaming_the_nodes_permutes_the_weights_and_changes_no_answer(
    ensemble, random
):
    """I12. A tie of remainders goes to the earlier name, so a weight may move by a ppm; the pool is exact."""
    before = voting.wager(*ensemble)
    order, *renamed = in_another_order(*ensemble, random)
    after = voting.wager(*renamed)
    assert (after.answer, after.pooled, after.method) == (before.answer, before.pooled, before.method)
    assert after.choices == tuple(before.choices[i] for i in order)
    assert all(abs(after.weights[k] - before.weights[i]) <= 1 for k, i in enumerate(order))


@properties(ensembles(), st.randoms(use_true_random=False), many=400)
def test_once_skill_counts_renaming_the_nodes_permutes_the_weights_and_the_pool_stays_within_a_ppm_each(
    ensemble, random
):
    """I12. A tie of remainders goes to the earlier name: as close an answer may change."""
    before = voting.wager(*ensemble, voting.WARM_LABELS)
    order, *renamed = in_another_order(*ensemble, random)
    after = voting.wager(*renamed, voting.WARM_LABELS)
    ppm = len(order) + 1
    assert all(abs(after.weights[k] - before.weights[i]) <= 1 for k, i in enumerate(order))
    assert all(abs(a - b) <= ppm for a, b in zip(after.pooled, before.pooled, strict=True))
    assert before.pooled[before.answer] - before.pooled[after.answer] <= 2 * ppm


@properties(ensembles(), st.randoms(use_true_random=False), many=300)
def test_values_come_out_alike_in_any_order_of_names(ensemble, random):
    """I12. The median is that of the values, not of the names, while stake alone counts."""
    voters, votes = ensemble
    values = [vote[0] - vote[1] for vote in votes]
    pairs = list(zip(voters, values, strict=True))
    random.shuffle(pairs)
    again = voting.wager_value([voter for voter, _ in pairs], [value for _, value in pairs], 5)
    assert again.answer == voting.wager_value(voters, values, 5).answer


@properties(ensembles(), few=60, many=300)
def test_the_lower_median_is_the_smallest_value_with_half_of_the_stake_at_or_below_it(ensemble):
    voters, votes = ensemble
    stakes = [voter.stake for voter in voters]
    values = [vote[0] for vote in votes]
    if any(stakes):
        enough = [
            v
            for v in values
            if 2 * sum(s for s, w in zip(stakes, values, strict=True) if w <= v) >= sum(stakes)
        ]
        assert voting.lower_median(values, stakes) == min(enough)


def test_a_node_without_stake_that_is_the_best_leaves_the_weight_to_the_others():
    voters = [Voter("broke", 0, STAKE, skill=900_000), Voter("poor", STAKE, STAKE, skill=50_000)]
    assert voting.skill_weights(voters) == (0, PPM)


def test_where_nobody_holds_anything_all_weigh_by_skill_alone():
    voters = [Voter(f"n{i}", 0, STAKE, skill=900_000) for i in range(4)]
    assert voting.skill_weights(voters) == (250_000,) * 4


def test_a_lag_of_all_the_skill_there_is_weighs_nothing():
    voters = [Voter("good", STAKE, STAKE, skill=PPM), Voter("useless", STAKE, STAKE, skill=0)]
    assert voting.skill_weights(voters) == (PPM, 0)


def test_a_tie_of_equal_stakes_goes_to_the_lower_class_in_the_linear_pool_too():
    assert voting.wager(make_voters([0] * 2), one_hots(2, 1), labelled=20).answer == 1


def test_the_cap_leaves_the_others_their_proportion():
    voters = [Voter("rich", 9 * STAKE, 1), Voter("a", 3, 1), Voter("b", 1, 1)]
    assert voting.skill_weights(voters) == (600_000, 300_000, 100_000)


def test_exactly_the_cap_is_not_past_it():
    voters = [Voter("rich", 6, 1), Voter("a", 3, 1), Voter("b", 1, 1)]
    assert voting.skill_weights(voters) == (600_000, 300_000, 100_000)


def test_values_are_weighed_by_skill_from_twenty_labels_on():
    voters = [Voter("good", 1000, 1, skill=900_000), Voter("x", 1000, 1, skill=500_000)]
    voters += [Voter("y", 1000, 1, skill=500_000)]
    assert voting.wager_value(voters, [100, 900, 900], 10, labelled=19).answer == 900
    assert voting.wager_value(voters, [100, 900, 900], 10, labelled=20).answer == 100


def test_a_value_on_the_edge_of_sigma_agrees():
    assert voting.wager_value(make_voters([0] * 3), [90, 100, 111], sigma=10).agreement == 666_667


@pytest.mark.parametrize("row", [[1.0], [1.001, 0.0], [0.9991, 0.0]], ids=["alone", "over", "under"])
def test_a_sum_within_a_thousandth_of_one_is_a_vote(row):
    counts, valid = voting.read_probabilities(np.array([row], dtype=np.float64))
    assert (counts.sum(), valid.tolist()) == (PPM, [True])


@pytest.mark.slow
@pytest.mark.guard
@pytest.mark.parametrize("property_", properties, ids=str)
def test_what_holds_in_a_few_cases_holds_in_many(property_):
    property_.check()


# Newcomers: versions without twenty labelled rounds

newcomers = st.lists(st.booleans(), min_size=6, max_size=6)


def with_newcomers(voters, marks):
    return [dataclasses.replace(voter, is_newcomer=mark) for voter, mark in zip(voters, marks, strict=False)]


def peers_median(weights, i):
    return voting.lower_median([*weights[:i], *weights[i + 1 :]], [1] * (len(weights) - 1))


@properties(ensembles(), newcomers, many=1000)
def test_a_version_without_twenty_labelled_rounds_never_weighs_more_than_the_median_of_its_peers(
    ensemble, marks
):
    """Where all voters with weight are newcomers, rounding to a sum of 1,000,000 may cost 1 ppm."""
    voters = with_newcomers(ensemble[0], marks)
    weights = voting.skill_weights(voters)
    slack = int(all(voter.is_newcomer for voter, w in zip(voters, weights, strict=True) if w))
    if len(voters) > 1:
        for i, voter in enumerate(voters):
            assert not voter.is_newcomer or weights[i] <= peers_median(weights, i) + slack


@properties(ensembles(), newcomers, many=1000)
def test_with_newcomers_weights_sum_to_one_and_none_is_below_zero(ensemble, marks):
    weights = voting.skill_weights(with_newcomers(ensemble[0], marks))
    assert sum(weights) == PPM
    assert min(weights) >= 0


@properties(ensembles(), newcomers, st.randoms(use_true_random=False), many=1000)
def test_with_newcomers_renaming_the_nodes_permutes_the_weights(ensemble, marks, random):
    """I12. A tie of remainders goes to the earlier name."""
    voters = with_newcomers(ensemble[0], marks)
    before = voting.skill_weights(voters)
    order = list(range(len(voters)))
    random.shuffle(order)
    after = voting.skill_weights([voters[i] for i in order])
    assert all(abs(after[k] - before[i]) <= 1 for k, i in enumerate(order))


@properties(ensembles(), newcomers, many=1000)
def test_what_a_newcomer_may_not_have_goes_to_the_others_in_proportion(ensemble, marks):
    voters = with_newcomers(ensemble[0], marks)
    best = max(voter.skill for voter in voters)
    raw = [voter.stake * eighth_power(PPM - best + voter.skill) for voter in voters]
    for _ in raw:
        # By the definition, again and again until nothing changes.
        raw = [
            min(weight, peers_median(raw, i)) if voter.is_newcomer and len(raw) > 1 else weight
            for i, (voter, weight) in enumerate(zip(voters, raw, strict=True))
        ]
    exact = [Fraction(PPM * weight, sum(raw)) for weight in raw] if any(raw) else [Fraction(PPM)]
    if max(exact) > voting.CAP or not any(raw):
        return
    weights = voting.skill_weights(voters)
    assert all(abs(w - e) < len(voters) for w, e in zip(weights, exact, strict=True))


@properties(ensembles(), many=300)
def test_without_newcomers_nothing_is_limited(ensemble):
    voters, _ = ensemble
    assert voting.limit_newcomers([voter.stake for voter in voters], []) == [voter.stake for voter in voters]


def test_a_swapped_version_whose_peers_are_worse_than_the_prior_gets_no_more_than_they():
    """Its skill of 0.7 before any label is above the honest skill of its peers."""
    peers = [Voter(f"peer{i}", STAKE, STAKE, skill=500_000) for i in range(3)]
    swapped = Voter("swapped", STAKE, STAKE)
    assert voting.skill_weights([*peers, swapped])[3] == 600_000
    limited = dataclasses.replace(swapped, is_newcomer=True)
    assert voting.skill_weights([*peers, limited]) == (250_000,) * 4


def test_two_voters_share_evenly_while_the_richer_one_is_a_newcomer():
    voters = [Voter("new", 9 * STAKE, STAKE, is_newcomer=True), Voter("old", STAKE, STAKE)]
    assert voting.skill_weights(voters) == (500_000, 500_000)


def test_a_newcomer_alone_has_no_peers_and_all_of_the_weight():
    assert voting.skill_weights([Voter("new", STAKE, STAKE, is_newcomer=True)]) == (PPM,)


def test_below_twenty_labels_of_the_task_stake_alone_counts_for_newcomers_too():
    voters = [Voter("new", 3 * STAKE, STAKE, is_newcomer=True), Voter("old", STAKE, STAKE)]
    assert voting.wager(voters, one_hots(1, 2), labelled=19).weights == (750_000, 250_000)
    assert voting.wager(voters, one_hots(1, 2), labelled=20).weights == (500_000, 500_000)


def test_a_value_is_pooled_by_the_limited_weights():
    voters = [Voter("new", 9 * STAKE, 1, is_newcomer=True), *make_voters([0] * 2)]
    assert voting.wager_value(voters, [900, 100, 200], 10, labelled=20).answer == 200
