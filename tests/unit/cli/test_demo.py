"""The workshop's accounts and arithmetic, on a real ledger in files."""

import json

import pytest

from concord.cli import workshop
from concord.errors import ConfigurationError, ServiceAway
from concord.ledger import FileStore, Ledger, State, events
from concord.policies.stake import MICRO

NODES = tuple(workshop.ACCURACIES)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(FileStore(tmp_path))


def balances(ledger):
    return {node: stake // MICRO for node, stake in ledger.head().state.task("workshop").balances.items()}


def slash(ledger, node, amount, key):
    sums = {node: events.NodeSums(1, -amount)}
    ledger.append(
        [events.settle(key, "workshop", "seed", events.RecordTree(1, "00"), nodes=sums, treasury=amount)]
    )


def test_the_task_is_opened_with_the_workshops_accounts(ledger):
    ledger.append(lambda state: workshop.opening_events(state, "run", again=False))
    task = ledger.head().state.task("workshop")
    assert (task.policy, task.asks, set(task.members)) == ("seed", "iris", set(NODES))
    assert {node: account.accuracy for node, account in task.accounts.items()} == workshop.ACCURACIES
    assert balances(ledger) == dict.fromkeys(NODES, 1000)


def test_a_new_run_sets_every_account_back_to_1000_by_payments(ledger):
    ledger.append(lambda state: workshop.opening_events(state, "one", again=False))
    slash(ledger, "knn", 100 * MICRO, "batch")
    ledger.append([events.deposit("workshop", "decision_tree", 5 * MICRO, "gift")])
    block = ledger.append(lambda state: workshop.opening_events(state, "two", again=False))
    assert balances(ledger) == dict.fromkeys(NODES, 1000)
    assert {(body["kind"], body["node"]) for body in block.events.values()} == {
        ("deposit", "knn"), ("withdraw", "decision_tree"),
    }  # fmt: skip


def test_again_leaves_the_balances_as_they_are(ledger):
    ledger.append(lambda state: workshop.opening_events(state, "one", again=False))
    slash(ledger, "knn", 100 * MICRO, "batch")
    height = ledger.head().height
    ledger.append(lambda state: workshop.opening_events(state, "two", again=True))
    assert ledger.head().height == height
    assert balances(ledger)["knn"] == 900


def test_wager_moves_stake_from_the_wrong_to_the_right():
    before = dict.fromkeys(NODES, 1000 * MICRO)
    after = workshop.stakes_under_wager(before, dict(zip(NODES, workshop.TAUGHT_VOTES, strict=True)), 3)
    assert [after[node] / MICRO for node in NODES] == [950, 1050, 950, 1050]


def test_the_opening_of_an_empty_ledger_names_only_openings():
    kinds = [event.kind for event in workshop.opening_events(State(), "run", again=True)]
    assert kinds == ["params", "open", "open", "open", "open"]


class FakeClient:
    """A service with these Iris nodes, or this ledger."""

    url = "http://service"

    def __init__(self, nodes=(), ledger=None):
        self._nodes, self._ledger = nodes, ledger

    def nodes(self, _task):
        return [type("View", (), {"node": node, "status": status})() for node, status in self._nodes]

    def ledger(self):
        return self._ledger


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([(node, "up") for node in NODES[:3]], "no node random_forest.*`concord up iris`"),
        ([*((node, "up") for node in NODES[:3]), (NODES[3], "down")], "random_forest of iris is down"),
    ],
)
def test_nodes_that_are_missing_or_down_are_named(nodes, words):
    with pytest.raises(ConfigurationError, match=words):
        workshop.check_nodes(FakeClient(nodes))


def test_a_service_with_another_ledger_is_refused(ledger):
    ledger.append(lambda state: workshop.opening_events(state, "one", again=False))
    head = ledger.head()
    workshop.check_ledger(FakeClient(ledger={"height": head.height, "hash": head.hash}), ledger)
    for other in ({"height": 1, "hash": "f" * 64}, {"height": 9, "hash": head.hash}):
        with pytest.raises(ServiceAway, match="keeps its ledger elsewhere"):
            workshop.check_ledger(FakeClient(ledger=other), ledger)


def test_stake_is_shown_exactly():
    from concord.cli.text.values import format_plain_stake, format_stake

    assert (format_stake(1_000_000_000), format_plain_stake(1_000_000_000)) == ("1,000", "1000")
    assert (format_plain_stake(656_100_000), format_plain_stake(1), format_plain_stake(0)) == (
        "656.1",
        "0.000001",
        "0",
    )
    assert json.dumps(format_plain_stake(-100_000_000)) == '"-100"'
