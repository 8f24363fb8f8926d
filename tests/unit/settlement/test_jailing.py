"""Who counts: every row of the table of standing, and what an attacker with a node would try."""

from dataclasses import replace

import pytest

from concord.errors import Conflict, InvalidInput
from concord.journal.rows import SettlementRound
from concord.ledger import events
from concord.ledger.state import State, fold
from concord.policies.scoring import Trial
from concord.policies.stake import MICRO, MIN_STAKE, Account
from concord.policies.voting import PPM
from concord.settlement import evidence, jailing
from concord.settlement.batch import settle_batch
from concord.settlement.jailing import release_missing_voters, review
from tests.unit.settlement.settling import hot

NODES = ("a", "b", "c", "d")


def account(**fields):
    return Account(**{"stake": 1000 * MICRO, "deposit": 1000 * MICRO, "accuracy": 0, "version": "1"} | fields)


def jailed(reason="regret", **fields):
    return account(standing="jailed", reason=reason, changes=1, **fields)


def task(policy="wager", **accounts):
    opened = {node: account() for node in NODES} | accounts
    held = sum(account.stake for account in opened.values())
    state = fold(State(), [events.params("t", policy)]).task("t")
    return replace(state, accounts=opened, paid_in=held)


def after(state, *more, malformed=None):
    """The state after what a review calls for."""
    events_ = review("t", state, malformed)
    return fold(State({"t": state}), [*more, *events_.events]).task("t")


def bodies(state, malformed=None):
    return [dict(event.body) for event in review("t", state, malformed).events]


def settled(state, votes, label=0, shadows=None, challengers=None, rounds=1):
    """The state after a block of alike rounds; votes are classes, of version 1 unless they say so."""
    data = evidence.write(0, *(ballots(some) for some in (votes, shadows or {}, challengers or {})))
    batch = [SettlementRound(f"r{i}", "t", "wager", data, label) for i in range(rounds)]
    whole = State({"t": state})
    return fold(whole, settle_batch("b", batch, whole).events).task("t")


def ballots(votes):
    return {
        node: hot(*vote) if isinstance(vote, tuple) else hot("1", vote) if isinstance(vote, int) else vote
        for node, vote in votes.items()
    }


def rounds_until(holds, state, votes, limit=200, **more):
    """Blocks of one round each until something holds, and the state then."""
    for turn in range(1, limit):
        state = settled(state, votes(turn), **more)
        if holds(state):
            return turn, state
    raise AssertionError("It never holds.")


# Entering


def test_the_nodes_that_open_a_task_count_at_once_and_later_ones_are_on_probation():
    opening = [events.params("t", "wager", opens=["a", "b"])]
    opening += [events.open_account("t", node, 10**9, 0) for node in ("a", "b", "c")]
    state = fold(State(), opening).task("t")
    assert {n: account.standing for n, account in state.accounts.items()} == {
        "a": "active",
        "b": "active",
        "c": "probation",
    }


def test_where_a_ledger_does_not_say_who_opened_a_task_everybody_counts():
    opening = [events.params("t", "wager"), *(events.open_account("t", n, 1, 0) for n in "abc")]
    assert set(fold(State(), opening).task("t").active) == {"a", "b", "c"}


def test_a_later_node_counts_at_once_where_fewer_than_two_would():
    opening = [events.params("t", "wager", opens=["a", "b"])]
    opening += [events.open_account("t", node, 10**9, 0) for node in ("a", "c", "d")]
    state = fold(State(), opening).task("t")
    assert [state.accounts[n].standing for n in ("a", "c", "d")] == ["active", "active", "probation"]


# Probation


@pytest.mark.parametrize(("watched", "standing_"), [(19, "probation"), (20, "active")])
def test_probation_ends_after_twenty_labelled_rounds(watched, standing_):
    state = task(z=account(standing="probation", watched=watched))
    assert after(state).accounts["z"].standing == standing_


def test_a_shadow_is_released_by_the_block_of_its_twentieth_labelled_round():
    state = task(z=account(standing="probation"))
    state = settled(state, dict.fromkeys(NODES, 0), shadows={"z": 0}, rounds=19)
    assert (state.accounts["z"].watched, state.accounts["z"].standing) == (19, "probation")
    state = settled(state, dict.fromkeys(NODES, 0), shadows={"z": 0})
    assert (state.accounts["z"].standing, state.accounts["z"].watched) == ("active", 0)


def test_rounds_without_an_answer_are_no_rounds_on_probation():
    state = task(z=account(standing="probation", watched=19))
    assert settled(state, dict.fromkeys(NODES, 0), rounds=5).accounts["z"].standing == "probation"


