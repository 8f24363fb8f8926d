"""The comparison of two versions: which rounds count, how they score, and in which order."""

import numpy as np
import pytest

from concord.journal import Journal
from concord.journal.rows import JudgedRound, LabelRow
from concord.policies.voting import PPM
from concord.rollout.comparison import LEAST_ROUNDS, Pairing, compare
from concord.rollout.confidence import mean_interval
from concord.settlement import evidence
from tests.service.settling import due_round

PAIR = Pairing("knn", "7", "9", "hit")
VALUES = Pairing("knn", "7", "9", "closeness", sigma=100)


def hot(version, choice, share=PPM):
    rest = (PPM - share) // 2
    return [version, *(share if k == choice else rest for k in range(3))]


def judged(champion, challenger, label=0, *, at=0, place="votes", scale=None):
    """A labelled round with the votes of node `knn` and its challenger."""
    votes = {"votes": {}, "shadows": {}, place: {} if champion is None else {"knn": champion}}
    data = evidence.write(
        0, votes["votes"], votes["shadows"], {} if challenger is None else {"knn": challenger}, scale
    )
    return JudgedRound(f"{at:032x}", at, data, label, at)


def compared(rounds, pairing=PAIR):
    rounds = list(rounds)
    # In chunks, as the journal has them.
    return compare((rounds[i : i + 7] for i in range(0, len(rounds), 7)), pairing)


def test_scores_are_those_of_the_rounds_that_both_answered():
    rounds = [judged(hot("7", k % 2), hot("9", 0), at=k) for k in range(40)]
    result = compared(rounds)
    assert (result.rounds, result.champion, result.challenger, result.difference) == (40, 0.5, 1.0, 0.5)
    assert result.verdict == "better"


@pytest.mark.parametrize(
    "other",
    [
        judged(hot("7", 1), None),
        judged(None, hot("9", 0)),
        judged(hot("6", 1), hot("9", 0)),
        judged(hot("7", 1), hot("8", 0)),
        judged(hot("9", 1), hot("7", 0)),
        judged(["7", 5], ["9", 5], scale=3),
    ],
    ids=["no challenger", "no vote", "another champion", "another challenger", "swapped", "a value"],
)
def test_other_rounds_are_left_out(other):
    assert compared([other]).rounds == 0
    assert compared([other]).verdict == "too_few"


def test_a_node_that_does_not_count_is_compared_all_the_same():
    rounds = [judged(hot("7", 1), hot("9", 0), place="shadows")] * 40
    assert (compared(rounds).rounds, compared(rounds).verdict) == (40, "better")


def test_below_thirty_rounds_there_is_no_verdict():
    round_ = judged(hot("7", 0), hot("9", 1))
    assert compared([round_] * (LEAST_ROUNDS - 1)).verdict == "too_few"
    assert compared([round_] * LEAST_ROUNDS).verdict == "worse"


def test_twins_are_undecided():
    rounds = [judged(hot("7", k % 3), hot("9", k % 3), at=k) for k in range(500)]
    result = compared(rounds)
    assert (result.difference, result.verdict) == (0, "undecided")
    assert result.low < 0 < result.high


def test_a_task_that_pays_for_probabilities_is_compared_by_them():
    rounds = [judged(hot("7", 0, 400_000), hot("9", 0, 1_000_000))] * 40
    assert compared(rounds).difference == 0
    by_share = compared(rounds, Pairing("knn", "7", "9", "brier"))
    assert by_share.champion == pytest.approx(1 - (0.36 + 2 * 0.09) / 2, abs=1e-6)
    assert by_share.challenger == 1


def test_a_value_is_scored_by_the_sigma_of_the_phase_or_of_the_schema():
    rounds = [judged(["7", 1150], ["9", 1000], 1000, scale=500)] * 40
    assert compared(rounds, VALUES).champion == pytest.approx(0.5)
    assert compared(rounds, Pairing("knn", "7", "9", "closeness")).champion == pytest.approx(0.9)


def test_the_interval_follows_the_order_in_which_labels_came():
    rng = np.random.default_rng(5)
    wins = rng.random(200) < np.linspace(0, 1, 200)
    came = rng.permutation(200)
    rounds = [
        JudgedRound(round_.id, round_.time, round_.evidence, round_.label, int(came[k]))
        for k, round_ in enumerate(
            judged(hot("7", 1), hot("9", 0 if won else 1), at=k) for k, won in enumerate(wins)
        )
    ]
    result = compared(rounds)
    expected = mean_interval(wins[np.argsort(came)].astype(float))
    assert (result.low, result.high) == pytest.approx(expected)


def test_the_journal_has_all_labelled_rounds_oldest_first_whatever_was_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr("concord.journal.streams.ROWS", 3)
    journal = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    journal.migrate()
    data = evidence.write(0, {"knn": hot("7", 0)}, None, {"knn": hot("9", 1)})
    rows = [
        due_round(
            id=f"{k:032x}", time=k // 2, task="t", policy="wager", due=False, evidence=data, features=None
        )
        for k in range(12)
    ]
    others = [due_round(id="f" * 32, time=5, task="u", policy="wager", due=False, evidence=data)]
    unpaid = [due_round(id="e" * 32, time=5, task="t", policy="wager", due=False, evidence=None)]
    journal.record([*rows[::-1], *others, *unpaid])
    ids = [row.id for row in rows if row.id != f"{7:032x}"]
    journal.label([LabelRow(id_, 1, "crm", 100, "r") for id_ in [*ids, "f" * 32, "e" * 32]])
    chunks = list(journal.judged("t", 1, 8))
    assert [len(chunk) for chunk in chunks] == [3, 3, 2]
    assert [round_.id for chunk in chunks for round_ in chunk] == ids[2:10]
    assert {round_.label for chunk in chunks for round_ in chunk} == {1}
    assert compared([round_ for chunk in chunks for round_ in chunk], PAIR).rounds == 8
    journal.close()
