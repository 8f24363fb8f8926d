"""An ensemble refuses a policy that its schema does not admit, and decides rows by its voters' replies."""

from dataclasses import replace
from random import Random

import pytest

from concord.consensus.ensemble import Ensemble, TaskPolicy
from concord.consensus.node_client import Ballots, Reply
from concord.consensus.poll import PollLimits
from concord.errors import ConfigurationError
from concord.policies import voting
from concord.policies.voting import PPM, Voter
from concord.settlement import evidence
from tests.service.stack import AMOUNT, IRIS

LIMITS = PollLimits(500_000, 1.0, 0.2)
VOTERS = tuple(Voter(name, 1000 * PPM, 1000 * PPM) for name in "abc")


def ensemble(schema=IRIS, **policy):
    return Ensemble(
        schema.task,
        schema,
        (None,) * 3,
        VOTERS,
        TaskPolicy(policy.pop("name", "wager"), LIMITS, **policy),
        7,
    )


@pytest.mark.parametrize(
    ("schema", "fallback"),
    [(IRIS, "setossa"), (IRIS, 1.0), (AMOUNT, "setosa")],
    ids=["misspelt", "number", "text"],
)
def test_a_fallback_must_be_an_answer_of_the_task(schema, fallback):
    with pytest.raises(ConfigurationError, match="fallback"):
        ensemble(schema, below_quorum="fallback", fallback=fallback)


def test_the_workshops_rule_is_for_labels_only():
    with pytest.raises(ConfigurationError, match="for labels only"):
        ensemble(AMOUNT, name="seed")


def test_a_fallback_value_is_said_in_the_tasks_words():
    away = [Reply("unavailable")] * 3
    verdict = ensemble(AMOUNT, below_quorum="fallback", fallback=500.0).decide(away, 0, "id").verdict
    assert (verdict.status, verdict.value, verdict.sentence) == ("no_quorum", 500.0, "A loan of 500.00 EUR.")


def test_the_quorum_is_reached_at_exactly_its_share():
    voters = tuple(Voter(name, 1000 * PPM, 1000 * PPM) for name in "abcd")
    four = Ensemble("iris", IRIS, (None,) * 4, voters, TaskPolicy("wager", LIMITS), 7)
    voted, away = Reply("voted", "1", 1.0, [[0, PPM, 0]]), Reply("unavailable")
    statuses = [four.decide([voted] * n + [away] * (4 - n), 0, "id").verdict.status for n in (1, 2, 4)]
    assert statuses == ["no_quorum", "degraded", "ok"]


def test_weights_are_those_of_the_voters_and_sum_to_one():
    voted, away = Reply("voted", "1", 1.0, [[0, PPM, 0]]), Reply("late")
    votes = ensemble().decide([voted, away, voted], 0, "id").verdict.votes
    assert [vote.weight for vote in votes] == [0.5, 0.0, 0.5]


def test_a_challengers_vote_is_shown_and_counts_for_nothing():
    tried = Reply("voted", "1", 1.0, [[0, PPM, 0]], None, "2", Ballots([[0, 0, PPM]], None))
    plain = Reply("voted", "1", 1.0, [[0, PPM, 0]])
    with_it = ensemble().decide([tried] * 3, 0, "id").verdict
    without = ensemble().decide([plain] * 3, 0, "id").verdict
    shown = with_it.votes[0].challenger
    assert (shown.version, shown.label) == ("2", "virginica")
    assert (with_it.label, with_it.probabilities) == (without.label, without.probabilities)


def test_a_challengers_value_is_shown_in_the_tasks_unit():
    tried = Reply("voted", "1", 1.0, [[50_000]], None, "2", Ballots([[49_950]], None))
    verdict = ensemble(AMOUNT).decide([tried] * 3, 0, "id").verdict
    assert verdict.votes[0].challenger.value == 499.5


def test_a_vote_is_put_to_the_account_of_the_version_that_the_ledger_knows():
    """Or a node that lies would name another version in each answer, and never be scored."""
    voters = (Voter("a", 1000 * PPM, 1000 * PPM, version="3"), Voter("b", 1000 * PPM, 1000 * PPM))
    ensemble = Ensemble("iris", IRIS, (None,) * 2, voters, TaskPolicy("wager", LIMITS), 7)
    replies = [Reply("voted", "another", 1.0, [[0, PPM, 0]])] * 2
    result = ensemble.decide(replies, 0, "id")
    votes = evidence.read("id", ensemble.evidence(result, replies, 0)).votes
    assert {node: ballot.version for node, ballot in votes.items()} == {"a": "3", "b": "another"}


def many_votes(rows, seed):
    """As many votes of a node as rows, fine and coarse ones."""
    random = Random(seed)
    fine = [random.choice([9, 10**6]) for _ in range(rows)]
    return [voting.split(PPM, [random.randint(0, most) for _ in range(2)] + [1]) for most in fine]


@pytest.mark.parametrize("outcomes", ["voted voted voted", "voted late voted", "late late voted"])
@pytest.mark.parametrize("labels", [0, 100])
def test_rows_that_are_pooled_together_are_decided_as_each_alone(outcomes, labels):
    replies = [
        Reply("voted", "1", 1.5, many_votes(40, seed)) if outcome == "voted" else Reply(outcome)
        for seed, outcome in enumerate(outcomes.split())
    ]
    nodes = replace(ensemble(), labels=labels)
    rows = range(5, 40)
    pooled = nodes.pool_rows(replies, rows)
    assert all(pooled)
    together = [nodes.decide(replies, row, "id", answer) for row, answer in zip(rows, pooled, strict=True)]
    assert together == [nodes.decide(replies, row, "id") for row in rows]


def test_what_is_not_pooled_together_is_left_to_each_row():
    votes = many_votes(40, 1)
    voted, away = Reply("voted", "1", 1.0, votes), Reply("unavailable")
    some = Reply("voted", "1", 1.0, votes, [True] * 39 + [False])
    values = [Reply("voted", "1", 1.0, [[5]] * 40)] * 3
    cases = [
        (ensemble(), [voted, some, voted], range(40)),
        (ensemble(), [away] * 3, range(40)),
        (ensemble(name="seed"), [voted] * 3, range(40)),
        (ensemble(AMOUNT), values, range(40)),
    ]
    assert [set(nodes.pool_rows(replies, rows)) for nodes, replies, rows in cases] == [{None}] * 4