def test_a_release_tells_people_why():
    (body,) = bodies(task(z=account(standing="probation", watched=23)))
    assert (body["to"], body["by"], body["why"]) == ("active", "rule", "23 labelled rounds on probation")


def test_probation_ends_at_once_where_fewer_than_two_count_and_for_no_more_nodes_than_that_takes():
    state = replace(
        task(), accounts={"a": account()} | {n: account(standing="probation") for n in ("x", "y")}
    )
    (body,) = bodies(replace(state, paid_in=3000 * MICRO))
    assert (body["node"], body["why"]) == ("x", "fewer than two nodes count")


def newcomers(*names, **fields):
    return {name: account(standing="probation", **fields) for name in names}


def test_two_that_are_declared_count_at_once_where_those_who_count_have_left_the_nodes_file():
    state = task(**newcomers("x", "y", "z"))
    events_ = release_missing_voters("t", state, {"x", "y", "z"})
    assert [(event.body["node"], event.body["to"]) for event in events_] == [("x", "active"), ("y", "active")]
    assert not release_missing_voters("t", fold(State({"t": state}), events_).task("t"), {"x", "y", "z"})


@pytest.mark.parametrize(
    ("declared", "fields"),
    [
        ({"a", "b", "x"}, {}),
        ({"a", "b"}, {}),
        ({"x"}, {"regret": jailing.MOST_REGRET + 1}),
        ({"x"}, {"stake": MIN_STAKE - 1}),
    ],
    ids=["two count", "it has left too", "it lied", "it has no stake"],
)
def test_nobody_else_leaves_probation_for_the_nodes_files_sake(declared, fields):
    assert not release_missing_voters("t", task(**newcomers("x", **fields)), declared)


def test_under_seed_the_nodes_file_releases_nobody():
    assert not release_missing_voters("t", task("seed", **newcomers("x")), {"x"})


def test_a_liar_on_probation_is_jailed_and_never_counted():
    state = task(z=account(standing="probation"))
    turn, state = rounds_until(
        lambda s: s.accounts["z"].standing != "probation",
        state,
        lambda _turn: dict.fromkeys(NODES, 0),
        shadows={"z": 1},
    )
    assert (turn, state.accounts["z"].standing, state.accounts["z"].reason) == (8, "jailed", "regret")


def test_money_never_moves_to_or_from_a_node_on_probation():
    state = task(z=account(standing="probation"))
    assert settled(state, {"a": 0, "b": 1}, shadows={"z": 0}, rounds=9).accounts["z"].stake == 1000 * MICRO


def test_a_later_node_cannot_buy_its_way_around_probation():
    """It opens with next to nothing, is out for want of stake, and tops up."""
    state = fold(
        State(),
        [
            events.params("t", "wager", opens=NODES),
            *(events.open_account("t", n, 10**9, 0) for n in NODES),
        ],
    )
    state = fold(state, [events.open_account("t", "z", 1, 0)])
    state = State({"t": after(state.task("t"))})
    state = fold(state, [events.deposit("t", "z", 10**12, "top-up")])
    assert after(state.task("t")).accounts["z"].standing != "active"


# Jail by regret


def test_regret_above_six_jails_and_six_does_not():
    assert bodies(task(z=account(regret=6 * PPM))) == []
    (body,) = bodies(task(z=account(regret=6 * PPM + 1)))
    assert (body["kind"], body["node"], body["reason"], body["measured"]) == ("jail", "z", "regret", 6000001)


def test_a_liar_among_many_is_jailed_in_its_eighth_labelled_round():
    others = {f"n{i:02}": account() for i in range(20)}
    turn, state = rounds_until(
        lambda s: s.accounts["a"].standing == "jailed",
        task(**others),
        lambda _turn: dict.fromkeys([*NODES, *others], 0) | {"a": 1},
    )
    assert (turn, state.accounts["a"].reason, state.accounts["a"].regret > 6 * PPM) == (8, "regret", True)


def test_a_random_node_is_jailed_in_about_thirty_labelled_rounds():
    """It hits one class of three: less than 2/3 − 1/5 of regret a round, by its own part in the mean."""
    turn, _ = rounds_until(
        lambda s: s.accounts["a"].standing == "jailed",
        task(),
        lambda turn: dict.fromkeys(NODES, 0) | {"a": (turn * 7) % 3},
    )
    assert 12 <= turn <= 40


def test_an_honest_node_that_is_a_fifth_worse_than_the_mean_is_never_jailed():
    state = task()
    for turn in range(300):
        state = settled(state, dict.fromkeys(NODES, 0) | {"a": int(turn % 5 == 0)})
    assert state.accounts["a"].standing == "active"


