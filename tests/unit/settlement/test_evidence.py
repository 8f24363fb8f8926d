"""Evidence: what is written when a round is decided is what its settlement reads, or it is refused."""

import orjson
import pytest
from hypothesis import strategies as st

from concord.errors import LedgerBroken
from concord.settlement import evidence
from concord.settlement.evidence import Ballot, Evidence
from tests.unit.properties import Properties

properties = Properties()

names = st.text("abc_é", min_size=1, max_size=4)
counts = st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=4)
ballots = st.dictionaries(
    names, st.builds(lambda v, c: [v, *c], st.none() | st.text("0123.", max_size=3), counts), max_size=4
)


def as_ballots(raw):
    return {node: Ballot(version, tuple(numbers)) for node, (version, *numbers) in raw.items()}


@properties(st.integers(-(2**53), 2**53), ballots, ballots, ballots, st.none() | st.integers(1, 2**53))
def test_what_is_written_is_read_again(answer, votes, shadows, challengers, scale):
    data = evidence.write(answer, votes, shadows, challengers, scale)
    expected = Evidence(answer, as_ballots(votes), as_ballots(shadows), as_ballots(challengers), scale)
    assert evidence.read("r", data) == expected


@properties(ballots, st.randoms(use_true_random=False))
def test_the_order_in_which_votes_came_leaves_no_trace(votes, random):
    """I4."""
    items = list(votes.items())
    random.shuffle(items)
    assert evidence.write(0, dict(items)) == evidence.write(0, votes)


@properties(st.dictionaries(names, st.integers(0, 9), max_size=4), st.integers(0, 9))
def test_what_is_written_under_seed_is_read_again(votes, answer):
    assert evidence.read_seed("r", evidence.write_seed(answer, votes)) == (answer, votes)


def test_what_is_empty_is_left_out():
    assert orjson.loads(evidence.write(1, {"a": ["1", 5]}, {}, None)) == {
        "answer": 1,
        "votes": {"a": ["1", 5]},
    }


UNREADABLE = {
    "nothing": None,
    "empty": b"",
    "no JSON": b"{",
    "another kind of JSON": b"[]",
    "a number": b"7",
    "null": b"null",
    "no answer": b'{"votes":{}}',
    "no votes": b'{"answer":1}',
    "votes in a list": b'{"answer":1,"votes":[1]}',
    "an answer that is no number": b'{"answer":"x","votes":{}}',
    "an answer of nothing": b'{"answer":null,"votes":{}}',
    "not UTF-8": b'{"answer":1,"votes":{"\xff":[null,1]}}',
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("read", [evidence.read, evidence.read_seed])
def test_what_cannot_be_read_is_refused_and_the_round_is_named(read, data):
    with pytest.raises(LedgerBroken, match="round r7 cannot be read"):
        read("r7", data)


BAD_BALLOTS = {
    "without a vote": [],
    "with a version only": ["1"],
    "of nothing": None,
    "of a number": 5,
    "of a text": "1234",
    "with null": ["1", None],
    "with a text": ["1", "x"],
    "with a fraction": ["1", 0.5, 999999.5],
}


@pytest.mark.parametrize("ballot", BAD_BALLOTS.values(), ids=BAD_BALLOTS)
@pytest.mark.parametrize("part", ["votes", "shadows", "challengers"])
def test_a_ballot_that_is_none_is_refused_and_not_guessed(part, ballot):
    document = {"answer": 1, "votes": {}} | {part: {"a": ballot}}
    with pytest.raises(LedgerBroken):
        evidence.read("r", orjson.dumps(document))


@pytest.mark.slow
@pytest.mark.guard
@pytest.mark.parametrize("property_", properties, ids=str)
def test_what_holds_in_a_few_cases_holds_in_many(property_):
    property_.check()
