"""The rules of money: the vectors of consensus.md, and what always holds."""

from fractions import Fraction
from math import log, sqrt
from random import Random

import pytest
from hypothesis import strategies as st

from concord.policies.scoring import brier, hit
from concord.policies.stake import (
    MICRO,
    MIN_STAKE,
    SeedRound,
    level,
    settle_seed,
    settle_wager,
    wager_round,
)
from concord.policies.voting import PPM
from tests.unit.properties import Properties

properties = Properties()

NODES = ("logistic_regression", "decision_tree", "knn", "random_forest")
THOUSAND = dict.fromkeys(NODES, 1000 * MICRO)

names = st.text("abcdefgh_", min_size=1, max_size=6)
amounts = st.integers(0, 10**13)
ppm = st.integers(0, PPM)


def votes(*classes):
    return dict(zip(NODES, classes, strict=True))


def stake(*amounts):
    return {node: round(amount * MICRO) for node, amount in zip(NODES, amounts, strict=True)}


def weighted_mean(accuracies, balances, classes):
    weights = [a * balances[node] for a, node in zip(accuracies, NODES, strict=True)]
    return Fraction(sum(w * k for w, k in zip(weights, classes, strict=True)), sum(weights))


@st.composite
def seed_blocks(draw):
    balances = draw(st.dictionaries(names, amounts, min_size=1, max_size=6))
    voters = st.sampled_from([*balances, "a_stranger"])
    rounds = draw(
        st.lists(
            st.builds(
                SeedRound,
                st.uuids().map(lambda u: u.hex),
                st.integers(0, 2),
                st.dictionaries(voters, st.integers(0, 2)),
            ),
            max_size=8,
        )
    )
    return balances, rounds


@st.composite
def wager_blocks(draw):
    nodes = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    stakes = {node: draw(st.integers(0, 10**12)) for node in nodes}
    deposits = {node: draw(st.integers(1, 10**12)) for node in nodes}
    rounds = draw(
        st.lists(st.dictionaries(st.sampled_from(nodes), st.sampled_from([0, PPM]) | ppm), max_size=30)
    )
    return stakes, deposits, {f"r{i:02}": scores for i, scores in enumerate(rounds)}


@pytest.mark.parametrize(
    ("accuracies", "mean", "answer", "after"),
    [
        ((970000, 570000, 920000, 540000), "1.630000", 2, (1000, 900, 1000, 900)),
        ((900000, 800000, 700000, 850000), "1.492308", 1, (900, 1000, 900, 1000)),
        ((PPM, PPM, PPM, PPM), "1.500000", 2, (1000, 900, 1000, 900)),
    ],
    ids=["V1", "V2", "V3"],
)
def test_the_seed_vectors_come_out_to_the_last_unit(accuracies, mean, answer, after):
    classes = (2, 1, 2, 1)
    consensus = weighted_mean(accuracies, THOUSAND, classes)
    assert (f"{float(consensus):.6f}", round(consensus)) == (mean, answer)
    assert settle_seed(THOUSAND, [SeedRound("r", answer, votes(*classes))]).balances == stake(*after)


def test_v1_again_and_again_takes_a_tenth_of_what_is_left_each_time():
    balances, means = THOUSAND, []
    for turn in range(4):
        means.append(f"{float(weighted_mean((970000, 570000, 920000, 540000), balances, (2, 1, 2, 1))):.6f}")
        balances = settle_seed(balances, [SeedRound(f"r{turn}", 2, votes(2, 1, 2, 1))]).balances
    assert means == ["1.630000", "1.654206", "1.677638", "1.700210"]
    assert balances == stake(1000, 656.1, 1000, 656.1)


def test_dissenting_three_times_in_one_block_costs_what_three_blocks_cost():
    rounds = [SeedRound(f"r{i}", 2, votes(2, 1, 2, 1)) for i in range(3)]
    settled = settle_seed(THOUSAND, rounds)
    assert settled.balances == stake(1000, 729, 1000, 729)
    assert [settled.deltas[f"r{i}"]["knn"] for i in range(3)] == [0, 0, 0]
    assert [settled.deltas[f"r{i}"]["decision_tree"] for i in range(3)] == [
        -100 * MICRO,
        -90 * MICRO,
        -81 * MICRO,
    ]
    assert settled.treasury == 2 * 271 * MICRO


