"""The rule of `consensus.md` section 2 through a running service: labels move stake, and standing follows."""

import asyncio
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from concord.client import Client
from concord.ledger.state import PROBATION_ROUNDS
from concord.node.app import NodeApi
from concord.node.challenger import Challenger
from concord.observability.logs import AccessLog
from concord.policies.scoring import FIRST_SCORE
from concord.policies.stake import MICRO
from concord.settlement.jailing import MOST_REGRET
from tests.service.stack import AMOUNT, IRIS, Node, StandInModel, iris_nodes, species, wait_until
from tests.service.teaching import Teacher, give_token

pytestmark = [pytest.mark.slow, pytest.mark.guard]

FOUR = ("logistic_regression", "decision_tree", "knn", "random_forest")
"""The workshop's nodes, in the order in which `consensus.md` tells of their answers."""

UNHURRIED = "deadline_ms = 4000\ngrace_ms = 4000"
"""Terms under which every node that answers is heard, however busy the machine is."""

CLASSES = ("setosa", "versicolor", "virginica")


@dataclass
class Actor(Node):
    """A node that can be given another version, or waits for a gate before it answers (fault `gate`)."""

    gate: threading.Event = field(default_factory=threading.Event)

    def deploy(self, model, challenger=None):
        """Serves another version from now on, with one that is tried beside it."""
        tried = challenger and Challenger(challenger, model.info)
        self.model, self.api = model, NodeApi(model, AccessLog(enabled=False), tried)

    async def _misbehave(self, scope, receive, send):
        if self.fault != "gate":
            await super()._misbehave(scope, receive, send)
            return
        await asyncio.to_thread(self.gate.wait, 20)
        await self.api.application(scope, receive, send)


def flower(k):
    """A row whose class every honest node sees at once."""
    return IRIS.example | {"petal_length": 1.0 + k}


def honest(row):
    """Sees the class of `flower`."""
    return species(int(row[2]) - 1, 0.9)(row)


def liar(row):
    """Sees it too, and names the next one."""
    return species(int(row[2]) % 3, 0.9)(row)


def actor(answer, name, version="1"):
    """A node of iris."""
    return Actor(model(answer, name, version))


def model(answer, name, version):
    """A version of a node of iris."""
    return StandInModel(IRIS, name, answer, version)


def company(**others):
    """Three honest nodes and whoever else comes."""
    named = {"ann": honest, "bob": honest, "cleo": honest} | others
    return {name: actor(answer, name) for name, answer in named.items()}


def teach(teacher, count, begin=0):
    """Asks about some flowers, labels them in one call, and returns the verdicts."""
    classes = [k % 3 for k in range(begin, begin + count)]
    verdicts = teacher.ask(*map(flower, classes))
    teacher.label(verdicts, [CLASSES[k] for k in classes])
    return verdicts


def jail(teacher, node):
    """Labels until a node is jailed, in blocks of five; returns how many labels it took."""
    labels = 0
    while teacher.standing(node) != "jailed":
        assert labels < 40
        teach(teacher, 5, labels)
        labels += 5
    return labels


def votes_of(verdicts, node):
    """What became of a node's vote in each verdict, and its weight."""
    return {
        (vote["outcome"], vote["weight"]) for one in verdicts for vote in one["votes"] if vote["node"] == node
    }


@pytest.fixture
def start(start_stack):
    """Starts a stack and gives it a teacher."""

    def start(nodes=None, field="label", terms="", **options):
        stack = start_stack(nodes, terms=f"{UNHURRIED}\n{terms}", **options)
        return stack, Teacher(stack.http, give_token(stack.home), options.get("task", "iris"), field)

    return start


@pytest.fixture
def patient_with_shadows(monkeypatch):
    """Shadows are always heard, however busy the machine is."""
    monkeypatch.setattr("concord.consensus.batching.SHADOW_SECONDS", 10.0)


@pytest.fixture
def impatient_with_versions(monkeypatch):
    """What a node serves, and what is declared, is believed after a tenth of a second."""
    monkeypatch.setattr("concord.consensus.reconciler.CONTRADICTED_SECONDS", 0.1)
    monkeypatch.setattr("concord.consensus.node_clients.REFRESH_SECONDS", 0.1)