def test_several_jailings_take_the_worst_first():
    state = task(a=account(regret=7 * PPM), b=account(regret=9 * PPM))
    assert [event.body["node"] for event in review("t", state).events] == ["b", "a"]


# Jail by malformed answers and by stake


@pytest.mark.parametrize(("malformed", "jails"), [(2, 0), (3, 1), (100, 1)])
def test_three_malformed_answers_of_the_last_hundred_jail(malformed, jails):
    events_ = bodies(task(), {"a": malformed})
    assert len(events_) == jails
    assert all((event["reason"], event["measured"]) == ("invalid", malformed) for event in events_)


@pytest.mark.parametrize(("held", "jails"), [(MIN_STAKE, 0), (MIN_STAKE - 1, 1), (0, 1)])
def test_less_than_ten_stake_jails(held, jails):
    events_ = bodies(task(a=account(stake=held)))
    assert [(event["kind"], event["reason"], event["measured"]) for event in events_] == [
        ("jail", "stake", held)
    ] * jails


def test_a_top_up_to_ten_stake_brings_a_node_back_that_counted_before():
    state = after(task(a=account(stake=MIN_STAKE - 1)))
    assert (state.accounts["a"].standing, state.accounts["a"].reason) == ("jailed", "stake")
    topped = fold(State({"t": state}), [events.deposit("t", "a", 1, "k")]).task("t")
    assert after(topped).accounts["a"].standing == "active"
    assert after(state).accounts["a"].standing == "jailed"


def test_withdrawing_and_paying_in_again_washes_no_regret_away():
    state = after(task(a=account(stake=MIN_STAKE - 1, regret=5_900_000)))
    topped = fold(State({"t": state}), [events.deposit("t", "a", 10**9, "k")]).task("t")
    assert after(topped).accounts["a"].regret == 5_900_000


def test_a_top_up_frees_nobody_who_is_jailed_for_another_reason():
    state = task(a=jailed("invalid"), b=account(), z=jailed("regret", stake=0))
    topped = fold(State({"t": state}), [events.deposit("t", "z", 10**12, "k")]).task("t")
    assert {after(topped).accounts[n].standing for n in ("a", "z")} == {"jailed"}


# The guard


def test_a_jailing_that_would_leave_fewer_than_two_is_withheld_and_shown():
    state = task(a=account(regret=9 * PPM), c=jailed(), d=jailed())
    events_ = review("t", state)
    assert (events_.events, events_.withheld) == ((), ("a",))


def test_a_jailing_that_would_leave_under_half_of_the_deposits_is_withheld():
    rich = account(deposit=3001 * MICRO, regret=9 * PPM)
    assert review("t", task(a=rich)).withheld == ("a",)
    assert review("t", task(a=replace(rich, deposit=3000 * MICRO))).withheld == ()


def test_the_deposits_of_jailed_nodes_count_in_the_half_too():
    state = task(a=jailed(deposit=1500 * MICRO), b=account(regret=9 * PPM))
    assert review("t", state).withheld == ("b",)


def test_of_several_that_are_due_only_so_many_are_jailed_as_may_go():
    events_ = review("t", task(**{n: account(regret=(7 + i) * PPM) for i, n in enumerate("abc")}))
    assert [event.body["node"] for event in events_.events] == ["c", "b"]
    assert events_.withheld == ("a",)


def test_two_liars_and_nobody_else_are_both_kept():
    state = replace(task(), accounts={n: account(regret=9 * PPM) for n in ("a", "b")}, paid_in=2000 * MICRO)
    assert (review("t", state).events, len(review("t", state).withheld)) == ((), 2)


def test_a_jailing_that_was_withheld_is_carried_out_once_another_counts():
    state = task(a=account(regret=9 * PPM), c=jailed(), d=account(standing="probation", watched=20))
    events_ = review("t", state)
    assert [(event.kind, event.body["node"]) for event in events_.events] == [("release", "d"), ("jail", "a")]
    assert set(after(state).active) == {"b", "d"}


def test_the_guard_says_nothing_of_nodes_that_do_not_count_anyway():
    state = task(c=jailed(), d=jailed(), z=account(standing="probation", regret=9 * PPM))
    assert after(state).accounts["z"].reason == "regret"


# Leaving jail