@properties(seed_blocks(), many=200)
def test_seed_raises_no_balance_and_keeps_the_sum(block):
    """I2. I11."""
    balances, rounds = block
    settled = settle_seed(balances, rounds)
    assert all(0 <= settled.balances[node] <= balances[node] for node in balances)
    assert sum(settled.balances.values()) + settled.treasury == sum(balances.values())


@properties(seed_blocks(), st.randoms(use_true_random=False), many=200)
def test_seed_settles_alike_in_any_order_of_arrival(block, random):
    """I4."""
    balances, rounds = block
    shuffled, items = list(rounds), list(balances.items())
    random.shuffle(shuffled)
    random.shuffle(items)
    assert settle_seed(dict(items), shuffled) == settle_seed(balances, rounds)


@properties(seed_blocks(), many=200)
def test_seed_leaves_a_node_alone_that_did_not_vote(block):
    """I13."""
    balances, rounds = block
    settled = settle_seed({**balances, "absent": 12345}, rounds)
    assert settled.balances["absent"] == 12345


@properties(seed_blocks(), many=200)
def test_seed_permutes_its_result_when_nodes_are_renamed(block):
    """I12."""
    balances, rounds = block
    new = {node: f"n{i}" for i, node in enumerate(sorted(balances, reverse=True))} | {"a_stranger": "s"}
    renamed = [SeedRound(r.id, r.answer, {new[n]: v for n, v in r.votes.items()}) for r in rounds]
    after = settle_seed({new[n]: b for n, b in balances.items()}, renamed).balances
    assert after == {new[n]: b for n, b in settle_seed(balances, rounds).balances.items()}


@pytest.mark.parametrize(
    ("classes", "label", "after"),
    [
        ((2, 1, 2, 1), 1, (950, 1050, 950, 1050)),
        ((1, 1, 2, 1), 1, (1025, 1025, 925, 1025)),
        ((2, 2, 1, 2), 1, (975, 975, 1075, 975)),
    ],
    ids=["two of four", "one wrong", "one right"],
)
def test_the_wager_vectors_of_hit_come_out(classes, label, after):
    scores = {n: hit([PPM if k == c else 0 for k in range(3)], label) for n, c in votes(*classes).items()}
    moved = wager_round(THOUSAND, scores, 1)
    assert {n: THOUSAND[n] + d for n, d in moved.items()} == stake(*after)


def test_the_wager_vector_of_brier_comes_out():
    answers = [(0, 350000, 650000), (0, PPM, 0), (0, 200000, 800000), (0, 600000, 400000)]
    scores = {node: brier(p, 1) for node, p in zip(NODES, answers, strict=True)}
    moved = wager_round(THOUSAND, scores, 1)
    assert {n: THOUSAND[n] + d for n, d in moved.items()} == stake(988.3125, 1030.5625, 966.5625, 1014.5625)


def test_a_hit_is_the_lowest_class_among_equals():
    assert (hit([400000, 400000, 200000], 0), hit([400000, 400000, 200000], 1)) == (PPM, 0)


def test_levelling_draws_half_a_percent_a_round_towards_the_deposits():
    stakes, deposits = {"a": 1500 * MICRO, "b": 500 * MICRO}, {"a": 1000 * MICRO, "b": 1000 * MICRO}
    assert level(stakes, deposits, 1) == {"a": -2_500_000, "b": 2_500_000}
    assert level(stakes, deposits, 1000) == {"a": -250 * MICRO, "b": 250 * MICRO}


def test_a_node_below_the_least_stake_has_no_part_in_a_wager():
    assert wager_round({"a": MIN_STAKE, "b": MIN_STAKE - 1}, {"a": PPM, "b": 0}, 1) == {"a": 0}


@properties(wager_blocks(), many=300)
def test_wager_sums_to_zero_in_every_round_and_in_levelling(block):
    """I3."""
    stakes, deposits, scores = block
    settled = settle_wager(stakes, deposits, scores)
    assert all(sum(moved.values()) == 0 for moved in settled.deltas.values())
    assert sum(settled.levelling.values()) == 0
    assert sum(settled.stakes.values()) == sum(stakes.values())