# The vectors


@pytest.mark.parametrize(
    ("answers", "stakes", "levelling"),
    [
        ((2, 1, 2, 1), (950, 1050, 950, 1050), (250_000, -250_000, 250_000, -250_000)),
        ((2, 1, 1, 1), (925, 1025, 1025, 1025), (375_000, -125_000, -125_000, -125_000)),
        ((1, 2, 2, 2), (1075, 975, 975, 975), (-375_000, 125_000, 125_000, 125_000)),
    ],
    ids=["two wrong of four", "one wrong of four", "one right of four"],
)
def test_a_label_moves_stake_as_the_vectors_say(start, answers, stakes, levelling):
    _, teacher = start(iris_nodes(**dict(zip(FOUR, answers, strict=True))))
    (height,) = teacher.label(teacher.ask(IRIS.example), ["versicolor"])
    check_money(teacher, height, [stake * MICRO for stake in stakes], levelling)


def test_brier_pays_for_how_sure_a_node_was(start):
    shares = ((0, 0.35, 0.65), (0, 1, 0), (0, 0.2, 0.8), (0, 0.6, 0.4))
    nodes = {n: Node(StandInModel(IRIS, n, lambda _, p=p: p)) for n, p in zip(FOUR, shares, strict=True)}
    _, teacher = start(nodes, terms='score = "brier"')
    (height,) = teacher.label(teacher.ask(IRIS.example), [1])
    stakes = (988_312_500, 1_030_562_500, 966_562_500, 1_014_562_500)
    # Halves are left over in each; the µS that are missing go to the first two nodes by name.
    check_money(teacher, height, stakes, (58_437, -152_812, 167_188, -72_813))


def check_money(teacher, height, stakes, levelling):
    """Each node's delta, levelling and stake in µS, in the order of `FOUR`."""
    sums = teacher.settlement(height)["nodes"]
    assert [sums[node][1] for node in FOUR] == [stake - 1000 * MICRO for stake in stakes]
    assert [sums[node][2] for node in FOUR] == list(levelling)
    found = [teacher.account(node)["stake"] for node in FOUR]
    assert found == [stake + level for stake, level in zip(stakes, levelling, strict=True)]


def test_without_labels_one_hot_votes_are_decided_by_stake(start):
    _, teacher = start(iris_nodes(**dict(zip(FOUR, (2, 1, 2, 1), strict=True))))
    (verdict,) = teacher.ask(IRIS.example)
    assert verdict["label"] == "versicolor"
    assert verdict["probabilities"] == {"setosa": 0, "versicolor": 0.5, "virginica": 0.5}
    assert verdict["pool"]["method"] == "stake_mean"


def test_a_value_is_paid_by_how_close_it_was(start):
    """Reckoned by hand: σ = 1,000.00 EUR, so misses of 500 score 1 − 1/6 and one of 3,500 scores 0."""
    values = {"ann": 10_000.0, "bob": 11_000.0, "cleo": 14_000.0}
    nodes = {n: Node(StandInModel(AMOUNT, n, lambda _, v=v: [v])) for n, v in values.items()}
    _, teacher = start(nodes, task="loan_amount", field="value")
    (verdict,) = teacher.ask(AMOUNT.example)
    (height,) = teacher.label([verdict], [10_500.0])
    settled = teacher.settlement(height)
    assert verdict["value"] == 11_000.0
    assert settled["nodes"] == {
        "ann": [1, 27_777_800, -138_889, 833_334, -277_778, 1],
        "bob": [1, 27_777_800, -138_889, 833_334, -277_778, 1],
        "cleo": [1, -55_555_600, 277_778, 0, 555_556],
    }
    assert settled["sigma"] == teacher.state()["sigma"] == (49 * 100_000 + 50_000) // 50
    stakes = [teacher.account(node)["stake"] for node in values]
    assert stakes == [1_027_638_911, 1_027_638_911, 944_722_178]