@pytest.mark.parametrize(
    ("watched", "regret", "standing_"),
    [
        (49, 0, "jailed"),
        (50, 5 * PPM, "active"),
        (50, 5 * PPM + 1, "jailed"),
        (50, -9 * PPM, "active"),
        (61, 6_100_000, "active"),
    ],
)
def test_a_good_shadow_is_released_after_fifty_rounds_of_a_tenth_of_regret_at_most(
    watched, regret, standing_
):
    state = task(z=jailed(watched=watched, watched_regret=regret))
    assert after(state).accounts["z"].standing == standing_


def test_a_released_node_starts_with_no_regret_and_keeps_its_skill():
    state = task(z=jailed(watched=50, regret=9 * PPM, score=10 * PPM, answered=20 * PPM))
    events_ = after(state).accounts["z"]
    assert (events_.regret, events_.watched, events_.reason, events_.skill) == (0, 0, None, 500_000)


def test_a_node_that_has_turned_honest_comes_back_in_its_fiftieth_round_as_a_shadow():
    turn, state = rounds_until(
        lambda s: s.accounts["z"].standing == "active",
        task(z=jailed(regret=6_500_000)),
        lambda _turn: dict.fromkeys(NODES, 0),
        shadows={"z": 0},
    )
    assert (turn, state.accounts["z"].regret) == (50, 0)


def test_after_fifty_bad_rounds_the_count_begins_anew():
    state = task(z=jailed())
    state = settled(state, dict.fromkeys(NODES, 0), shadows={"z": 1}, rounds=50)
    assert (state.accounts["z"].watched, state.accounts["z"].watched_regret) == (50, 50 * PPM)
    state = settled(state, dict.fromkeys(NODES, 0), shadows={"z": 0}, rounds=30)
    assert (state.accounts["z"].watched, state.accounts["z"].watched_regret) == (30, 0)
    state = settled(state, dict.fromkeys(NODES, 0), shadows={"z": 0}, rounds=20)
    assert state.accounts["z"].standing == "active"


@pytest.mark.parametrize("reason", ["invalid", "stake"])
def test_shadow_rounds_release_nobody_who_is_jailed_for_another_reason(reason):
    state = task(z=jailed(reason, watched=500, stake=0))
    assert after(state).accounts["z"].standing == "jailed"


@pytest.mark.parametrize("where", [account(standing="probation"), jailed("regret"), jailed("invalid")])
@pytest.mark.parametrize("to", ["active", "probation"])
def test_an_operator_releases_for_a_reason(where, to):
    why = events.release("t", "z", to=to, by="operator", why="its camera was repaired", key="k")
    events_ = fold(State({"t": task(z=where)}), [why]).task("t").accounts["z"]
    assert (events_.standing, events_.reason, events_.regret, events_.watched) == (to, None, 0, 0)


def test_nobody_is_released_who_counts_or_jailed_who_is_jailed():
    state = State({"t": task(z=jailed())})
    with pytest.raises(Conflict):
        fold(state, [events.release("t", "a", to="active", by="operator", why="", key="k")])
    with pytest.raises(Conflict):
        fold(state, [events.jail("t", "z", "regret", 1, 1)])
    with pytest.raises(InvalidInput):
        events.release("t", "z", to="jailed", by="operator", why="", key="k")


# Versions


def test_a_new_version_of_a_jailed_node_goes_to_probation():
    for reason in ("regret", "invalid"):
        state = State({"t": task(z=jailed(reason, regret=9 * PPM, watched=7))})
        events_ = fold(state, [events.promote("t", "z", "2", 1)]).task("t").accounts["z"]
        assert (events_.standing, events_.reason, events_.regret, events_.watched) == (
            "probation",
            None,
            0,
            0,
        )


def test_a_new_version_of_a_node_without_stake_changes_nothing_about_that():
    state = State({"t": task(z=jailed("stake", stake=0))})
    assert fold(state, [events.promote("t", "z", "2", 1)]).task("t").accounts["z"].reason == "stake"


def test_regret_follows_a_node_into_a_version_that_nobody_has_watched():
    """Or who lies would name another version every seven rounds, and never be jailed."""
    for rounds, regret in ((0, 5), (19, 5), (20, 0)):
        tried = account(regret=5, trial=Trial("2", rounds=rounds))
        events_ = (
            fold(State({"t": task(z=tried)}), [events.promote("t", "z", "2", 0)]).task("t").accounts["z"]
        )
        assert events_.regret == regret


def test_a_new_version_starts_anew_in_all_but_money_and_regret():
    old = account(score=5, answered=9, regret=5, labelled=8, hits=7, rounds=9, stake=10**8)
    events_ = fold(State({"t": task(z=old)}), [events.promote("t", "z", "2", 0)]).task("t").accounts["z"]
    assert events_ == account(stake=10**8, rounds=9, version="2", regret=5, changes=1)


