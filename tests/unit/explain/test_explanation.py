"""Each weight has a reason that a person understands, and each round says what it waits for."""

import time
from dataclasses import replace

import orjson
import pytest

from concord.errors import LedgerUnavailable
from concord.explain.explanation import Explanations
from concord.explain.weights import WeightReasons
from concord.ledger.proofs import ProofDocument, check_proof
from concord.ledger.state import TaskState
from concord.policies.scoring import Trial
from concord.policies.stake import MICRO, Account
from concord.policies.voting import Voter, skill_weights
from concord.tasks.schema import Feature, TaskSchema, Value
from concord.types.answers import Pool, Verdict, Vote
from tests.service.labelled_world import NODES, LabelledWorld, ballots
from tests.service.stack import IRIS

AMOUNT = TaskSchema(
    "flowers",
    "Height",
    "How high it grows.",
    (Feature("x", "number", 1.0),),
    value=Value("height", "cm", "0.5", 10.0, "{value} {unit}"),
)


def vote(node, weight=0.25, outcome="voted", label="versicolor"):
    voted = outcome == "voted"
    named = {name: float(name == label) for name in ("setosa", "versicolor", "virginica")} if voted else None
    return Vote(node, outcome, "1", weight if voted else 0.0, 1.0, label if voted else None, named)


def verdict(*votes, status="ok", policy="wager", method="linear", **fields):
    values = {
        "id": "0" * 32,
        "task": "flowers",
        "status": status,
        "label": "versicolor",
        "value": None,
        "unit": None,
        "sentence": "A versicolor.",
        "probabilities": {"setosa": 0.0, "versicolor": 1.0, "virginica": 0.0},
        "agreement": 1.0,
        "policy": policy,
        "pool": Pool(method),
        "height": 1,
        "recorded": True,
        "settlement": "none",
        "votes": list(votes),
    }
    return Verdict(**values | fields)


def account(stake=1000, skill=0.9, **fields):
    """An account of so much stake whose skill is exactly that."""
    return Account(
        round(stake * MICRO), 1000 * MICRO, 900_000, score=round(skill * 1e9), answered=10**9, **fields
    )


def state(labels=80, **accounts):
    return TaskState("wager", labels=labels, accounts=accounts)


def explain_weight(node, task, *votes, scored=(), **fields):
    answer = verdict(*votes, **fields)
    return WeightReasons(answer, task, scored).explain(
        next(vote for vote in answer.votes if vote.node == node)
    )


# Weights


def test_before_twenty_labels_stake_alone_is_the_reason():
    task = state(12, a=account(1000), b=account(3000, skill=0.2))
    held = "It held 3,000.00 of the 4,000.00 stake that voted (75.0%); "
    assert explain_weight("b", task, vote("a"), vote("b", 0.75)) == (
        held + "with 12 of 20 labelled rounds, stake alone counts."
    )


def test_the_best_of_the_voters_counts_whole():
    task = state(a=account(skill=0.9), b=account(skill=0.86))
    assert explain_weight("a", task, vote("a"), vote("b")) == (
        "It held 1,000.00 of the 2,000.00 stake that voted (50.0%). "
        "Its skill, 0.900, is the best among them, so its stake counts whole."
    )


def test_a_voter_with_less_skill_gets_the_factor_by_which_its_stake_counts():
    task = state(a=account(skill=0.9), b=account(skill=0.86))
    assert explain_weight("b", task, vote("a"), vote("b")).endswith(
        "Its skill, 0.860, is 0.040 below the best (0.900), "
        "so its stake counts by a factor of (1 − 0.040)^8 = 0.721."
    )


def test_skill_is_measured_against_voters_only():
    task = state(a=account(skill=0.9), b=account(skill=0.8), c=account(skill=0.99))
    assert "0.900, is the best among them" in explain_weight(
        "a", task, vote("a"), vote("b"), vote("c", outcome="late")
    )


def test_the_cap_is_explained_for_the_node_that_is_cut_and_for_the_others():
    task = state(a=account(9000), b=account(500), c=account(500))
    votes = vote("a", 0.6), vote("b", 0.2), vote("c", 0.2)
    assert explain_weight("a", task, *votes).endswith(
        " That would be 0.900, and one node may have 0.6 at most."
    )
    assert explain_weight("b", task, *votes).endswith(" a was cut to 0.6, and the others share 0.4.")


