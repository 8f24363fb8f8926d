"""Blocks, states and proofs: the same bytes everywhere, and no way around the sums."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.errors import Conflict, InvalidInput, LedgerBroken, UnknownName
from concord.ledger import events
from concord.ledger.chain import GENESIS, TICK, Block, canonical, extend, read_canonical, replay
from concord.ledger.events import NodeSums
from concord.ledger.merkle import merkle_proof, merkle_root, proves
from concord.ledger.state import State, fold

exact = settings(derandomize=True, max_examples=60, deadline=None)


def opened(**stakes):
    accounts = [events.open_account("iris", node, stake, 900000) for node, stake in stakes.items()]
    return fold(State(), [events.params("iris", "seed"), *accounts])


def settled(nodes, treasury, batch="b1"):
    return events.settle(batch, "iris", "seed", events.RecordTree(1, "00"), nodes=nodes, treasury=treasury)


def test_canonical_json_has_sorted_keys_no_spaces_and_plain_utf_8():
    assert canonical({"ü": [1, -2], "a": {"z": "é", "b": ""}}) == '{"a":{"b":"","z":"é"},"ü":[1,-2]}'.encode()


def test_what_cannot_be_written_canonically_is_refused():
    with pytest.raises(InvalidInput):
        canonical({"too": 2**70})


@pytest.mark.parametrize(
    "text", ['{"b":1,"a":2}', '{"a": 1}', '{"a":1,"a":1}', '{"a":1}\n', '{"a":"\\u0041"}', "{"]
)
def test_json_that_is_written_otherwise_is_not_what_was_written(text):
    with pytest.raises(LedgerBroken):
        read_canonical(text.encode(), "This")


def test_a_block_is_read_back_from_its_bytes():
    block, _ = extend(
        State(), [events.params("iris", "seed")], height=1, previous=GENESIS, last_time=0, now=5000
    )
    assert Block.read(block.data) == block


def test_a_blocks_time_never_stands_still():
    block, _ = extend(State(), [events.params("iris", "seed")], height=2, previous="x", last_time=9000, now=5)
    assert block.time == 9000 + TICK


def test_the_state_survives_its_json():
    state = fold(opened(knn=5), [events.params("workshop", "seed", asks="iris", members=["knn", "svm"])])
    assert State.from_json(state.to_json()) == state


def test_a_deposit_and_a_withdrawal_move_stake_and_deposit():
    state = fold(
        opened(knn=100), [events.deposit("iris", "knn", 50, "d"), events.withdraw("iris", "knn", 120, "w")]
    )
    task = state.task("iris")
    assert (task.account("knn").stake, task.account("knn").deposit) == (30, 30)
    assert (task.paid_in, task.paid_out) == (150, 120)


def test_a_settlement_moves_stake_and_counts_rounds():
    nodes = {"knn": NodeSums(3, -10), "svm": NodeSums(2, 0)}
    task = fold(opened(knn=100, svm=100), [settled(nodes, 10)]).task("iris")
    assert (task.balances, task.treasury) == ({"knn": 90, "svm": 100}, 10)
    assert (task.account("knn").rounds, task.account("svm").rounds) == (3, 2)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (events.withdraw("iris", "knn", 101, "w"), Conflict),
        (events.open_account("iris", "knn", 1, 0), Conflict),
        (events.open_account("film", "knn", 1, 0), UnknownName),
        (events.deposit("iris", "svm", 1, "d"), UnknownName),
        (settled({"knn": NodeSums(1, -10)}, 11), LedgerBroken),
        (settled({"knn": NodeSums(1, -101)}, 101), LedgerBroken),
        (settled({"knn": NodeSums(1, 1)}, -1), LedgerBroken),
    ],
    ids=[
        "too much",
        "open twice",
        "no task",
        "no account",
        "not conserved",
        "below zero",
        "treasury below zero",
    ],
)
def test_an_event_that_cannot_happen_is_refused(event, error):
    with pytest.raises(error):
        fold(opened(knn=100), [event])


@pytest.mark.parametrize(
    "make",
    [
        lambda: events.params("iris", "lottery"),
        lambda: events.open_account("iris", "knn", -1, 0),
        lambda: events.open_account("iris", "knn", 1, 1_000_001),
        lambda: events.deposit("iris", "knn", 0, "d"),
        lambda: events.withdraw("iris", "knn", -5, "w"),
    ],
    ids=["policy", "deposit", "accuracy", "nothing", "negative"],
)
def test_an_event_that_makes_no_sense_is_not_made(make):
    with pytest.raises(InvalidInput):
        make()


moves = st.lists(
    st.one_of(
        st.builds(events.deposit, st.just("iris"), st.sampled_from("abc"), st.integers(1, 10**9), st.text()),
        st.builds(events.withdraw, st.just("iris"), st.sampled_from("abc"), st.integers(1, 10**9), st.text()),
        st.builds(
            lambda delta, batch: settled({"a": NodeSums(1, -delta), "b": NodeSums(1, 0)}, delta, batch),
            st.integers(0, 1000),
            st.text(),
        ),
    ),
    max_size=8,
    unique_by=lambda event: event.key,
)


def chain(start, blocks, shuffle=list):
    """Builds blocks on a state, each with its events in the order that `shuffle` leaves them in."""
    built, state, previous = [], start, GENESIS
    for height, block_events in enumerate(blocks, 1):
        some = list(block_events)
        shuffle(some)
        try:
            block, state = extend(
                state, some, height=height, previous=previous, last_time=0, now=height * 10**6
            )
        except Conflict:
            break
        built.append(block)
        previous = block.hash
    return built, state


@exact
@given(st.lists(moves, max_size=6), st.randoms(use_true_random=False))
def test_any_order_of_a_blocks_events_makes_the_same_bytes(blocks, random):
    start = opened(a=10**12, b=5, c=10**10)
    assert chain(start, blocks) == chain(start, blocks, random.shuffle)


@exact
@given(st.lists(moves, max_size=6))
def test_a_replay_of_the_stored_bytes_leads_to_the_same_state(blocks):
    start = opened(a=10**12, b=5, c=10**10)
    built, state = chain(start, blocks)
    assert replay([Block.read(block.data) for block in built], start) == state


@exact
@given(st.lists(moves, max_size=6))
def test_the_money_always_adds_up(blocks):
    state = opened(a=10**12, b=5, c=10**10)
    for block_events in blocks:
        try:
            state = fold(state, block_events)
        except Conflict:
            continue
        task = state.task("iris")
        assert sum(task.balances.values()) + task.treasury == task.paid_in - task.paid_out
        assert min(task.balances.values()) >= 0


def test_a_replay_stops_at_a_block_that_does_not_follow():
    first, state = extend(
        State(), [events.params("a", "seed")], height=1, previous=GENESIS, last_time=0, now=1
    )
    second, _ = extend(state, [events.params("b", "seed")], height=2, previous=first.hash, last_time=1, now=2)
    with pytest.raises(LedgerBroken, match="does not follow"):
        replay([second], State())


def test_a_replay_stops_at_a_block_that_leads_to_another_state():
    forged = Block.build(1, GENESIS, 1, {"params:a": events.params("a", "seed").body}, "0" * 64)
    with pytest.raises(LedgerBroken, match="does not lead"):
        replay([forged], State())


def test_a_replay_stops_at_an_event_that_nobody_knows():
    forged = Block.build(1, GENESIS, 1, {"gift:a": {"kind": "gift", "task": "a"}}, "0" * 64)
    with pytest.raises(LedgerBroken, match="cannot happen"):
        replay([forged], State())


@exact
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_every_record_is_proved_by_its_path_and_no_other_is(records, data):
    index = data.draw(st.integers(0, len(records) - 1))
    root, proof = merkle_root(records), merkle_proof(records, index)
    assert proves(proof, records[index], root)
    assert not proves(proof, records[index] + b"x", root)


def test_a_root_knows_the_number_and_the_order_of_its_records():
    roots = {
        merkle_root(r) for r in ([], [b"a"], [b"a", b"a"], [b"a", b"b"], [b"b", b"a"], [b"a", b"b", b"b"])
    }
    assert len(roots) == 6
