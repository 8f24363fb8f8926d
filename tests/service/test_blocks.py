"""The ledger's blocks, page by page, and who gained and lost by them."""

import pytest

from concord.api.endpoints import stakes as stakes_api
from concord.api.endpoints.stakes import sum_stake_moves
from concord.errors import Refused
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


def block(height, *happened):
    return Block.build(height, "0" * 64, height, {event.key: event.body for event in happened}, "0" * 64)


def moved(blocks, before=None):
    nodes, treasury = sum_stake_moves(blocks, "iris", before or {})
    return {moves.node: moves for moves in nodes}, treasury


def test_pages_of_blocks_hold_every_block_once_newest_first(long_chain):
    height, heights, before = long_chain.client.ledger()["height"], [], None
    while True:
        page = long_chain.client.blocks(before=before, limit=17)
        heights += [view.height for view in page.blocks]
        before = page.before
        if before is None:
            break
    assert heights == list(range(height, 0, -1))


def test_a_block_of_a_page_is_the_block_of_its_height(long_chain):
    listed = long_chain.client.blocks(before=31, limit=1).blocks[0]
    block_ = long_chain.client.block(30)
    assert (listed.height, listed.hash, listed.events) == (30, block_["hash"], block_["events"])


def test_a_page_links_to_the_next_by_hash(long_chain):
    newest, older = long_chain.client.blocks(limit=2).blocks
    assert newest.previous == older.hash
    assert newest.hash == long_chain.client.ledger()["hash"]


def test_below_the_first_block_there_is_an_empty_page(long_chain):
    page = long_chain.client.blocks(before=1)
    assert (page.blocks, page.before) == ([], None)


@pytest.mark.parametrize("query", [{"limit": 101}, {"limit": 0}, {"before": 0}, {"before": "x"}, {"upto": 3}])
def test_a_page_out_of_bounds_is_refused(module_stack, query):
    response = module_stack.http.get("/v1/ledger/blocks", params=query)
    assert (response.status_code, response.json()["error"]["field"]) == (422, next(iter(query)))


def test_stakes_say_where_each_node_stood_and_stands(long_chain):
    page = long_chain.client.stakes("iris")
    paid = {moves.node: moves for moves in page.nodes}[NODE]
    assert (paid.start, paid.end, paid.paid, paid.points[-1]) == (None, 1060.0, 1060.0, (page.last, 1060.0))
    others = [moves for moves in page.nodes if moves.node != NODE]
    assert {(moves.end, len(moves.points)) for moves in others} == {(1000.0, 1)}
    assert (page.first, page.before) == (1, None)


def test_stakes_look_at_so_many_blocks_and_say_where_the_older_ones_are(long_chain, monkeypatch):
    monkeypatch.setattr(stakes_api, "MOST_BLOCKS", 10)
    page = long_chain.client.stakes("iris", before=41)
    paid = {moves.node: moves for moves in page.nodes}[NODE]
    assert (page.first, page.last, page.before) == (31, 40, 31)
    assert paid.end - paid.start == paid.paid == 10.0


def test_before_the_first_block_there_are_no_stakes(long_chain):
    page = long_chain.client.stakes("iris", before=1)
    assert (page.first, page.last, page.nodes) == (0, 0, [])


def test_stakes_of_a_task_that_is_not_there_are_a_404(module_stack):
    with pytest.raises(Refused) as caught:
        module_stack.client.stakes("nonsense")
    assert (caught.value.answered, caught.value.code) == (404, "unknown_task")


def test_gains_by_labels_and_by_levelling_are_summed_apart():
    sums = {"knn": events.NodeSums(3, 2_000_000, -500_000), "svm": events.NodeSums(3, -2_000_000, 500_000)}
    settled = events.settle("b", "iris", "wager", events.RecordTree(3, "00"), nodes=sums)
    nodes, treasury = moved([block(2, settled)], {"knn": 10_000_000, "svm": 10_000_000})
    assert (nodes["knn"].judged, nodes["knn"].levelled, nodes["knn"].end) == (2.0, -0.5, 11.5)
    assert (nodes["svm"].judged, nodes["svm"].levelled, nodes["svm"].end) == (-2.0, 0.5, 8.5)
    assert treasury == 0


def test_under_seed_the_treasury_gains_what_dissent_costs():
    settled = events.settle(
        "b", "iris", "seed", events.RecordTree(1, "00"), nodes={"knn": events.NodeSums(1, -5)}, treasury=5
    )
    nodes, treasury = moved([block(2, settled)], {"knn": 10_000_000})
    assert (nodes["knn"].slashed, nodes["knn"].judged, treasury) == (-5e-06, 0, 5e-06)


def test_other_tasks_and_blocks_that_move_nothing_leave_no_trace():
    other = events.deposit("loan", "knn", 1, "a")
    jailed = events.jail("iris", "knn", "regret", 6_100_000, 1)
    unmoved = events.settle(
        "b", "iris", "seed", events.RecordTree(1, "00"), nodes={"knn": events.NodeSums(1, 0)}
    )
    nodes, _ = moved([block(2, other), block(3, jailed), block(4, unmoved)], {"knn": 7_000_000})
    assert (nodes["knn"].points, nodes["knn"].end) == ([], 7.0)


def test_what_is_taken_out_counts_against_what_is_paid_in():
    happened = (events.deposit("iris", "knn", 3_000_000, "a"), events.withdraw("iris", "knn", 1_000_000, "b"))
    nodes, _ = moved([block(2, *happened)], {"knn": 0})
    assert (nodes["knn"].paid, nodes["knn"].points) == (2.0, [(2, 2.0)])