def test_a_version_that_was_tried_for_twenty_rounds_counts_once_it_is_promoted():
    trial = Trial("2", 20, 25 * PPM, 30 * PPM)
    state = State({"t": task(z=account(standing="probation", trial=trial))})
    events_ = after(fold(state, [events.promote("t", "z", "2", 0)]).task("t")).accounts["z"]
    assert (events_.standing, events_.score, events_.answered) == ("active", 25 * PPM, 30 * PPM)
    assert (events_.trial, events_.version) == (None, "2")


@pytest.mark.parametrize("trial", [Trial("2", 19), Trial("3", 99), None])
def test_a_version_that_was_not_tried_for_so_long_stays_on_probation(trial):
    state = State({"t": task(z=jailed("regret", trial=trial))})
    events_ = after(fold(state, [events.promote("t", "z", "2", 1)]).task("t")).accounts["z"]
    assert (events_.standing, events_.watched) == ("probation", 19 if trial and trial.version == "2" else 0)


def test_the_first_version_that_is_stated_keeps_the_record():
    old = account(version=None, score=5 * PPM, answered=9 * PPM, regret=5, labelled=8)
    events_ = fold(State({"t": task(z=old)}), [events.promote("t", "z", "1", 0)]).task("t").accounts["z"]
    assert events_ == replace(old, version="1", changes=1)


def test_no_version_takes_its_own_place():
    with pytest.raises(Conflict):
        fold(State({"t": task()}), [events.promote("t", "a", "1", 0)])


def test_a_challenger_is_scored_beside_its_champion_and_costs_it_nothing():
    votes, tried = dict.fromkeys(NODES, 0), {"a": ("2", 1)}
    with_one, without = (settled(task(), votes, challengers=some, rounds=4) for some in (tried, {}))
    assert with_one.accounts["a"].trial == Trial("2").after(4, 0)
    assert replace(with_one.accounts["a"], trial=None) == without.accounts["a"]


def test_a_new_challenger_takes_the_place_of_the_one_before():
    state = settled(task(), dict.fromkeys(NODES, 0), challengers={"a": ("2", 0)}, rounds=9)
    state = settled(state, dict.fromkeys(NODES, 0), challengers={"a": ("3", 0)}, rounds=2)
    assert (state.accounts["a"].trial.version, state.accounts["a"].trial.rounds) == ("3", 2)


def test_rounds_that_the_old_version_answered_are_paid_and_teach_nothing_of_the_new_one():
    state = fold(State({"t": task()}), [events.promote("t", "a", "2", 0)]).task("t")
    events_ = settled(state, {"a": ("1", 1), "b": 0, "c": 0, "d": 0}, rounds=3).accounts["a"]
    assert events_.stake < 1000 * MICRO
    assert (events_.labelled, events_.regret, events_.skill) == (0, 0, 700_000)


# Policies, keys


def test_under_seed_nobody_is_jailed_or_released():
    state = task("seed", a=account(regret=9 * PPM), z=account(standing="probation", watched=99))
    assert review("t", state, {"b": 50}) == jailing.Review((), ())


def test_a_review_calls_for_nothing_twice():
    state = task(a=account(regret=9 * PPM), y=jailed(watched=50), z=account(standing="probation", watched=20))
    assert len(bodies(state)) == 3
    assert bodies(after(state)) == []


def test_each_change_of_a_node_has_a_key_of_its_own():
    state, keys = task(), []
    for _ in range(3):
        for malformed in ({"a": 3}, {}):
            events_ = review("t", state, malformed).events
            if not malformed:
                events_ = [events.promote("t", "a", f"v{len(keys)}", state.accounts["a"].changes)]
            keys += [event.key for event in events_]
            state = fold(State({"t": state}), events_).task("t")
    assert len(keys) == len(set(keys)) == 6


@pytest.mark.parametrize("order", [("a", "b", "c", "d"), ("d", "c", "b", "a")])
def test_a_review_does_not_depend_on_the_order_of_the_accounts(order):
    state = task(a=account(regret=9 * PPM), b=account(regret=9 * PPM), d=jailed(watched=50))
    shuffled = replace(state, accounts={n: state.accounts[n] for n in order})
    assert review("t", shuffled) == review("t", state)


def test_what_a_review_calls_for_folds_to_the_state_that_it_was_made_for():
    state = task(a=account(regret=9 * PPM), c=account(stake=0), d=jailed(watched=50))
    state = replace(state, paid_in=3000 * MICRO)
    assert set(after(state).active) == {"b", "d"}
