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


def why(node, task, *votes, heard=(), **fields):
    ruled = verdict(*votes, **fields)
    return WeightReasons(ruled, task, heard).why(next(one for one in ruled.votes if one.node == node))


# Weights


def test_before_twenty_labels_stake_alone_is_the_reason():
    task = state(12, a=account(1000), b=account(3000, skill=0.2))
    said = "It held 3,000.00 of the 4,000.00 stake that voted (75.0%); "
    assert why("b", task, vote("a"), vote("b", 0.75)) == (
        said + "with 12 of 20 labelled rounds, stake alone counts."
    )


def test_the_best_of_the_voters_counts_whole():
    task = state(a=account(skill=0.9), b=account(skill=0.86))
    assert why("a", task, vote("a"), vote("b")) == (
        "It held 1,000.00 of the 2,000.00 stake that voted (50.0%). "
        "Its skill, 0.900, is the best among them, so its stake counts whole."
    )


def test_who_lags_is_told_by_which_factor():
    task = state(a=account(skill=0.9), b=account(skill=0.86))
    assert why("b", task, vote("a"), vote("b")).endswith(
        "Its skill, 0.860, is 0.040 below the best (0.900), "
        "so its stake counts by a factor of (1 − 0.040)^8 = 0.721."
    )


def test_skill_is_measured_against_voters_only():
    task = state(a=account(skill=0.9), b=account(skill=0.8), c=account(skill=0.99))
    assert "0.900, is the best among them" in why("a", task, vote("a"), vote("b"), vote("c", outcome="late"))


def test_the_cap_is_told_to_who_is_cut_and_to_the_others():
    task = state(a=account(9000), b=account(500), c=account(500))
    votes = vote("a", 0.6), vote("b", 0.2), vote("c", 0.2)
    assert why("a", task, *votes).endswith(" That would be 0.900, and one node may have 0.6 at most.")
    assert why("b", task, *votes).endswith(" a was cut to 0.6, and the others share 0.4.")


@pytest.mark.parametrize("stakes", [(600, 400), (599, 401), (700, 300), (1000, 0), (1, 0.5)])
def test_the_cap_is_told_exactly_where_it_cuts(stakes):
    seats = [
        Voter(name, round(stake * MICRO), 0, skill=900_000) for name, stake in zip("ab", stakes, strict=True)
    ]
    first = skill_weights(seats)[0]
    cut = first == 600_000 and stakes[0] > 1.5 * stakes[1]
    task = state(a=account(stakes[0]), b=account(stakes[1]))
    assert ("at most" in why("a", task, vote("a"), vote("b"))) == cut


def test_voters_without_any_stake_count_alike():
    task = state(a=account(0), b=account(0))
    assert "all counted alike" in why("a", task, vote("a"), vote("b"))


def test_under_seed_accuracy_times_stake_is_the_reason():
    task = state(0, a=account(1000), b=account(1000))
    assert why("a", task, vote("a"), vote("b"), policy="seed", method="weighted_mean") == (
        "Its stated accuracy, 0.900, times its stake, 1,000.00, is 50.0% of the sum over all voters."
    )
    zero = state(0, a=replace(account(), accuracy=0))
    assert "all counted alike" in why("a", zero, vote("a"), policy="seed")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("late", "too late"), ("unavailable", "did not answer"), ("invalid", "3 among its last 100 jail it")],
)
def test_who_did_not_vote_is_told_why_it_has_no_weight(outcome, words):
    assert words in why("a", state(a=account(), b=account()), vote("a", outcome=outcome), vote("b"))


