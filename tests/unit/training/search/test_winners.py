"""Winners are good together: the leader, and then whoever errs elsewhere."""

from types import SimpleNamespace

import numpy as np
import pytest

from training.search.interval import FoldInterval
from training.search.leaderboard import LeaderboardRow
from training.search.registration import name_nodes
from training.search.winners import Winner, choose, loss

TRUTH = np.tile([0, 1], 50)


def votes_that_err_at(places, sure=0.9):
    """Votes for the truth, and against it at some places."""
    right = np.where(np.isin(np.arange(100), list(places)), 1 - sure, sure)
    votes = np.empty((100, 2))
    votes[np.arange(100), TRUTH], votes[np.arange(100), 1 - TRUTH] = right, 1 - right
    return votes


def row(number, algorithm="svm", size=1):
    return LeaderboardRow(
        rank=number + 1,
        number=number,
        settings={"algorithm": algorithm},
        scores=(0.8, 0.9),
        interval=FoldInterval(0.85, 0.1, 0.8, 0.9),
        level=True,
        seconds=1.0,
        size=size,
        reason="",
        run="",
    )


@pytest.fixture
def chosen(task):
    schema = task("loan_default").schema

    def numbers(votes, count, rows=None):
        found = choose(
            rows or [row(place) for place in range(len(votes))],
            lambda row: votes[row.number],
            schema,
            TRUTH,
            count,
        )
        return [winner.row.number for winner in found]

    return numbers


def test_who_errs_elsewhere_goes_before_a_better_one_who_errs_alike(chosen):
    leader, alike, elsewhere = range(10), range(1, 13), range(50, 64)
    assert chosen([votes_that_err_at(rows) for rows in (leader, alike, elsewhere)], 2) == [0, 2]


def test_a_twin_is_passed_over_though_fewer_are_left(chosen):
    leader = votes_that_err_at(range(10))
    assert chosen([leader, leader * 0.999 + 0.0005, votes_that_err_at(range(60, 70))], 3) == [0, 2]


def test_what_cannot_be_served_is_no_winner(chosen):
    votes = [votes_that_err_at(range(10)), votes_that_err_at(range(50, 60))]
    assert chosen(votes, 2, [row(0, size=None), row(1)]) == [1]


def test_the_loss_of_a_mean_is_the_mean_loss_less_the_spread():
    """Krogh and Vedelsby's identity, on which the choice rests."""
    truth = np.eye(2)[TRUTH]
    votes = np.stack([votes_that_err_at(rows) for rows in (range(10), range(5, 20), range(50, 64))])
    mean = votes.mean(axis=0)
    spread = np.mean([loss(one - mean) for one in votes])
    assert loss(mean - truth) == pytest.approx(np.mean([loss(one - truth) for one in votes]) - spread)


def test_nodes_are_called_after_their_algorithms(task):
    winners = [
        Winner(row(place, name), 0.0, 0.0) for place, name in enumerate(["svm", "extra_trees", "svm", "svm"])
    ]
    assert name_nodes(task("iris"), winners) == ["svm", "extra_trees", "svm_2", "svm_3"]


def test_a_second_winner_leaves_a_node_of_the_file_alone(task):
    of = SimpleNamespace(nodes={"svm": None, "svm_2": None})
    winners = [Winner(row(place), 0.0, 0.0) for place in range(2)]
    assert name_nodes(of, winners) == ["svm", "svm_3"]