@pytest.mark.parametrize("stakes", [(600, 400), (599, 401), (700, 300), (1000, 0), (1, 0.5)])
def test_the_cap_is_explained_exactly_where_it_cuts(stakes):
    voters = [
        Voter(name, round(stake * MICRO), 0, skill=900_000) for name, stake in zip("ab", stakes, strict=True)
    ]
    first = skill_weights(voters)[0]
    cut = first == 600_000 and stakes[0] > 1.5 * stakes[1]
    task = state(a=account(stakes[0]), b=account(stakes[1]))
    assert ("at most" in explain_weight("a", task, vote("a"), vote("b"))) == cut


def test_a_version_without_twenty_labelled_rounds_is_told_how_many_it_has_and_its_limit():
    task = state(a=account(9000, labelled=4, tried=3), b=account(), c=account())
    votes = vote("a"), vote("b"), vote("c")
    said = explain_weight("a", task, *votes)
    assert said.endswith(
        " Its version has 7 of 20 labelled rounds: its weight is at most the median of its peers'."
    )
    assert "median" not in explain_weight("b", task, *votes)
    assert "cut to" not in explain_weight("b", task, *votes)


@pytest.mark.parametrize("fields", [{"labelled": 17, "tried": 3}, {"labelled": 4}], ids=["proven", "older"])
def test_a_version_with_a_record_or_from_before_the_rule_is_not_limited(fields):
    task = state(a=account(9000, **fields), b=account())
    assert "median" not in explain_weight("a", task, vote("a"), vote("b"))


def test_voters_without_any_stake_count_alike():
    task = state(a=account(0), b=account(0))
    assert "all counted alike" in explain_weight("a", task, vote("a"), vote("b"))


def test_under_seed_accuracy_times_stake_is_the_reason():
    task = state(0, a=account(1000), b=account(1000))
    assert explain_weight("a", task, vote("a"), vote("b"), policy="seed", method="weighted_mean") == (
        "Its stated accuracy, 0.900, times its stake, 1,000.00, is 50.0% of the sum over all voters."
    )
    zero = state(0, a=replace(account(), accuracy=0))
    assert "all counted alike" in explain_weight("a", zero, vote("a"), policy="seed")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("late", "too late"), ("unavailable", "did not answer"), ("invalid", "3 among its last 100 jail it")],
)
def test_the_missing_weight_of_a_node_that_did_not_vote_has_a_reason(outcome, words):
    assert words in explain_weight(
        "a", state(a=account(), b=account()), vote("a", outcome=outcome), vote("b")
    )


@pytest.mark.parametrize(
    ("standing", "is_scored", "words"),
    [
        (
            {"standing": "probation", "watched": 7},
            True,
            "It was on probation (7 of 20 labelled rounds): asked and scored off the answer's path",
        ),
        (
            {"standing": "jailed", "reason": "regret", "watched": 61},
            False,
            "It was jailed for regret (50 of 50 labelled rounds watched): not counted, and not heard in",
        ),
        ({"standing": "jailed", "reason": "stake"}, True, "It was jailed for a stake under 10: asked and"),
    ],
    ids=["probation", "regret", "stake"],
)
def test_a_shadow_has_a_reason_for_not_counting(standing, is_scored, words):
    task = state(a=account(**standing), b=account())
    votes = vote("a", outcome="shadow"), vote("b")
    assert explain_weight("a", task, *votes, scored=("a",) if is_scored else ()).startswith(words)


def test_a_node_jailed_for_malformed_answers_is_not_asked():
    task = state(a=account(standing="jailed", reason="invalid"), b=account())
    reason = explain_weight("a", task, vote("a", outcome="jailed"), vote("b"))
    assert reason == "It was jailed for malformed answers, and is not asked."


def test_without_a_quorum_no_vote_has_a_weight():
    reason = explain_weight(
        "a", state(a=account()), vote("a", 0.0), vote("b", outcome="late"), status="no_quorum"
    )
    assert "below the quorum no vote has a weight" in reason


def test_before_there_are_accounts_the_deposit_of_the_nodes_file_is_the_reason():
    assert "deposit of the nodes file" in explain_weight("a", None, vote("a"))
    assert "no account yet" in explain_weight("a", state(b=account()), vote("a", 0.0), vote("b"))


