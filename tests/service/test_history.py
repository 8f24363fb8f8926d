"""Histories are right at every height; histories and verifications run one after the other."""

import threading
import time

import httpx
import pytest

from concord.api.endpoints import history as history_api
from concord.api.endpoints.history import account_changes
from concord.errors import UnknownName
from concord.ledger import FileStore, Ledger, events
from concord.ledger.chain import Block
from tests.service.stack import wait_until

NODE = "decision_tree"


@pytest.fixture
def long_chain(start_stack):
    """A stack with 60 payments in many segments."""
    stack = start_stack()
    ledger = Ledger(FileStore(stack.home / "ledger"), limit=4000)
    for i in range(60):
        ledger.append([events.deposit("iris", NODE, 1_000_000, f"k{i}")])
    wait_until(lambda: stack.client.ledger()["height"] == ledger.head().height)
    return stack


def history(stack, **query):
    response = stack.http.get(f"/v1/nodes/iris/{NODE}/history", params=query)
    return [(entry["height"], entry["change"], entry["stake"]) for entry in response.json()["entries"]]


def test_a_history_before_a_height_ends_with_the_stake_of_that_time(long_chain):
    whole = history(long_chain)
    assert [stake for _, _, stake in whole] == [1000.0 + i for i in range(61)]
    for stop in (2, 17, 61):
        assert history(long_chain, before=stop) == [entry for entry in whole if entry[0] < stop]
    assert history(long_chain, before=1) == []


def test_a_page_of_history_goes_on_from_the_stake_before_it(long_chain, monkeypatch):
    whole = history(long_chain)
    monkeypatch.setattr(history_api, "MOST_BLOCKS", 10)
    assert history(long_chain, before=40) == [entry for entry in whole if 30 <= entry[0] < 40]


def test_a_history_reads_no_block_outside_its_page(long_chain, monkeypatch):
    monkeypatch.setattr(history_api, "MOST_BLOCKS", 10)
    ledger, asked = long_chain.api.service.ledger, []
    stream = ledger.stream
    monkeypatch.setattr(ledger, "stream", lambda *ends: asked.append(ends) or stream(*ends))
    history(long_chain, before=40)
    assert asked == [(30, 40)]


def test_a_history_is_that_of_one_head_while_the_chain_grows(long_chain, monkeypatch):
    ledger = long_chain.api.service.ledger
    state_before = ledger.state_before

    def late(height):
        other = Ledger(FileStore(long_chain.home / "ledger"))
        other.append([events.deposit("iris", NODE, 500_000_000, "late")])
        return state_before(height)

    before = history(long_chain)
    monkeypatch.setattr(ledger, "state_before", late)
    assert history(long_chain) == before


def test_a_node_that_loses_nothing_is_not_said_to_agree():
    sums = {"knn": events.NodeSums(1, 0), NODE: events.NodeSums(2, -5)}
    event = events.settle("b", "iris", "seed", events.RecordTree(2, "00"), nodes=sums, treasury=5)
    block = Block.build(2, "0" * 64, 0, {event.key: event.body}, "0" * 64)
    (knn,), (tree,) = (account_changes([block], "iris", node, 9) for node in ("knn", NODE))
    assert knn.reason == "1 round settled under seed: nothing taken"
    assert tree.reason == "2 rounds settled under seed: dissented from the consensus"


def test_proofs_that_are_asked_for_at_once_are_made_one_after_the_other(start_stack, monkeypatch):
    stack, running, most = start_stack(), [], []
    verify = stack.api.service.ledger.verify

    def slow(noted):
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        report = verify(noted)
        running.pop()
        return report

    monkeypatch.setattr(stack.api.service.ledger, "verify", slow)
    results = []
    threads = [threading.Thread(target=lambda: results.append(stack.client.verify()["ok"])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results, max(most)) == ([True] * 6, 1)


def test_a_verification_whose_caller_hung_up_still_keeps_the_next_one_waiting(start_stack, monkeypatch):
    stack, gate, running, most = start_stack(), threading.Event(), [], []

    def verify(_noted):
        running.append(None)
        most.append(len(running))
        gate.wait(20)
        running.pop()
        raise UnknownName("It was enough.")

    monkeypatch.setattr(stack.api.service.ledger, "verify", verify)
    for _ in range(3):
        with pytest.raises(httpx.ReadTimeout):
            stack.http.get("/v1/ledger/verify", timeout=0.4)
    gate.set()
    assert stack.http.get("/v1/ledger/verify").status_code == 404
    assert set(most) == {1}