@pytest.mark.parametrize(
    ("accuracies", "means", "stakes"),
    [
        (
            (0.97, 0.57, 0.92, 0.54),
            (1.63, 1.654206, 1.677638, 1.70021),
            (
                (1000, 900, 1000, 900),
                (1000, 810, 1000, 810),
                (1000, 729, 1000, 729),
                (1000, 656.1, 1000, 656.1),
            ),
        ),
        ((0.9, 0.8, 0.7, 0.85), (1.492308,), ((900, 1000, 900, 1000),)),
        ((1.0, 1.0, 1.0, 1.0), (1.5,), ((1000, 900, 1000, 900),)),
    ],
    ids=["V1, again and again", "V2", "V3"],
)
def test_the_seed_rule_slashes_as_its_vectors_say(start, accuracies, means, stakes):
    nodes = {
        name: Node(StandInModel(IRIS, name, species(k), accuracy=accuracy))
        for name, k, accuracy in zip(FOUR, (2, 1, 2, 1), accuracies, strict=True)
    }
    stack, teacher = start(nodes, terms='policy = "seed"')
    for mean, after in zip(means, stakes, strict=True):
        verdict = stack.predict(query="?settled=true").json()["verdicts"][0]
        assert (round(verdict["pool"]["mean"], 6), verdict["settlement"]) == (mean, "settled")
        found = [teacher.account(node)["stake"] for node in FOUR]
        assert found == [round(stake * MICRO) for stake in after]


# Jail and shadows


def test_a_node_that_lies_is_jailed_within_forty_labels_and_no_other_is(start):
    stack, teacher = start(company(eve=liar))
    jail(teacher, "eve")
    views = {view.node: view for view in stack.client.nodes("iris")}
    assert {node: view.standing for node, view in views.items()} == {
        "ann": "active",
        "bob": "active",
        "cleo": "active",
        "eve": "jailed",
    }
    assert views["eve"].weight == 0
    assert views["eve"].standing_reason
    assert stack.client.verify()["ok"] is True


def test_a_jailed_node_is_asked_and_scored_and_weighs_nothing(start, patient_with_shadows):
    stack, teacher = start(company(eve=liar))
    jail(teacher, "eve")
    before, stake = len(stack.nodes["eve"].asked), teacher.account("eve")["stake"]
    verdicts = teach(teacher, 5)
    assert votes_of(verdicts, "eve") == {("shadow", 0)}
    assert {(one["status"], one["agreement"]) for one in verdicts} == {("ok", 1)}
    assert len(stack.nodes["eve"].asked) > before
    assert (teacher.account("eve")["watched"], teacher.account("eve")["stake"]) == (5, stake)


def test_an_answer_does_not_wait_for_a_shadow_and_its_round_does(start, patient_with_shadows):
    stack, teacher = start(company(eve=liar))
    jail(teacher, "eve")
    eve, journal = stack.nodes["eve"], stack.api.service.journal
    eve.fault = "gate"
    verdict = stack.predict(flower(1)).json()["verdicts"][0]
    assert (verdict["status"], verdict["label"], eve.gate.is_set()) == ("ok", "versicolor", False)
    assert journal.round(verdict["id"]) is None
    eve.gate.set()
    wait_until(lambda: journal.round(verdict["id"]))
    teacher.label([verdict], ["versicolor"])
    assert teacher.account("eve")["watched"] == 1


def test_a_shadow_that_never_answers_changes_no_answer(start):
    stack, teacher = start(company(eve=liar))
    jail(teacher, "eve")
    stack.nodes["eve"].fault = "hang"
    verdicts = [teach(teacher, 1, k)[0] for k in range(4)]
    assert {(one["status"], one["agreement"]) for one in verdicts} == {("ok", 1)}
    assert "watched" not in teacher.account("eve")
    wait_until(lambda: stack.nodes["eve"].dropped)


def test_a_jailed_node_that_is_good_for_fifty_labels_counts_again(start, patient_with_shadows):
    stack, teacher = start(company(eve=liar))
    jail(teacher, "eve")
    stack.nodes["eve"].deploy(model(honest, "eve", "1"))
    for begin in range(0, 45, 15):
        teach(teacher, 15, begin)
    assert teacher.standing("eve") == "jailed"
    teach(teacher, 5)
    assert teacher.standing("eve") == "active"
    assert votes_of(teacher.ask(flower(2)), "eve") != {("shadow", 0)}
    kinds = [entry.event for entry in stack.client.history("iris", "eve").entries]
    assert (kinds.count("jail"), kinds.count("release")) == (1, 1)