@pytest.mark.parametrize(
    ("labels", "fields", "words"),
    [
        (19, {"method": "weighted_median"}, "had 19 labelled rounds, fewer than 20"),
        (3, {"method": "stake_mean"}, "all medians were 0"),
        (20, {}, "A weight is stake times a factor of skill; the weighted mean of the votes answers."),
        (0, {"policy": "seed"}, "stated accuracy times stake"),
        (90, {"status": "no_quorum", "pool": None}, "no consensus and no weight"),
    ],
    ids=["median", "mean", "linear", "seed", "no quorum"],
)
def test_how_the_answer_was_made_is_one_sentence(labels, fields, words):
    assert words in WeightReasons(verdict(vote("a"), **fields), state(labels, a=account())).method


# Rounds


@pytest.fixture
def world(tmp_path):
    world = LabelledWorld(tmp_path)
    yield world
    world.close()


def explain(world, id_, answer=None, *, schema=IRIS, now=0, ledger=None, alarm=None, days=365):
    explanations = Explanations(
        ledger or world.ledger(), world.journal, label_days=days, clock=lambda: now / 1e6
    )
    answer = answer or verdict(*[vote(node) for node in NODES])
    return explanations.explain(world.journal.round(id_), answer, schema, alarm)


def test_a_round_without_a_label_waits_for_one_and_says_how_long(world):
    explanation = explain(world, world.answer(1, 1, 1, 1, time=time.time_ns() // 1000), days=1)
    assert (explanation.stage, explanation.truth, explanation.settlement, explanation.proof) == (
        "awaits_label",
        None,
        None,
        None,
    )
    assert "`concord feedback 0000" in explanation.summary


def test_a_round_whose_time_for_a_label_is_over_never_settles(world):
    explanation = explain(world, world.answer(1, 1, 1, 1), now=2 * 86_400 * 10**6, days=1)
    assert (explanation.stage, explanation.summary) == (
        "never",
        "It never settles: no label came within 1 day.",
    )


def test_a_labelled_round_waits_for_its_block_or_for_the_end_of_the_alarm(world):
    id_ = world.answer(1, 1, 1, 1, label=1)
    assert explain(world, id_).stage == "due"
    assert "settling has stopped (It is forked.)" in explain(world, id_, alarm="It is forked.").summary


def test_a_round_below_the_quorum_never_settles_with_a_label_or_without(world):
    id_ = world.answer(1, None, None, None, label=1, evidence=None, status="no_quorum")
    explanation = explain(world, id_, verdict(vote("tree"), status="no_quorum", pool=None))
    assert (explanation.stage, explanation.votes[0].counted) == ("never", False)
    assert explanation.truth.stands.label == "versicolor"


def test_a_settled_round_says_who_was_right_and_what_it_did_to_stake(world):
    id_, _ = world.answer(1, 2, 1, 1, label=1), world.answer(1, 1, 1, 1, label=1)
    world.settle()
    votes = [vote(node, label="virginica" if node == "knn" else "versicolor") for node in NODES]
    explanation = explain(world, id_, verdict(*votes))
    explained = {vote.node: (vote.right, vote.score, vote.quality, vote.delta) for vote in explanation.votes}
    assert explained["knn"] == (False, 0.0, 0.0, -75.0)
    assert explained["tree"] == (True, 1.0, 1.0, 25.0)
    assert (explanation.settlement.block, explanation.settlement.rounds, explanation.stage) == (
        2,
        2,
        "settled",
    )
    assert set(explanation.settlement.levelling) == set(NODES)
    assert "is the block's, for its 2 rounds together" in explanation.settlement.note
    assert explanation.problem is None


def test_shadows_and_challengers_are_distinguished_from_what_counted(world):
    challengers = ballots(None, 1, version="2")
    id_ = world.answer(1, 2, 1, None, shadows=ballots(None, None, None, 0), challengers=challengers, label=1)
    world.settle()
    votes = [vote("forest"), vote("knn", label="virginica"), vote("svm"), vote("tree", outcome="shadow")]
    explained = {vote.node: vote for vote in explain(world, id_, verdict(*votes)).votes}
    assert (explained["tree"].counted, explained["tree"].label, explained["tree"].right) == (
        False,
        "setosa",
        False,
    )
    assert (explained["tree"].version, explained["tree"].delta, explained["tree"].quality) == ("1", None, 0.0)
    challenger = explained["knn"].challenger
    assert (challenger.version, challenger.label, challenger.right) == ("2", "versicolor", True)
    assert explained["forest"].challenger is None


def test_a_dispute_is_listed_and_changes_nothing(world):
    id_ = world.answer(1, 1, 1, 1, label=1)
    world.label(id_, 0, "other")
    truth = explain(world, id_).truth
    assert (truth.stands.label, truth.stands.source) == ("versicolor", "crm")
    assert [(dispute.label, dispute.source) for dispute in truth.disputes] == [("setosa", "other")]


def test_the_proof_of_an_explanation_is_proven_by_the_export(world):
    ids = [world.answer(1, k, 1, 1, label=1) for k in (0, 1, 2)]
    world.settle()
    for id_ in ids:
        proof = explain(world, id_).proof
        document = ProofDocument(
            proof.record.encode(), tuple(proof.path), proof.root, proof.event, proof.block, proof.block_hash
        )
        assert check_proof(world.ledger().export(), document).round == id_


def test_the_leaves_are_the_rounds_of_the_same_policy(world):
    world.open_seed("flowers_seed")
    id_ = world.answer(1, 1, 1, 1, label=1)
    seeded = world.answer(
        policy="seed", due=True, evidence=b'{"answer":1,"votes":{"knn":1,"svm":2,"tree":1}}', answer=1
    )
    height = world.settle()
    wager, seed = explain(world, id_), explain(world, seeded, verdict(vote("knn"), policy="seed"))
    assert wager.settlement.block == seed.settlement.block == height
    assert (wager.proof.path, seed.proof.path) == ([], [])
    assert wager.proof.root != seed.proof.root
    assert "lost a tenth" in seed.settlement.note


def test_records_that_do_not_lead_to_the_root_are_a_problem_and_no_proof(world):
    id_ = world.answer(1, 1, 1, 1, label=1)
    world.settle()
    edited = world.journal.round(id_).record.replace(b'"label":1', b'"label":2')
    world.edit("UPDATE rounds SET record = :record WHERE id = :id", record=edited, id=id_)
    explanation = explain(world, id_)
    assert (explanation.proof, "verify --deep" in explanation.problem) == (None, True)


def test_while_the_ledger_is_away_the_rest_is_explained(world, monkeypatch):
    id_ = world.answer(1, 1, 1, 1, label=1)
    world.settle()
    ledger = world.ledger()

    def away(_height):
        raise LedgerUnavailable("The store does not serve.")

    monkeypatch.setattr(ledger, "state_before", away)
    explanation = explain(world, id_, ledger=ledger)
    assert "The store does not serve." in explanation.problem
    assert (explanation.stage, explanation.proof, explanation.votes[0].delta) == ("settled", None, 0.0)


@pytest.mark.parametrize("nonsense", [b"{", b'{"answer":1,"votes":{"knn":["1"]}}'])
def test_evidence_that_cannot_be_read_is_a_problem_and_no_failure(world, nonsense):
    explanation = explain(world, world.answer(1, evidence=nonsense, label=1))
    assert "evidence of round" in explanation.problem


def test_the_explanation_says_that_a_row_was_forgotten(world):
    assert "forgotten or has expired" in explain(world, world.answer(1, 1, 1, 1)).row
    assert explain(world, world.answer(1, 1, 1, 1, features=b"{}")).row is None


def test_classes_are_named_as_they_were_then_and_by_number_where_no_name_is_known(world):
    id_ = world.answer(1, 1, 1, 1, label=2)
    old = verdict(vote("tree"), probabilities={"x": 0.0, "y": 0.0, "z": 1.0})
    assert explain(world, id_, old).truth.stands.label == "z"
    bare = verdict(status="no_quorum", probabilities=None)
    assert explain(world, id_, bare, schema=None).truth.stands.label == "2"


@pytest.mark.parametrize(("label", "right"), [(190, True), (181, True), (179, False)])
def test_a_value_is_right_within_the_sigma_of_its_settlement(world, label, right):
    votes = {node: ["1", 200] for node in NODES}
    document = {"answer": 200, "votes": votes, "scale": 20}
    id_ = world.answer(evidence=orjson.dumps(document), answer=200, label=label)
    valued = [Vote(node, "voted", "1", 0.25, 1.0, value=100.0) for node in NODES]
    answer = verdict(*valued, label=None, value=100.0, unit="cm", probabilities=None)
    assert explain(world, id_, answer, schema=AMOUNT).votes[0].right is None
    world.settle()
    explanation = explain(world, id_, answer, schema=AMOUNT)
    assert (explanation.votes[0].right, explanation.truth.stands.value) == (right, label / 2)


def test_a_trial_does_not_count_for_skill():
    task = state(a=account(skill=0.9, trial=Trial("2", 9, 10**6, 10**9)), b=account(skill=0.8))
    assert "0.900, is the best" in explain_weight("a", task, vote("a"), vote("b"))
