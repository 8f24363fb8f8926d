"""What a block of labelled rounds comes to: vectors, a second computation by fractions, what always holds."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import strategies as st

from concord.errors import LedgerBroken
from concord.journal.rows import SettlementRound
from concord.ledger.events import TrialSums
from concord.ledger.state import TaskState
from concord.policies.scoring import brier
from concord.policies.stake import MICRO, MIN_STAKE, Account
from concord.policies.voting import PPM
from concord.settlement import evidence
from concord.settlement.label_settlement import read_round, settle_labels
from tests.unit.properties import Properties
from tests.unit.settlement.settling import batches, hot, wager_round

properties = Properties()

NODES = ("logistic_regression", "decision_tree", "knn", "random_forest")


def task(stakes=(1000, 1000, 1000, 1000), score="hit", sigma=None, **changed):
    accounts = {
        node: Account(int(stake * MICRO), 1000 * MICRO, 0, version="1")
        for node, stake in zip(NODES, stakes, strict=True)
    }
    accounts |= {node: replace(accounts[node], **fields) for node, fields in changed.items()}
    return TaskState("wager", score=score, sigma=sigma, accounts=accounts)


def settle_rounds(state, *rounds):
    return settle_labels(state, [read_round(round_.id, round_.evidence, round_.label) for round_ in rounds])


def votes(*classes, version="1"):
    return {node: hot(version, k) for node, k in zip(NODES, classes, strict=True) if k is not None}


def values(*given_):
    return {node: ["1", value] for node, value in zip(NODES, given_, strict=True)}


def stakes_after(state, result):
    return [Fraction(state.accounts[n].stake + result.nodes[n].delta, MICRO) for n in NODES]


# Vectors


@pytest.mark.parametrize(
    ("classes", "after"),
    [
        ((2, 1, 2, 1), [950, 1050, 950, 1050]),
        ((2, 1, 1, 1), [925, 1025, 1025, 1025]),
        ((1, 2, 2, 2), [1075, 975, 975, 975]),
        ((1, 1, 1, 1), [1000] * 4),
        ((2, 2, 0, 0), [1000] * 4),
    ],
    ids=["two of four", "one wrong", "one right", "all right", "all wrong"],
)
def test_the_vectors_of_hit_come_out_of_the_evidence(classes, after):
    state = task()
    assert stakes_after(state, settle_rounds(state, wager_round("r", votes(*classes), 1))) == after


def test_the_vector_of_brier_comes_out_of_the_evidence():
    given_ = [(0, 350000, 650000), (0, PPM, 0), (0, 200000, 800000), (0, 600000, 400000)]
    ballots = {node: ["1", *p] for node, p in zip(NODES, given_, strict=True)}
    state = task(score="brier")
    result = settle_rounds(state, wager_round("r", ballots, 1))
    assert [float(stake) for stake in stakes_after(state, result)] == [
        988.3125,
        1030.5625,
        966.5625,
        1014.5625,
    ]
    assert [result.nodes[n].score for n in NODES] == [577500, PPM, 360000, 840000]


def test_a_regression_moves_stake_by_scaled_error_and_teaches_sigma():
    """3σ is 300: errors of 0, 30, 150 and 900 score 1, .9, .5 and 0, with a mean of .6."""
    state = task()
    result = settle_rounds(state, wager_round("r", values(1000, 1030, 850, 1900), 1000, scale=100))
    assert stakes_after(state, result) == [1040, 1030, 990, 940]
    assert [result.nodes[n].score for n in NODES] == [PPM, 900_000, 500_000, 0]
    # The lower median of the errors is 30: ⌊(100·49 + 30) / 50⌋.
    assert result.learned.sigma == 98
    assert [result.nodes[n].hits for n in NODES] == [1, 1, 0, 0]
    assert [result.nodes[n].regret for n in NODES] == [-400_000, -300_000, 100_000, 600_000]


def test_sigma_of_the_ledger_counts_and_not_the_schemas_once_there_is_one():
    state = task(sigma=50)
    result = settle_rounds(state, wager_round("r", values(1000, 1030, 850, 1900), 1000, scale=100))
    assert [result.nodes[n].score for n in NODES] == [PPM, 800_000, 0, 0]
    assert result.learned.sigma == 49


def test_sigma_takes_the_mean_of_the_blocks_errors_against_its_start():
    state = task(sigma=100)
    rounds = [wager_round(f"r{i}", values(*[error] * 4), 0, scale=7) for i, error in enumerate((10, 21))]
    result = settle_rounds(state, *rounds)
    assert result.learned.sigma == (100 * 49**2 + 15 * (50**2 - 49**2)) // 50**2
    assert [result.records[f"r{i}"]["quality"]["knn"] for i in (0, 1)] == [966_667, 930_000]


def test_sigma_is_never_zero_and_a_perfect_task_still_settles():
    result = settle_rounds(task(sigma=1), wager_round("r", values(5, 5, 5, 6), 5, scale=1))
    assert (result.learned.sigma, result.nodes["random_forest"].score) == (1, 666_667)


def test_a_round_that_nobody_is_paid_for_teaches_sigma_nothing():
    result = settle_rounds(task(sigma=77), wager_round("r", {}, 5, scale=1))
    assert result.learned.sigma == 77


def test_the_median_error_is_weighed_by_stake():
    state = task((1000, 10, 10, 10), sigma=100)
    result = settle_rounds(state, wager_round("r", values(10, 90, 90, 90), 0, scale=1))
    assert result.learned.sigma == (100 * 49 + 10) // 50


def test_regret_is_what_is_missing_to_the_mean_by_stake():
    result = settle_rounds(task((3000, 1000, 500, 500)), wager_round("r", votes(1, 0, 1, 0), 1))
    assert [result.nodes[n].regret for n in NODES] == [-300_000, 700_000, -300_000, 700_000]


def test_levelling_draws_active_nodes_towards_their_deposits_whether_they_answered_or_not():
    state = task((2000, 1000, 1000, 0), knn={"standing": "jailed", "reason": "regret"})
    result = settle_rounds(state, wager_round("r", votes(1, 1, None, None), 1))
    assert [result.nodes[n].levelling if n in result.nodes else None for n in NODES] == [
        -5 * MICRO,
        0,
        None,
        5 * MICRO,
    ]


def test_a_jailed_node_that_voted_while_it_counted_is_scored_and_not_paid():
    state = task(knn={"standing": "jailed", "reason": "regret"})
    result = settle_rounds(state, wager_round("r", votes(1, 1, 0, 0), 1))
    assert (result.nodes["knn"].delta, result.nodes["knn"].rounds) == (0, 1)
    assert "knn" not in result.records["r"]["deltas"]


def test_a_shadow_that_has_come_to_count_since_is_scored_and_not_paid():
    ballots = votes(1, 1, None, None)
    shadows = {"knn": hot("1", 1)}
    result = settle_rounds(task(), wager_round("r", ballots, 1, shadows=shadows))
    assert (result.nodes["knn"].delta, result.nodes["knn"].hits) == (0, 1)


def test_a_node_below_the_least_stake_is_scored_and_not_paid():
    result = settle_rounds(task((1000, 1000, 1000, 9.999999)), wager_round("r", votes(1, 1, 0, 0), 1))
    assert (result.nodes["random_forest"].delta, result.nodes["random_forest"].rounds) == (0, 1)


def test_a_stranger_is_in_no_sum_and_no_score_and_stays_in_the_record():
    ballots = votes(1, 0, 1, 0) | {"stranger": hot("1", 1)}
    result = settle_rounds(task(), wager_round("r", ballots, 1, challengers={"stranger": hot("2", 1)}))
    assert "stranger" not in result.nodes
    assert "stranger" not in result.records["r"]["quality"]
    assert result.records["r"]["votes"]["stranger"] == hot("1", 1)
    assert result.learned.trials == {}


@pytest.mark.parametrize("ballots", [{}, {"stranger": hot("1", 1)}], ids=["nobody", "a stranger"])
def test_a_round_that_nobody_of_the_task_voted_in_settles_and_moves_nothing(ballots):
    result = settle_rounds(task(), wager_round("r", ballots, 1))
    assert {(sums.rounds, sums.delta, sums.score) for sums in result.nodes.values()} == {(0, 0, 0)}


def test_one_active_node_alone_is_scored_against_itself():
    state = task(
        **{n: {"standing": "jailed", "reason": "regret"} for n in NODES[1:]},
    )
    result = settle_rounds(state, wager_round("r", votes(0, 1, 1, 1), 1))
    sums = result.nodes[NODES[0]]
    assert (sums.delta, sums.levelling, sums.score, sums.regret) == (0, 0, 0, 0)
    # The others, jailed, are better than the mean of those who count.
    assert result.nodes["knn"].regret == -PPM


def test_where_nobody_counts_everybody_is_scored_and_has_no_regret():
    jailed = {"standing": "jailed", "reason": "regret"}
    result = settle_rounds(task(**dict.fromkeys(NODES, jailed)), wager_round("r", votes(0, 1, 1, 1), 1))
    assert [(sums.rounds, sums.delta, sums.regret) for sums in result.nodes.values()] == [(1, 0, 0)] * 4


def test_a_block_of_both_versions_teaches_of_the_accounts_own_and_pays_for_both():
    rounds = [
        wager_round(f"r{i}", votes(0, 0, 0, 0) | {"knn": hot(version, 1)}, 0)
        for i, version in enumerate(("1", "2", None))
    ]
    result = settle_rounds(task(), *rounds)
    assert (result.nodes["knn"].rounds, result.nodes["knn"].regret) == (2, 2 * 750_000)
    assert all(result.records[f"r{i}"]["deltas"]["knn"] == -75 * MICRO for i in range(3))


def test_an_account_without_a_version_takes_all_rounds_as_its_own():
    result = settle_rounds(task(knn={"version": None}), wager_round("r", votes(1, 1, 1, 1, version="9"), 1))
    assert (result.nodes["knn"].rounds, result.nodes["decision_tree"].rounds) == (1, 0)


def test_of_two_challengers_in_one_block_the_one_that_answered_more_goes_on():
    tried = ["2", "3", "2", "3", "3"]
    rounds = [
        wager_round(f"r{i}", votes(0, 0, 0, 0), 0, challengers={"knn": hot(v, i % 2)})
        for i, v in enumerate(tried)
    ]
    assert settle_rounds(task(), *rounds).learned.trials == {"knn": TrialSums("3", 3, PPM)}


def test_the_debits_tell_those_who_were_right_from_those_who_were_wrong():
    assert settle_rounds(task(), wager_round("r", votes(2, 1, 2, 1), 1)).debits == (0, 100 * MICRO)
    unsure = {n: ["1", 0, 510_000, 490_000] for n in NODES} | {"knn": hot("1", 1)}
    right, wrong = settle_rounds(task(score="brier"), wager_round("r", unsure, 1)).debits
    assert (right > 0, wrong) == (True, 0)


def test_a_label_beyond_the_classes_makes_everybody_wrong_and_moves_nothing():
    result = settle_rounds(task(), wager_round("r", votes(0, 1, 2, 0), 7))
    assert {sums.delta for sums in result.nodes.values()} == {0}
    assert {sums.hits for sums in result.nodes.values()} == {0}


@pytest.mark.parametrize("label", [None], ids=["no label"])
def test_a_round_without_a_label_never_settles(label):
    with pytest.raises(LedgerBroken, match="no label"):
        read_round("r", evidence.write(0, votes(0, 0, 0, 0)), label)


@pytest.mark.parametrize(
    "data", [b'{"answer":0,"votes":{"knn":["1"]}}', b'{"answer":0,"votes":{"knn":[]}}', None, b"{}"]
)
def test_evidence_that_no_settlement_can_use_is_a_broken_ledger_and_no_bug(data):
    with pytest.raises(LedgerBroken):
        settle_rounds(task(), SettlementRound("r", "t", "wager", data, 0))


def test_a_thousand_rounds_settle_at_once():
    rounds = [wager_round(f"r{i:04}", votes(0, 0, 0, 1), i % 3) for i in range(1000)]
    result = settle_rounds(task(), *rounds)
    assert sum(sums.delta + sums.levelling for sums in result.nodes.values()) == 0
    assert result.nodes["knn"].rounds == 1000
    assert result.nodes["knn"].levelling + result.nodes["knn"].delta + 1000 * MICRO > 0


# A second reckoning, by fractions and from the words of the specification


def parsed(rounds):
    return {round_.id: (evidence.read(round_.id, round_.evidence), round_.label) for round_ in rounds}


def qualities(state, evidence_, label, sigma):
    result = {}
    for node, ballot in {**evidence_.shadows, **evidence_.votes}.items():
        if node in state.accounts:
            if sigma is None:
                result[node] = brier(ballot.counts, label)
            else:
                reach = 3 * sigma
                result[node] = PPM - PPM * min(reach, abs(ballot.counts[0] - label)) // reach
    return result


def start_sigma(state, rounds):
    scales = [evidence_.scale for _, (evidence_, _) in sorted(parsed(rounds).items()) if evidence_.scale]
    return (state.sigma or scales[0]) if scales else None


@properties(batches(), many=400)
def test_every_delta_is_the_formulas_within_one(batch):
    """I8. δ = λ S (s − Σ S s / M) by fractions, at most λ S and 1 µS more."""
    state, rounds = batch
    result, sigma = settle_rounds(state, *rounds), start_sigma(state, rounds)
    rate = min(Fraction(1, 10), Fraction(1, 2 * len(rounds)))
    for name, (evidence_, label) in parsed(rounds).items():
        paid = [
            node
            for node in evidence_.votes
            if node in state.accounts
            and state.accounts[node].standing == "active"
            and state.accounts[node].stake >= MIN_STAKE
        ]
        quality = qualities(state, evidence_, label, sigma)
        scores = {
            node: (evidence_.votes[node].counts.index(max(evidence_.votes[node].counts)) == label) * PPM
            if sigma is None and state.score == "hit"
            else quality[node]
            for node in paid
        }
        stake = {node: state.accounts[node].stake for node in paid}
        deltas = result.records[name]["deltas"]
        assert set(deltas) == set(paid)
        for node in paid:
            mean = Fraction(sum(stake[n] * scores[n] for n in paid), sum(stake.values()))
            exact = rate * stake[node] * (scores[node] - mean) / PPM
            assert abs(deltas[node] - exact) < 1
            assert abs(deltas[node]) <= rate * stake[node] + 1


@properties(batches(), many=400)
def test_the_sums_of_an_event_are_those_of_its_records(batch):
    state, rounds = batch
    result = settle_rounds(state, *rounds)
    for node, sums in result.nodes.items():
        records = result.records.values()
        assert sums.delta == sum(record["deltas"].get(node, 0) for record in records)
        version = state.accounts[node].version
        answered = []
        for record in records:
            ballot = record["votes"].get(node) or record.get("shadows", {}).get(node)
            if ballot is not None and (None in (version, ballot[0]) or ballot[0] == version):
                answered.append(record["quality"][node])
        assert (sums.rounds, sums.score) == (len(answered), sum(answered))
        assert sums.hits <= sums.rounds


@properties(batches(), many=400)
def test_every_round_and_the_levelling_sum_to_zero(batch):
    """I3."""
    result = settle_rounds(*batch[:1], *batch[1])
    assert all(sum(record["deltas"].values()) == 0 for record in result.records.values())
    assert sum(sums.levelling for sums in result.nodes.values()) == 0
    assert list(result.records) == sorted(result.records)


@properties(batches(regression=False, score="hit"), many=400)
def test_levelling_apart_nobody_who_was_right_loses_and_nobody_who_was_wrong_gains(batch):
    """I7."""
    state, rounds = batch
    result = settle_rounds(state, *rounds)
    for round_ in rounds:
        record = result.records[round_.id]
        for node, delta in record["deltas"].items():
            ballot = record["votes"][node][1:]
            right = ballot.index(max(ballot)) == round_.label
            assert delta >= 0 if right else delta <= 0
    assert result.debits[0] == 0


@properties(batches(), st.randoms(use_true_random=False), many=400)
def test_neither_the_order_of_rounds_nor_of_accounts_changes_anything(batch, random):
    """I4."""
    state, rounds = batch
    shuffled, items = list(rounds), list(state.accounts.items())
    random.shuffle(shuffled)
    random.shuffle(items)
    again = settle_rounds(replace(state, accounts=dict(items)), *shuffled)
    assert again == settle_rounds(*batch[:1], *rounds)


@properties(batches(), many=400)
def test_renaming_nodes_in_their_order_renames_the_result(batch):
    """I12. Another order may move the odd µS, since ties of remainders go by name."""
    state, rounds = batch
    names = sorted({*state.accounts, "stranger"})
    new = {name: f"x{i:02}" for i, name in enumerate(names)}

    def renamed(some):
        return {new[node]: [ballot.version, *ballot.counts] for node, ballot in some.items()}

    moved = []
    for round_ in rounds:
        evidence_ = evidence.read(round_.id, round_.evidence)
        data = evidence.write(
            evidence_.answer,
            renamed(evidence_.votes),
            renamed(evidence_.shadows),
            renamed(evidence_.challengers),
            evidence_.scale,
        )
        moved.append(replace(round_, evidence=data))
    accounts = {new[node]: account for node, account in state.accounts.items()}
    result, again = settle_rounds(state, *rounds), settle_rounds(replace(state, accounts=accounts), *moved)
    assert again.nodes == {new[node]: sums for node, sums in result.nodes.items()}
    assert (again.debits, again.learned.sigma) == (result.debits, result.learned.sigma)


@properties(batches(), st.randoms(use_true_random=False), many=400)
def test_renaming_nodes_in_another_order_moves_no_more_than_a_unit_a_round(batch, random):
    """I12. Ties of remainders go to the earlier name: a µS a round may move, and in levelling."""
    state, rounds = batch
    names = sorted({*state.accounts, "stranger"})
    others = list(names)
    random.shuffle(others)
    new = dict(zip(names, others, strict=True))
    moved = []
    for round_ in rounds:
        evidence_ = evidence.read(round_.id, round_.evidence)
        parts = [
            {new[node]: [ballot.version, *ballot.counts] for node, ballot in some.items()}
            for some in (evidence_.votes, evidence_.shadows, evidence_.challengers)
        ]
        moved.append(replace(round_, evidence=evidence.write(evidence_.answer, *parts, evidence_.scale)))
    if "stranger" in {new[node] for node in state.accounts}:
        new = {node: name + "x" for node, name in new.items()}
        moved = [replace(round_, evidence=with_names(round_, lambda name: name + "x")) for round_ in moved]
    accounts = {new[node]: account for node, account in state.accounts.items()}
    result, again = settle_rounds(state, *rounds), settle_rounds(replace(state, accounts=accounts), *moved)
    for name in result.records:
        before, after = result.records[name]["deltas"], again.records[name]["deltas"]
        assert {new[node] for node in before} == set(after)
        assert all(abs(delta - after[new[node]]) <= 1 for node, delta in before.items())
    for node, sums in result.nodes.items():
        assert abs(sums.levelling - again.nodes[new[node]].levelling) <= 1 + len(rounds)
    assert {new[n]: (s.rounds, s.score, s.regret, s.hits) for n, s in result.nodes.items()} == {
        n: (s.rounds, s.score, s.regret, s.hits) for n, s in again.nodes.items()
    }


def with_names(round_, rename):
    evidence_ = evidence.read(round_.id, round_.evidence)
    parts = [
        {rename(node): [ballot.version, *ballot.counts] for node, ballot in some.items()}
        for some in (evidence_.votes, evidence_.shadows, evidence_.challengers)
    ]
    return evidence.write(evidence_.answer, *parts, evidence_.scale)


@properties(batches(), st.data(), many=400)
def test_a_node_split_in_two_halves_moves_as_it_would_alone(batch, data):
    """I9. Each half holds at least the least stake; the sums of two rounded halves differ by 2 at most.

    That is of what a round moves. Levelling rounds once more, on stakes that differ by as much.
    """
    state, rounds = batch
    node = data.draw(st.sampled_from(sorted(state.accounts)))
    whole = replace(
        state.accounts[node],
        standing="active",
        reason=None,
        stake=2 * max(state.accounts[node].stake, MIN_STAKE),
        deposit=2 * state.accounts[node].deposit,
    )
    half = replace(whole, stake=whole.stake // 2, deposit=whole.deposit // 2)
    others = {n: account for n, account in state.accounts.items() if n != node}
    split_rounds = []
    for round_ in rounds:
        evidence_ = evidence.read(round_.id, round_.evidence)
        parts = [
            {
                name: [ballot.version, *ballot.counts]
                for old, ballot in some.items()
                for name in ((node + "1", node + "2") if old == node else (old,))
                if old == node or old in others or old == "stranger"
            }
            for some in (evidence_.votes, evidence_.shadows, evidence_.challengers)
        ]
        split_rounds.append(
            replace(round_, evidence=evidence.write(evidence_.answer, *parts, evidence_.scale))
        )
    if {node + "1", node + "2"} & set(others):
        return
    alone = settle_rounds(replace(state, accounts=others | {node: whole}), *rounds)
    halves = settle_rounds(
        replace(state, accounts=others | {node + "1": half, node + "2": half}), *split_rounds
    )
    for name in alone.records:
        moved = halves.records[name]["deltas"]
        both = moved.get(node + "1", 0) + moved.get(node + "2", 0)
        assert abs(both - alone.records[name]["deltas"].get(node, 0)) <= 2
    levelled = [alone.nodes[node].levelling] if node in alone.nodes else [0]
    levelled += [-halves.nodes[part].levelling for part in (node + "1", node + "2") if part in halves.nodes]
    assert abs(sum(levelled)) <= 2 + 2 * len(rounds)


@properties(batches(), many=400)
def test_a_node_that_answered_nowhere_moves_by_levelling_alone_and_unless_it_counts_not_at_all(batch):
    """I13."""
    state, rounds = batch
    absent = Account(5 * 10**8, 10**9, 0, version="1")
    with_one = replace(
        state,
        accounts={
            **state.accounts,
            "absent": absent,
            "watched": replace(absent, standing="probation"),
            "jailed": replace(absent, standing="jailed", reason="regret"),
        },
    )
    result = settle_rounds(with_one, *rounds)
    assert {"watched", "jailed"} & set(result.nodes) == set()
    assert (result.nodes["absent"].rounds, result.nodes["absent"].delta) == (0, 0)
    assert all("absent" not in record["deltas"] for record in result.records.values())


@properties(batches(), many=400)
def test_no_stake_falls_below_a_quarter_of_what_it_was(batch):
    """I2. λB ≤ 1/2 leaves half of it, and levelling half of that."""
    state, rounds = batch
    for node, sums in settle_rounds(state, *rounds).nodes.items():
        held = state.accounts[node].stake
        assert held + sums.delta + sums.levelling >= held // 4 - len(rounds) - 1
        assert held + sums.delta + sums.levelling >= 0


@pytest.mark.slow
@pytest.mark.guard
@pytest.mark.parametrize("property_", properties, ids=str)
def test_what_holds_in_a_few_cases_holds_in_many(property_):
    property_.check()