@properties(wager_blocks(), many=300)
def test_wager_brings_no_stake_below_zero(block):
    """I2."""
    assert min(settle_wager(*block).stakes.values()) >= 0


@properties(wager_blocks(), many=300)
def test_under_hit_a_right_node_never_loses_and_a_wrong_one_never_gains(block):
    """I7."""
    stakes, deposits, scores = block
    hits = {id_: {n: PPM if q == PPM else 0 for n, q in some.items()} for id_, some in scores.items()}
    for id_, moved in settle_wager(stakes, deposits, hits).deltas.items():
        assert all(delta >= 0 if hits[id_][node] else delta <= 0 for node, delta in moved.items())


@properties(wager_blocks(), many=300)
def test_a_round_moves_at_most_its_share_of_a_stake(block):
    """I8."""
    stakes, deposits, scores = block
    for moved in settle_wager(stakes, deposits, scores).deltas.values():
        for node, delta in moved.items():
            assert abs(delta) <= Fraction(stakes[node], max(10, 2 * len(scores))) + 1


@properties(wager_blocks(), many=300)
def test_two_halves_of_a_node_win_and_lose_what_it_would_alone(block):
    """I9."""
    stakes, _, scores = block
    whole = min(stakes)
    # Both halves have a part, the others as it comes.
    stakes = stakes | {whole: 2 * max(stakes[whole] // 2, MIN_STAKE)}
    halves = {n: s for n, s in stakes.items() if n != whole} | {
        "y": stakes[whole] // 2,
        "z": stakes[whole] // 2,
    }
    for some in scores.values():
        if whole in some:
            alone = wager_round(stakes, some, len(scores))[whole]
            split = {n: q for n, q in some.items() if n != whole} | {"y": some[whole], "z": some[whole]}
            moved = wager_round(halves, split, len(scores))
            assert abs(moved["y"] + moved["z"] - alone) <= 2


@properties(wager_blocks(), st.randoms(use_true_random=False), many=300)
def test_wager_settles_alike_in_any_order_of_arrival(block, random):
    """I4."""
    stakes, deposits, scores = block
    rounds, nodes = list(scores), list(stakes)
    random.shuffle(rounds)
    random.shuffle(nodes)
    again = settle_wager({n: stakes[n] for n in nodes}, deposits, {id_: scores[id_] for id_ in rounds})
    assert again == settle_wager(stakes, deposits, scores)


@properties(wager_blocks(), many=300)
def test_wager_permutes_its_result_when_nodes_are_renamed_in_their_order(block):
    """I12. Of equal remainders the earlier name takes the unit, so another order of names may move one."""
    stakes, deposits, scores = block
    new = {node: f"n{i}" for i, node in enumerate(sorted(stakes))}
    renamed = settle_wager(
        {new[n]: s for n, s in stakes.items()},
        {new[n]: d for n, d in deposits.items()},
        {id_: {new[n]: q for n, q in some.items()} for id_, some in scores.items()},
    )
    assert renamed.stakes == {new[n]: s for n, s in settle_wager(stakes, deposits, scores).stakes.items()}


@properties(wager_blocks(), many=300)
def test_settling_a_wager_names_no_node_that_was_absent(block):
    """I13."""
    stakes, deposits, scores = block
    settled = settle_wager({**stakes, "absent": 10**10}, {**deposits, "absent": 10**10}, scores)
    assert all("absent" not in moved for moved in settled.deltas.values())


@st.composite
def streams(draw):
    """Blocks of B rounds in which each node scores what an adversary likes."""
    nodes = [f"n{i}" for i in range(draw(st.integers(2, 6)))]
    block_rounds, blocks = draw(st.integers(1, 12)), draw(st.integers(1, 25))
    kind = draw(st.sampled_from(["hit", "any", "turning", "lone"]))
    random = draw(st.randoms(use_true_random=False)) if kind == "any" else Random(draw(st.integers(0, 2**32)))

    def score(i, t):
        return {
            "hit": PPM * random.randrange(2),
            "any": random.randint(0, PPM),
            "turning": PPM * ((i + 2 * t // blocks) % 2),
            "lone": PPM * (i == 0),
        }[kind]

    return [
        [{node: score(i, t) for i, node in enumerate(nodes)} for _ in range(block_rounds)]
        for t in range(blocks)
    ]


@properties(streams(), few=15, many=300)
def test_the_mean_by_stake_is_hardly_worse_than_the_best_node_in_hindsight(blocks):
    """I10. λ is the optimal one to a two-thousandth: so many times what the rule moves at λ = 1/2000."""
    nodes, size = list(blocks[0][0]), len(blocks[0])
    rounds = size * len(blocks)
    times = round(2000 * min(1 / (2 * size), sqrt(log(len(nodes)) / (size * rounds))))
    stakes = dict.fromkeys(nodes, 10**15)
    regret = dict.fromkeys(nodes, Fraction(0))
    for block in blocks:
        total = sum(stakes.values())
        after = dict(stakes)
        for scores in block:
            mean = Fraction(sum(stakes[n] * scores[n] for n in nodes), total)
            for node, delta in wager_round(stakes, scores, 1000).items():
                after[node] += times * delta
                regret[node] += (scores[node] - mean) / PPM
        stakes = after
    assert max(regret.values()) <= 2 * sqrt(size * rounds * log(len(nodes)))


def test_a_block_of_a_thousand_rounds_takes_at_most_half_of_a_stake():
    stakes = {"a": 1000 * MICRO, "b": 10**12}
    scores = {f"r{i:04}": {"a": 0, "b": PPM} for i in range(1000)}
    lost = -sum(moved["a"] for moved in settle_wager(stakes, stakes, scores).deltas.values())
    # λ h of each round, h the share of stake that was right.
    assert lost == pytest.approx(500 * MICRO * 10**12 / (10**12 + 10**9), abs=1000)


@pytest.mark.parametrize(("rounds", "lost"), [(1, 100), (5, 500), (6, 500), (1000, 500)], ids=str)
def test_the_rate_is_a_tenth_up_to_five_rounds_and_half_in_all_from_then_on(rounds, lost):
    stakes = {"wrong": 1000 * MICRO, "right": 10**18}
    moved = wager_round(stakes, {"wrong": 0, "right": PPM}, rounds)
    assert -moved["wrong"] * rounds == pytest.approx(lost * MICRO, rel=1e-5)


@pytest.mark.parametrize("scores", [{}, {"a": PPM}, {"a": 0}, {"a": 0, "b": 0}, {"a": PPM, "b": PPM}])
def test_a_round_without_two_opinions_moves_nothing(scores):
    moved = wager_round({"a": 1000 * MICRO, "b": 30 * MICRO}, scores, 1)
    assert moved == dict.fromkeys(scores, 0)


def test_a_vote_of_a_node_without_an_account_moves_nothing():
    assert wager_round({"a": 1000 * MICRO}, {"a": 0, "stranger": PPM}, 1) == {"a": 0}


def test_of_equal_remainders_the_earlier_name_gets_the_unit():
    stakes = {"a": MIN_STAKE + 1, "b": MIN_STAKE + 1, "c": MIN_STAKE + 1}
    moved = wager_round(stakes, {"a": PPM, "b": PPM, "c": 0}, 1)
    assert moved == {"a": 333334, "b": 333333, "c": -666667}


def test_levelling_without_any_deposit_or_stake_moves_nothing():
    assert level({"a": 5, "b": 7}, {"a": 0, "b": 0}, 3) == {"a": 0, "b": 0}
    assert level({"a": 0, "b": 0}, {"a": 5, "b": 7}, 3) == {"a": 0, "b": 0}
    assert level({}, {}, 3) == {}


def test_levelling_alone_takes_all_but_half_from_a_node_that_withdrew_its_deposit():
    assert level({"a": 1000, "b": 0}, {"a": 0, "b": 10}, 1000) == {"a": -500, "b": 500}


@pytest.mark.slow
@pytest.mark.guard
@pytest.mark.parametrize("property_", properties, ids=str)
def test_what_holds_in_a_few_cases_holds_in_many(property_):
    property_.check()