@pytest.mark.parametrize("fault", ["nan", "garbage", "short"])
def test_three_malformed_answers_jail_a_node_and_nobody_asks_it_any_more(start, fault):
    stack, teacher = start(company(eve=honest))
    eve = stack.nodes["eve"]
    eve.fault = fault
    for k in range(2):
        assert votes_of(teacher.ask(flower(k)), "eve") == {("invalid", 0)}
    assert teacher.standing("eve") == "active"
    teacher.ask(flower(2))
    wait_until(lambda: teacher.standing("eve") == "jailed")
    assert teacher.account("eve")["reason"] == "invalid"
    eve.fault, asked = None, len(eve.asked)
    verdicts = teach(teacher, 5)
    assert votes_of(verdicts, "eve") == {("jailed", 0)}
    assert {one["status"] for one in verdicts} == {"ok"}
    assert len(eve.asked) == asked


def test_a_jailing_that_would_leave_one_node_is_withheld_and_shown(start):
    nodes = {"ann": actor(honest, "ann"), "eve": actor(liar, "eve")}
    stack, teacher = start(nodes)
    for begin in range(0, 30, 10):
        teach(teacher, 10, begin)
    assert teacher.account("eve")["regret"] > MOST_REGRET
    shown = 'concord_jail_withheld{node="eve",task="iris"} 1.0'
    wait_until(lambda: shown in stack.http.get("/metrics").text)
    assert {teacher.standing("ann"), teacher.standing("eve")} == {"active"}


def test_a_node_without_stake_is_jailed_until_it_is_topped_up(start):
    stack, teacher = start(company(eve=honest))
    with Client(stack.url, token=give_token(stack.home, administers=True)) as operator:
        operator.withdraw("iris", "eve", 991, "it leaves")
        wait_until(lambda: teacher.standing("eve") == "jailed")
        assert teacher.account("eve")["reason"] == "stake"
        assert votes_of(teacher.ask(flower(1)), "eve") == {("shadow", 0)}
        operator.deposit("iris", "eve", 1, "it is back")
        wait_until(lambda: teacher.standing("eve") == "active")


# Versions and newcomers


@pytest.mark.parametrize("reason", ["regret", "invalid"])
def test_a_new_version_of_a_jailed_node_counts_after_twenty_labels(
    start, reason, patient_with_shadows, impatient_with_versions
):
    stack, teacher = start(company(eve=liar))
    eve = stack.nodes["eve"]
    eve.fault = "nan" if reason == "invalid" else None
    if reason == "invalid":
        for k in range(3):
            teacher.ask(flower(k))
        wait_until(lambda: teacher.standing("eve") == "jailed")
    else:
        jail(teacher, "eve")
    eve.fault = None
    eve.deploy(model(honest, "eve", "2"))
    wait_until(lambda: teacher.standing("eve") == "probation")
    assert (teacher.account("eve")["version"], "reason" in teacher.account("eve")) == ("2", False)
    assert votes_of(teach(teacher, PROBATION_ROUNDS - 1), "eve") == {("shadow", 0)}
    assert teacher.standing("eve") == "probation"
    teach(teacher, 1)
    assert teacher.standing("eve") == "active"


def test_a_node_that_comes_later_begins_in_probation(start, patient_with_shadows):
    first, _ = start(company())
    first.service.stop()
    _, teacher = start({**first.nodes, "late": actor(honest, "late")}, home=first.home)
    assert teacher.standing("late") == "probation"
    assert votes_of(teach(teacher, PROBATION_ROUNDS), "late") == {("shadow", 0)}
    assert teacher.standing("late") == "active"
    assert teacher.account("late")["stake"] == 1000 * MICRO