@pytest.mark.parametrize(
    ("standing", "heard", "words"),
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
def test_a_shadow_is_told_why_it_does_not_count(standing, heard, words):
    task = state(a=account(**standing), b=account())
    votes = vote("a", outcome="shadow"), vote("b")
    assert why("a", task, *votes, heard=("a",) if heard else ()).startswith(words)


def test_who_is_jailed_for_malformed_answers_is_not_asked():
    task = state(a=account(standing="jailed", reason="invalid"), b=account())
    said = why("a", task, vote("a", outcome="jailed"), vote("b"))
    assert said == "It was jailed for malformed answers, and is not asked."


def test_without_a_quorum_no_vote_has_a_weight():
    said = why("a", state(a=account()), vote("a", 0.0), vote("b", outcome="late"), status="no_quorum")
    assert "below the quorum no vote has a weight" in said


def test_before_the_ledger_knew_anybody_the_nodes_file_was_the_reason():
    assert "deposit of the nodes file" in why("a", None, vote("a"))
    assert "no account yet" in why("a", state(b=account()), vote("a", 0.0), vote("b"))


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


def explain(world, one, ruled=None, *, schema=IRIS, now=0, ledger=None, alarm=None, days=365):
    explanations = Explanations(
        ledger or world.ledger(), world.journal, label_days=days, clock=lambda: now / 1e6
    )
    ruled = ruled or verdict(*[vote(node) for node in NODES])
    return explanations.of(world.journal.round(one), ruled, schema, alarm)


def test_a_round_without_a_label_waits_for_one_and_says_how_long(world):
    found = explain(world, world.answer(1, 1, 1, 1, time=time.time_ns() // 1000), days=1)
    assert (found.stage, found.truth, found.settlement, found.proof) == ("awaits_label", None, None, None)
    assert "`concord feedback 0000" in found.summary


def test_a_round_whose_time_for_a_label_is_over_never_settles(world):
    found = explain(world, world.answer(1, 1, 1, 1), now=2 * 86_400 * 10**6, days=1)
    assert (found.stage, found.summary) == ("never", "It never settles: no label came within 1 day.")


def test_a_labelled_round_waits_for_its_block_or_for_the_alarm_to_be_seen_to(world):
    one = world.answer(1, 1, 1, 1, label=1)
    assert explain(world, one).stage == "due"
    assert "settling has stopped (It is forked.)" in explain(world, one, alarm="It is forked.").summary


def test_a_round_below_the_quorum_never_settles_with_a_label_or_without(world):
    one = world.answer(1, None, None, None, label=1, evidence=None, status="no_quorum")
    found = explain(world, one, verdict(vote("tree"), status="no_quorum", pool=None))
    assert (found.stage, found.votes[0].counted) == ("never", False)
    assert found.truth.stands.label == "versicolor"


def test_a_settled_round_says_who_was_right_and_what_it_did_to_stake(world):
    one, _ = world.answer(1, 2, 1, 1, label=1), world.answer(1, 1, 1, 1, label=1)
    world.settle()
    votes = [vote(node, label="virginica" if node == "knn" else "versicolor") for node in NODES]
    found = explain(world, one, verdict(*votes))
    told = {one.node: (one.right, one.score, one.quality, one.delta) for one in found.votes}
    assert told["knn"] == (False, 0.0, 0.0, -75.0)
    assert told["tree"] == (True, 1.0, 1.0, 25.0)
    assert (found.settlement.block, found.settlement.rounds, found.stage) == (2, 2, "settled")
    assert set(found.settlement.levelling) == set(NODES)
    assert "is the block's, for its 2 rounds together" in found.settlement.note
    assert found.problem is None


def test_shadows_and_challengers_are_told_apart_from_what_counted(world):
    tried = ballots(None, 1, version="2")
    one = world.answer(1, 2, 1, None, shadows=ballots(None, None, None, 0), challengers=tried, label=1)
    world.settle()
    votes = [vote("forest"), vote("knn", label="virginica"), vote("svm"), vote("tree", outcome="shadow")]
    found = {one.node: one for one in explain(world, one, verdict(*votes)).votes}
    assert (found["tree"].counted, found["tree"].label, found["tree"].right) == (False, "setosa", False)
    assert (found["tree"].version, found["tree"].delta, found["tree"].quality) == ("1", None, 0.0)
    tried = found["knn"].challenger
    assert (tried.version, tried.label, tried.right) == ("2", "versicolor", True)
    assert found["forest"].challenger is None


def test_a_dispute_is_told_and_changes_nothing(world):
    one = world.answer(1, 1, 1, 1, label=1)
    world.label(one, 0, "other")
    truth = explain(world, one).truth
    assert (truth.stands.label, truth.stands.source) == ("versicolor", "crm")
    assert [(said.label, said.source) for said in truth.disputes] == [("setosa", "other")]


def test_the_proof_of_an_explanation_is_proven_by_the_export(world):
    ids = [world.answer(1, k, 1, 1, label=1) for k in (0, 1, 2)]
    world.settle()
    for one in ids:
        proof = explain(world, one).proof
        document = ProofDocument(
            proof.record.encode(), tuple(proof.path), proof.root, proof.event, proof.block, proof.block_hash
        )
        assert check_proof(world.ledger().export(), document).round == one


def test_the_leaves_are_the_rounds_of_the_same_policy(world):
    world.open_seed("flowers_seed")
    one = world.answer(1, 1, 1, 1, label=1)
    seeded = world.answer(
        policy="seed", due=True, evidence=b'{"answer":1,"votes":{"knn":1,"svm":2,"tree":1}}', answer=1
    )
    height = world.settle()
    found, other = explain(world, one), explain(world, seeded, verdict(vote("knn"), policy="seed"))
    assert found.settlement.block == other.settlement.block == height
    assert (found.proof.path, other.proof.path) == ([], [])
    assert found.proof.root != other.proof.root
    assert "lost a tenth" in other.settlement.note


def test_records_that_do_not_lead_to_the_root_are_a_problem_and_no_proof(world):
    one = world.answer(1, 1, 1, 1, label=1)
    world.settle()
    edited = world.journal.round(one).record.replace(b'"label":1', b'"label":2')
    world.edit("UPDATE rounds SET record = :record WHERE id = :one", record=edited, one=one)
    found = explain(world, one)
    assert (found.proof, "verify --deep" in found.problem) == (None, True)


def test_while_the_ledger_is_away_the_rest_is_explained(world, monkeypatch):
    one = world.answer(1, 1, 1, 1, label=1)
    world.settle()
    ledger = world.ledger()

    def away(_height):
        raise LedgerUnavailable("The store does not serve.")

    monkeypatch.setattr(ledger, "state_before", away)
    found = explain(world, one, ledger=ledger)
    assert "The store does not serve." in found.problem
    assert (found.stage, found.proof, found.votes[0].delta) == ("settled", None, 0.0)


@pytest.mark.parametrize("nonsense", [b"{", b'{"answer":1,"votes":{"knn":["1"]}}'])
def test_evidence_that_cannot_be_read_is_a_problem_and_no_failure(world, nonsense):
    found = explain(world, world.answer(1, evidence=nonsense, label=1))
    assert "evidence of round" in found.problem


def test_a_row_that_was_forgotten_is_said_to_be(world):
    assert "forgotten or has expired" in explain(world, world.answer(1, 1, 1, 1)).row
    assert explain(world, world.answer(1, 1, 1, 1, features=b"{}")).row is None


def test_classes_are_named_as_they_were_then_and_by_number_where_nobody_knows(world):
    one = world.answer(1, 1, 1, 1, label=2)
    old = verdict(vote("tree"), probabilities={"x": 0.0, "y": 0.0, "z": 1.0})
    assert explain(world, one, old).truth.stands.label == "z"
    bare = verdict(status="no_quorum", probabilities=None)
    assert explain(world, one, bare, schema=None).truth.stands.label == "2"


@pytest.mark.parametrize(("label", "right"), [(190, True), (181, True), (179, False)])
def test_a_value_is_right_within_the_sigma_of_its_settlement(world, label, right):
    votes = {node: ["1", 200] for node in NODES}
    document = {"answer": 200, "votes": votes, "scale": 20}
    one = world.answer(evidence=orjson.dumps(document), answer=200, label=label)
    valued = [Vote(node, "voted", "1", 0.25, 1.0, value=100.0) for node in NODES]
    ruled = verdict(*valued, label=None, value=100.0, unit="cm", probabilities=None)
    assert explain(world, one, ruled, schema=AMOUNT).votes[0].right is None
    world.settle()
    found = explain(world, one, ruled, schema=AMOUNT)
    assert (found.votes[0].right, found.truth.stands.value) == (right, label / 2)


def test_a_trial_does_not_count_for_skill():
    task = state(a=account(skill=0.9, trial=Trial("2", 9, 10**6, 10**9)), b=account(skill=0.8))
    assert "0.900, is the best" in why("a", task, vote("a"), vote("b"))
