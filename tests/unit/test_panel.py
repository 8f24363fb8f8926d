"""A panel refuses terms that its schema cannot mean, before anyone is answered by them."""

import pytest

from concord.consensus.ensemble import Ensemble, TaskPolicy
from concord.consensus.poll import Ballots, PollLimits, Reply
from concord.errors import ConfigurationError
from concord.policies.scoring import PPM
from concord.policies.voting import Voter
from concord.settlement import evidence
from tests.service.stack import AMOUNT, IRIS

PATIENCE = PollLimits(500_000, 1.0, 0.2)
SEATS = tuple(Voter(name, 1000 * PPM, 1000 * PPM) for name in "abc")


def panel(schema=IRIS, **terms):
    return Ensemble(
        schema.task,
        schema,
        (None,) * 3,
        SEATS,
        TaskPolicy(terms.pop("policy", "wager"), PATIENCE, **terms),
        7,
    )


@pytest.mark.parametrize(
    ("schema", "fallback"),
    [(IRIS, "setossa"), (IRIS, 1.0), (AMOUNT, "setosa")],
    ids=["misspelt", "number", "text"],
)
def test_a_fallback_must_be_an_answer_of_the_task(schema, fallback):
    with pytest.raises(ConfigurationError, match="fallback"):
        panel(schema, below_quorum="fallback", fallback=fallback)


def test_the_workshops_rule_is_for_labels_only():
    with pytest.raises(ConfigurationError, match="for labels only"):
        panel(AMOUNT, policy="seed")


def test_a_fallback_value_is_said_in_the_tasks_words():
    away = [Reply("unavailable")] * 3
    verdict = (
        panel(AMOUNT, below_quorum="fallback", fallback=500.0).rule(away, 0, "id", recorded=False).verdict
    )
    assert (verdict.status, verdict.value, verdict.sentence) == ("no_quorum", 500.0, "A loan of 500.00 EUR.")


def test_the_quorum_is_reached_at_exactly_its_share():
    seats = tuple(Voter(name, 1000 * PPM, 1000 * PPM) for name in "abcd")
    four = Ensemble("iris", IRIS, (None,) * 4, seats, TaskPolicy("wager", PATIENCE), 7)
    voted, away = Reply("voted", "1", 1.0, [[0, PPM, 0]]), Reply("unavailable")
    statuses = [
        four.rule([voted] * n + [away] * (4 - n), 0, "id", recorded=False).verdict.status for n in (1, 2, 4)
    ]
    assert statuses == ["no_quorum", "degraded", "ok"]


def test_weights_are_those_of_the_voters_and_sum_to_one():
    voted, away = Reply("voted", "1", 1.0, [[0, PPM, 0]]), Reply("late")
    votes = panel().rule([voted, away, voted], 0, "id", recorded=False).verdict.votes
    assert [vote.weight for vote in votes] == [0.5, 0.0, 0.5]


def test_a_challengers_vote_is_shown_and_counts_for_nothing():
    tried = Reply("voted", "1", 1.0, [[0, PPM, 0]], None, "2", Ballots([[0, 0, PPM]], None))
    plain = Reply("voted", "1", 1.0, [[0, PPM, 0]])
    with_it = panel().rule([tried] * 3, 0, "id", recorded=False).verdict
    without = panel().rule([plain] * 3, 0, "id", recorded=False).verdict
    shown = with_it.votes[0].challenger
    assert (shown.version, shown.label) == ("2", "virginica")
    assert (with_it.label, with_it.probabilities) == (without.label, without.probabilities)


def test_a_challengers_value_is_shown_in_the_tasks_unit():
    tried = Reply("voted", "1", 1.0, [[50_000]], None, "2", Ballots([[49_950]], None))
    verdict = panel(AMOUNT).rule([tried] * 3, 0, "id", recorded=False).verdict
    assert verdict.votes[0].challenger.value == 499.5


def test_a_vote_is_put_to_the_account_of_the_version_that_the_ledger_knows():
    """Or a node that lies would name another version in each answer, and never be scored."""
    seats = (Voter("a", 1000 * PPM, 1000 * PPM, version="3"), Voter("b", 1000 * PPM, 1000 * PPM))
    panel = Ensemble("iris", IRIS, (None,) * 2, seats, TaskPolicy("wager", PATIENCE), 7)
    replies = [Reply("voted", "another", 1.0, [[0, PPM, 0]])] * 2
    ruling = panel.rule(replies, 0, "id", recorded=False)
    votes = evidence.read("id", panel.evidence(ruling, replies, 0)).votes
    assert {node: ballot.version for node, ballot in votes.items()} == {"a": "3", "b": "another"}