def test_where_the_nodes_file_names_others_than_before_two_of_them_count_at_once(start):
    first, _ = start(company())
    first.service.stop()
    stack, teacher = start({name: actor(honest, name) for name in ("dan", "eve", "fay")}, home=first.home)
    wait_until(lambda: [teacher.standing(node) for node in stack.nodes] == ["active", "active", "probation"])
    assert teacher.ask(flower(1))[0]["status"] == "ok"


def test_a_shadow_is_not_waited_for_where_no_round_can_be_recorded(start, monkeypatch):
    first, _ = start(company())
    first.service.stop()
    late = actor(honest, "late")
    stack, _ = start({**first.nodes, "late": late}, home=first.home)
    late.fault = "hang"
    monkeypatch.setattr("concord.consensus.recorder.MOST_WAITING", 0)
    assert stack.predict(flower(1)).status_code == 503
    wait_until(lambda: late.dropped == len(late.asked) == 1)


def test_a_challenger_has_a_record_of_its_own_and_moves_no_money(start):
    stack, teacher = start(company())
    stack.nodes["ann"].deploy(model(honest, "ann", "1"), model(liar, "ann", "2"))
    teach(teacher, 6)
    account = teacher.account("ann")
    # A liar who is sure to 0.9 scores 1 − ½(0.95² + 0.9² + 0.05²), and so does each of its six votes.
    assert (account["trial"]["version"], account["trial"]["rounds"]) == ("2", 6)
    assert account["trial"]["score"] == FIRST_SCORE * 99**6 // 100**6 + 6 * 142_500
    assert {teacher.account(node)["stake"] for node in ("ann", "bob", "cleo")} == {1000 * MICRO}


def test_a_challenger_that_is_promoted_goes_on_with_its_record(start, impatient_with_versions):
    stack, teacher = start(company())
    ann = stack.nodes["ann"]
    ann.deploy(model(honest, "ann", "1"), model(honest, "ann", "2"))
    teach(teacher, 6)
    trial = teacher.account("ann")["trial"]
    ann.deploy(model(honest, "ann", "2"))
    wait_until(lambda: teacher.account("ann")["version"] == "2")
    account = teacher.account("ann")
    assert (account["score"], account["answered"]) == (trial["score"], trial["answered"])
    assert "trial" not in account


def test_what_another_version_answered_is_paid_for_and_is_no_skill_of_the_new_one(
    start, impatient_with_versions
):
    stack, teacher = start(company(eve=liar))
    verdicts = teacher.ask(*map(flower, range(3)))
    stack.nodes["eve"].deploy(model(honest, "eve", "2"))
    wait_until(lambda: teacher.account("eve")["version"] == "2")
    (height,) = teacher.label(verdicts, CLASSES)
    # Three rounds, each of which costs λ h = 10 % of three quarters.
    rounds, delta, _, *learned = teacher.settlement(height)["nodes"]["eve"]
    assert (rounds, delta, learned) == (0, -225 * MICRO, [0, 0])
    assert not teacher.account("eve").keys() & {"score", "answered", "regret", "labelled", "hits"}


def test_rounds_that_were_answered_under_wager_settle_under_it_after_the_policy_has_changed(
    start, impatient_with_versions
):
    first, before = start(company(eve=liar))
    verdicts = before.ask(*map(flower, range(3)))
    first.service.stop()
    second, after = start(first.nodes, home=first.home, terms='policy = "seed"')
    wait_until(lambda: after.state()["policy"] == "seed")
    seeded = second.predict(flower(0), query="?settled=true").json()["verdicts"][0]
    (height,) = after.label(verdicts, CLASSES)
    assert (seeded["policy"], after.settlement(seeded["block"])["policy"]) == ("seed", "seed")
    settled = after.settlement(height)
    assert (settled["policy"], settled["rounds"]) == ("wager", 3)
    assert settled["nodes"]["eve"][1] < 0 < settled["nodes"]["ann"][1]
    assert second.client.verify()["ok"] is True


def test_the_stand_in_nodes_see_what_they_should():
    rows = np.array([[*flower(k).values()] for k in range(3)])
    assert [int(np.argmax(honest(row))) for row in rows] == [0, 1, 2]
    assert [int(np.argmax(liar(row))) for row in rows] == [1, 2, 0]
