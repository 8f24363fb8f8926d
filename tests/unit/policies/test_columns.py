"""Many rows at once come to the same integers as one after the other."""

import numpy as np
import pytest
from hypothesis import strategies as st

from concord.policies import voting
from concord.policies.columns import MOST_STAKE, wager_rows
from concord.policies.voting import PPM, Voter
from tests.unit.properties import Properties

properties = Properties()

held = st.integers(0, 10**15)
skills = st.integers(0, PPM)


@st.composite
def questions(draw):
    """Voters and their votes on some rows: coarse ones, which tie, and fine ones."""
    count, classes, rows = draw(st.integers(1, 6)), draw(st.integers(2, 5)), draw(st.integers(1, 9))
    voters = [
        Voter(
            f"n{i}",
            draw(st.sampled_from([0, 1, 10**9, MOST_STAKE]) | held),
            1,
            skill=draw(skills),
            is_newcomer=draw(st.booleans()),
        )
        for i in range(count)
    ]
    most = draw(st.sampled_from([1, 9, 10**6]))
    shares = st.lists(st.integers(0, most), min_size=classes, max_size=classes).filter(any)
    votes = [[voting.split(PPM, draw(shares)) for _ in voters] for _ in range(rows)]
    return voters, votes


@properties(questions(), many=1000)
def test_every_row_gets_what_it_gets_alone(question):
    voters, votes = question
    for labelled in (0, 19, 20):
        together = wager_rows(voters, np.array(votes, dtype=np.int64), labelled)
        alone = [voting.wager(voters, row, labelled) for row in votes]
        assert together == alone


@pytest.mark.parametrize("labelled", [0, 50])
def test_a_thousand_rows_of_a_real_ensemble(labelled):
    random = np.random.default_rng(7)
    voters = [Voter(f"n{i}", 10**9 + i * 7**9, 1, skill=700_000 + i * 31_337) for i in range(5)]
    floats = random.dirichlet([0.3] * 3, (5, 1000)).astype(np.float32)
    votes = np.stack([voting.read_probabilities(node)[0] for node in floats], axis=1)
    together = wager_rows(voters, votes, labelled)
    alone = [voting.wager(voters, row, labelled) for row in votes.tolist()]
    assert together == alone
