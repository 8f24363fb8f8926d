"""A batch becomes events and records: of all policies at once, in any order, and as it ever was."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import strategies as st

from concord.errors import LedgerBroken, LedgerUnavailable
from concord.journal.rows import SettlementRound
from concord.ledger import events
from concord.ledger.chain import GENESIS, Block, canonical, digest, replay, state_hash
from concord.ledger.merkle import merkle_root
from concord.ledger.state import State, TaskState, fold
from concord.policies.stake import MICRO
from concord.settlement.batch import settle_batch
from tests.unit.properties import Properties
from tests.unit.settlement.settling import Draw, batches, hot, opened, seed_round, wager_round

properties = Properties()

NODES = ("a", "b", "c", "d")
RIGHT = {node: hot("1", 0) for node in NODES}
mixed = batches(most=25, kinds=("seed", "wager"))


def start(**more):
    return fold(State(), opened(*NODES, **more))


def settle(state, *rounds, batch="b1"):
    made = settle_batch(batch, rounds, state)
    return made, fold(state, made.events)


def bodies(made):
    return {event.key: event.body for event in made.events}


# Events and records


def test_a_batch_makes_one_event_a_task_and_policy():
    state = fold(start(), opened("a", "b", task="u", policy="seed"))
    rounds = [
        wager_round("r1", RIGHT, 0),
        wager_round("r2", RIGHT, 1),
        seed_round("r3", 0, {"a": 0}),
        seed_round("r4", 0, {"a": 0, "b": 1}, "u"),
    ]
    made, _ = settle(state, *rounds)
    assert {key: (body["policy"], body["rounds"]) for key, body in bodies(made).items()} == {
        "settle:b1:t": ("seed", 1),
        "settle:b1:t:wager": ("wager", 2),
        "settle:b1:u": ("seed", 1),
    }


def test_the_root_is_over_the_records_by_id():
    rounds = [wager_round(name, RIGHT, 0) for name in ("r3", "r1", "r2")]
    made, _ = settle(start(), *rounds)
    assert made.events[0].body["root"] == merkle_root([made.records[name] for name in ("r1", "r2", "r3")])


def test_a_record_says_who_voted_what_and_when_what_was_true_by_whom_and_what_it_cost():
    votes = RIGHT | {"d": hot("1", 1)}
    round_ = wager_round("r1", votes, 0, shadows={"z": hot(None, 0)})
    made, _ = settle(start(), replace(round_, time=5, height=3, label_source="crm", label_time=9))
    assert orjson.loads(made.records["r1"]) == {
        "id": "r1",
        "task": "t",
        "policy": "wager",
        "answer": 0,
        "label": 0,
        "votes": votes,
        "shadows": {"z": hot(None, 0)},
        "scores": {"a": 10**6, "b": 10**6, "c": 10**6, "d": 0},
        "quality": {"a": 10**6, "b": 10**6, "c": 10**6, "d": 0},
        "deltas": {"a": 25 * MICRO, "b": 25 * MICRO, "c": 25 * MICRO, "d": -75 * MICRO},
        "time": 5,
        "height": 3,
        "source": "crm",
        "labelled": 9,
    }


def test_a_record_under_seed_says_nothing_of_a_label_which_may_come_before_or_after():
    state = fold(State(), opened("a", "b", policy="seed"))
    round_ = replace(seed_round("r1", 0, {"a": 0, "b": 1}), time=5, height=3)
    made, _ = settle(state, round_)
    labelled, _ = settle(state, replace(round_, label=1, label_source="crm", label_time=9))
    assert made == labelled
    assert orjson.loads(made.records["r1"]) == {
        "id": "r1",
        "task": "t",
        "policy": "seed",
        "answer": 0,
        "votes": {"a": 0, "b": 1},
        "deltas": {"a": 0, "b": -(10**8)},
        "time": 5,
        "height": 3,
    }


@pytest.mark.parametrize("kind", ["seed", "wager"])
def test_records_of_the_first_format_are_as_they_were_and_their_event_names_none(kind):
    state = fold(State(), opened(*NODES, policy=kind))
    votes = {"a": 0} if kind == "seed" else RIGHT
    round_ = seed_round("r1", 0, votes) if kind == "seed" else wager_round("r1", votes, 0)
    before, now = (settle_batch("b1", [round_], state, records) for records in (1, 2))
    (old,), (new,) = before.events, now.events
    assert {**old.body, "records": 2, "root": new.body["root"]} == new.body
    added = orjson.loads(now.records["r1"]).keys() - orjson.loads(before.records["r1"]).keys()
    assert added == {"time", "height", *(("source", "labelled") if kind == "wager" else ())}
    assert fold(state, before.events) == fold(state, now.events)


def test_trailing_zeros_of_an_event_are_left_out_and_are_read_as_zero():
    made, after = settle(start(), wager_round("r1", RIGHT | {"d": hot("1", 1)}, 0))
    nodes = made.events[0].body["nodes"]
    assert (len(nodes["a"]), len(nodes["d"])) == (6, 5)
    assert (after.task("t").accounts["a"].hits, after.task("t").accounts["d"].hits) == (1, 0)


def test_a_jailing_that_a_settlement_calls_for_stands_in_the_same_block():
    rounds = [wager_round(f"r{i:02}", RIGHT | {"d": hot("1", 1)}, 0) for i in range(12)]
    made, after = settle(start(), *rounds)
    assert [event.key for event in made.events] == ["settle:b1:t:wager", "jail:t:d:0"]
    assert after.task("t").accounts["d"].standing == "jailed"


def test_a_task_that_has_no_due_rounds_is_not_reviewed():
    state = start()
    poor = replace(state.task("t").accounts["a"], regret=10**9)
    tasks = {"t": replace(state.task("t"), accounts={**state.task("t").accounts, "a": poor})}
    state = fold(State(tasks), opened("x", task="u", policy="seed"))
    made, _ = settle(state, seed_round("r", 0, {"x": 0}, "u"))
    assert [event.kind for event in made.events] == ["settle"]


# What is refused


def test_a_slashing_round_of_a_task_that_the_ledger_does_not_know_is_a_broken_ledger():
    with pytest.raises(LedgerBroken, match="'nowhere'"):
        settle(start(), seed_round("r", 0, {"a": 0}, "nowhere"))


def test_a_labelled_round_of_a_task_that_is_not_opened_yet_waits():
    with pytest.raises(LedgerUnavailable, match="'nowhere'"):
        settle(start(), wager_round("r", RIGHT, 0, task="nowhere"))


@pytest.mark.parametrize("policy", ["seed", "wager"])
def test_a_round_without_evidence_stops_the_whole_batch(policy):
    with pytest.raises(LedgerBroken):
        settle(start(), wager_round("r1", RIGHT, 0), SettlementRound("r2", "t", policy, None, 0))


# Both policies in one batch


def test_seed_and_wager_rounds_of_one_task_never_take_more_than_a_node_holds():
    """The policy was changed while both kinds were due: each takes its part of what the other left."""
    rounds = [seed_round(f"s{i:02}", 0, {"a": 0, "d": 1}) for i in range(40)]
    rounds += [wager_round(f"w{i:02}", RIGHT | {"d": hot("1", 1)}, 0) for i in range(40)]
    _, after = settle(start(), *rounds)
    assert after.task("t").accounts["d"].stake >= 0
    assert after.task("t").imbalance == 0


def test_a_wager_round_settles_under_wager_though_the_task_has_gone_back_to_seed():
    state = fold(start(), [events.params("t", "seed")])
    made, after = settle(state, wager_round("r", RIGHT | {"d": hot("1", 1)}, 0))
    assert made.events[0].body["policy"] == "wager"
    assert after.task("t").labels == 1


def test_seed_rounds_teach_nothing_and_count_no_labels():
    _, after = settle(start(), seed_round("r", 0, {"a": 0, "b": 1}))
    task = after.task("t")
    assert (task.labels, task.accounts["b"].regret, task.accounts["b"].labelled) == (0, 0, 0)
    assert (task.treasury, task.accounts["b"].rounds) == (100 * MICRO, 1)


@properties(mixed)
def test_money_adds_up_and_no_account_is_below_zero_after_any_batch(batch):
    """I1. I2. Whatever standing, versions, labels and policies meet in it."""
    state, rounds = batch
    _, after = settle(State({"t": state}), *rounds)
    assert after.task("t").imbalance == 0
    assert min(account.stake for account in after.task("t").accounts.values()) >= 0


@properties(mixed)
def test_every_settlement_sums_to_zero_the_treasury_included(batch):
    """I3."""
    state, rounds = batch
    for event in settle(State({"t": state}), *rounds)[0].events:
        if event.kind == "settle":
            moved = sum(delta + levelling for _, delta, levelling, *_ in event.body["nodes"].values())
            assert moved + event.body["treasury"] == 0


@properties(mixed, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_neither_events_nor_records(batch, random):
    """I4."""
    state, rounds = batch
    shuffled = list(rounds)
    random.shuffle(shuffled)
    again = settle_batch("b1", shuffled, State({"t": state}))
    found = settle_batch("b1", rounds, State({"t": state}))
    assert canonical(bodies(again)) == canonical(bodies(found))
    assert again.records == found.records


@properties(mixed)
def test_the_order_of_the_events_in_a_block_changes_nothing(batch):
    """I5. A block lists its events by key, and a replay folds them as they were folded first."""
    state, rounds = batch
    made, after = settle(State({"t": state}), *rounds)
    assert fold(State({"t": state}), reversed(made.events)) == after
    stored = State.from_json(orjson.loads(canonical(after.to_json())))
    assert (stored, state_hash(stored)) == (after, state_hash(after))


@properties(mixed)
def test_a_settlement_can_be_made_again_from_the_stored_state_to_the_byte(batch):
    """I5."""
    state, rounds = batch
    stored = State.from_json(orjson.loads(canonical(State({"t": state}).to_json())))
    again, found = settle_batch("b1", rounds, stored), settle_batch("b1", rounds, State({"t": state}))
    assert (canonical(bodies(again)), again.records) == (canonical(bodies(found)), found.records)


@properties(batches(kinds=("seed",), most=12))
def test_under_seed_no_balance_rises_and_nothing_gets_lost(batch):
    """I11."""
    state, rounds = batch
    state = replace(state, policy="seed")
    _, after = settle(State({"t": state}), *rounds)
    assert all(after.task("t").balances[node] <= held for node, held in state.balances.items())
    held = (sum(task.balances.values()) + task.treasury for task in (state, after.task("t")))
    assert len(set(held)) == 1


@properties(st.integers(0, 2**64), st.integers(2, 12), few=20, many=300)
def test_no_run_of_batches_wears_a_ledger_out(seed, turns):
    """I1. I2. Batch after batch, each on the state that the one before has left."""
    made = Draw(seed)
    state = State({"t": made.task(4, None)})
    for turn in range(turns):
        rounds = [
            made.round(f"r{i}", state.task("t"), made.random.choice(("seed", "wager")), regression=False)
            for i in range(made.random.choice((1, 3, 30)))
        ]
        _, state = settle(state, *rounds, batch=f"b{turn}")
        assert state.task("t").imbalance == 0


# Ledgers from before there were labels

OLD_LINES = (
    b'{"events":{"open:iris:knn":{"accuracy":920000,"deposit":1000000000,"kind":"open","node":"knn","task":"ir'
    b'is"},"open:iris:tree":{"accuracy":570000,"deposit":1000000000,"kind":"open","node":"tree","task":"iris"}'
    b',"params:iris:736d9767bc05ac4a":{"kind":"params","policy":"seed","task":"iris"}},"format":1,"height":1,"'
    b'previous":"0000000000000000000000000000000000000000000000000000000000000000","state":"794d76fb19b241158d'
    b'e577cd24ee73bf28b89e993ca459cf601cbbcc1ddc6716","time":1700000000000001}\n'
    b'{"events":{"deposit:d1":{"amount":5000000,"kind":"deposit","node":"knn","task":"iris"},"params:film:ab7c'
    b'3f527a25241f":{"asks":"iris","kind":"params","members":["knn"],"policy":"wager","task":"film"}},"format"'
    b':1,"height":2,"previous":"95c1be003ee991217e7d34577b1453fe8e2672b159a6d6ddfe92339a98a207f2","state":"c5c'
    b'58fa0b8743fdf84e0133aa821fc2cfde2a9204cfb3028d4d328302df5f488","time":1700000000001001}\n'
    b'{"events":{"settle:b1:iris":{"kind":"settle","nodes":{"knn":[2,0,0,0,0],"tree":[2,-190000000,0,0,0]},"po'
    b'licy":"seed","root":"0000000000000000000000000000000000000000000000000000000000000000","rounds":2,"task"'
    b':"iris","treasury":190000000}},"format":1,"height":3,"previous":"805048d953fe4b1da180c01f3c6bfd0fbf7b241'
    b'7bdabd161668c5e70e844dc3f","state":"3f87f2d10f3b64354f5a5091856f75f7bef5439b3cdddaddbbcfccc1f50cb8bf","t'
    b'ime":1700000000002001}\n'
    b'{"events":{"deposit:d2":{"amount":7,"kind":"deposit","node":"tree","task":"iris"},"withdraw:w1":{"amount'
    b'":1005000000,"kind":"withdraw","node":"knn","task":"iris"}},"format":1,"height":4,"previous":"7125a4d769'
    b'3f73d9bfcb01be9a8ae95096829570e50480ea9ea89ae8379b787d","state":"6c2b4a2233d3e25403af0a18a52f751a59c8037'
    b'6c5aabaa350135a7e7fedce34","time":1700000000003001}\n'
    b'{"events":{"params:iris:976dfcc6ac543fba":{"kind":"params","policy":"wager","task":"iris"}},"format":1,"'
    b'height":5,"previous":"657b1a7b92dd7b511d1aebf13ed85fe0fd1172f791263b234fe9a0e14069f08f","state":"599ca0b'
    b'3273aa945facf1b61c4c78e2b1f8d4415d831324fa2769a25143236f9","time":1700000000004001}\n'
)
OLD_HASH = "cd7169484036a8620fb56e087ffbd6b02c483a0d163f7200dfd915a38405ae9b"
OLD_STATE = {
    "tasks": {
        "film": {
            "accounts": {},
            "asks": "iris",
            "members": ["knn"],
            "paid_in": 0,
            "paid_out": 0,
            "policy": "wager",
            "treasury": 0,
        },
        "iris": {
            "accounts": {
                "knn": {"accuracy": 920000, "deposit": 0, "rounds": 2, "stake": 0},
                "tree": {"accuracy": 570000, "deposit": 1000000007, "rounds": 2, "stake": 810000007},
            },
            "paid_in": 2005000007,
            "paid_out": 1005000000,
            "policy": "wager",
            "treasury": 190000000,
        },
    }
}


def old_blocks():
    """As commit c052b90 wrote them."""
    return [Block.read(line) for line in OLD_LINES.splitlines()]


def test_blocks_of_the_former_version_replay_to_the_hashes_that_it_wrote():
    """I5."""
    state = replay(old_blocks(), State(), 0, GENESIS)
    assert (old_blocks()[-1].hash, state.to_json()) == (OLD_HASH, OLD_STATE)


def test_each_state_of_an_old_ledger_is_written_as_it_was():
    state = State()
    for block in old_blocks():
        state = fold(state, block.event_list)
        assert state_hash(state) == block.state
        assert State.from_json(state.to_json()) == state


def test_a_state_that_the_former_version_stored_is_read_and_written_alike():
    assert State.from_json(OLD_STATE).to_json() == OLD_STATE
    assert digest(canonical(State.from_json(OLD_STATE).to_json())) == old_blocks()[-1].state


def test_the_nodes_of_an_old_ledger_count_and_have_a_fresh_record():
    account = State.from_json(OLD_STATE).task("iris").accounts["tree"]
    assert (account.standing, account.version, account.skill, account.regret) == ("active", None, 700_000, 0)


def test_an_old_ledger_goes_on_with_labels():
    state = replay(old_blocks(), State(), 0, GENESIS)
    state = fold(state, [events.deposit("iris", "knn", 10**9, "d3")])
    votes = {"knn": hot("4", 1), "tree": hot("1", 0)}
    _, after = settle(state, wager_round("r", votes, 1, task="iris"))
    assert after.task("iris").labels == 1
    assert after.task("iris").accounts["knn"].stake > 10**9


def test_what_is_at_its_default_is_not_written():
    assert TaskState("wager").to_json() == {
        "policy": "wager",
        "treasury": 0,
        "paid_in": 0,
        "paid_out": 0,
        "accounts": {},
    }


@pytest.mark.slow
@pytest.mark.guard
@pytest.mark.parametrize("property_", properties, ids=str)
def test_what_holds_in_a_few_cases_holds_in_many(property_):
    property_.check()
