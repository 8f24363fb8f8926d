"""Settling again finds every change of the journal, says which round it is, and finds nothing else."""

from functools import partial

import orjson
import pytest

from concord.ledger import events
from concord.settlement import settler
from concord.settlement.audit import audit_settlements
from tests.service.labelled_world import LabelledWorld, ballots


@pytest.fixture
def world(tmp_path):
    """Three blocks of `flowers`, the second of three rounds, and one of `workshop` under `seed`."""
    world = LabelledWorld(tmp_path, limit=4000)
    world.open_seed()
    world.first = world.answer(1, 2, 1, 1, label=1)
    world.settle()
    world.three = [world.answer(1, k, 1, 0, label=1) for k in (0, 1, 2)]
    world.height = world.settle()
    world.seeded = sorted(world.record(3))
    world.answer(2, 2, None, 0, label=2)
    world.settle()
    yield world
    world.close()


def audit(world):
    return audit_settlements(world.ledger(), world.journal)


def problems(world):
    return list(audit(world).problems)


def read_record(world, id_):
    return orjson.loads(world.journal.round(id_).record)


def test_what_was_not_changed_comes_to_the_same(world):
    report = audit(world)
    assert (report.problems, report.blocks, report.rounds, report.unmarked) == ([], 3, 8, 0)
    assert report.height == world.ledger().head().height


def test_each_block_is_looked_at_once_and_told(world):
    calls = []
    audit_settlements(world.ledger(), world.journal, lambda height, end: calls.append((height, end)))
    end = world.ledger().head().height
    assert calls == [(height, end) for height in range(1, end + 1)]


def test_the_states_are_folded_and_never_looked_back_for(world, monkeypatch):
    ledger = world.ledger()
    monkeypatch.setattr(ledger, "state_before", None)
    assert audit_settlements(ledger, world.journal).ok


def test_segments_that_were_archived_are_settled_again_too(world):
    for i in range(30):
        world.ledger().append([events.deposit("flowers", "knn", 1, f"k{i}")])
    assert world.ledger().archive(1) > 1
    assert (audit(world).ok, audit(world).rounds) == (True, 8)


def test_a_label_that_was_changed_is_named_with_both_labels(world):
    id_ = world.three[1]
    world.edit("UPDATE labels SET label = 2 WHERE id = :id", id=id_)
    assert problems(world) == [
        f"Block {world.height}, round {id_}: its label was changed in the journal from 1 to 2."
    ]


def test_a_label_that_is_gone_is_named(world):
    id_ = world.three[0]
    world.edit("DELETE FROM labels WHERE id = :id", id=id_)
    assert problems(world) == [
        f"Block {world.height}: round {id_} was settled with a label, and the journal has none."
    ]


def test_votes_that_were_changed_are_named(world):
    id_ = world.three[2]
    was = world.journal.round(id_).evidence
    now = was.replace(b'["1",0,1000000,0]', b'["1",0,0,1000000]')
    world.edit("UPDATE rounds SET evidence = :now WHERE id = :id", now=now, id=id_)
    assert problems(world) == [
        f"Block {world.height}, round {id_}: its votes were changed in the journal after it was settled."
    ]


CHANGES = {
    "source": ("UPDATE labels SET source = 'x' WHERE id = :id", "its label's source", "crm", "x"),
    "label's time": ("UPDATE labels SET time = 11 WHERE id = :id", "its label's time", 10, 11),
    "time": ("UPDATE rounds SET time = 7 WHERE id = :id", "its time", None, 7),
    "height": (
        "UPDATE rounds SET height = 9 WHERE id = :id",
        "its height",
        None,
        9,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_record_says_beside_the_votes_is_compared_too(world, change):
    statement, what, was, now = CHANGES[change]
    id_ = world.three[0]
    stored = world.journal.round(id_)
    was = was or (stored.time if change == "time" else stored.height)
    world.edit(statement, id=id_)
    where = f"Block {world.height}, round {id_}"
    assert problems(world) == [f"{where}: {what} was changed in the journal from {was} to {now}."]


def test_blocks_of_a_version_before_are_settled_again_in_the_format_of_their_records(world, monkeypatch):
    monkeypatch.setattr(settler, "settle_batch", partial(settler.settle_batch, record_format=1))
    old = world.answer(1, 2, 1, 1, label=1)
    world.settle()
    monkeypatch.undo()
    new = world.answer(1, 2, 1, 1, label=1)
    world.settle()
    assert ("source" in read_record(world, old), "source" in read_record(world, new)) == (False, True)
    assert (audit(world).problems, audit(world).rounds) == ([], 10)
    # What no record of that format says is not proven.
    world.edit("UPDATE labels SET source = 'x' WHERE id = :id", id=old)
    assert audit(world).ok


def test_a_claim_whose_block_a_version_before_has_written_is_marked_with_its_records(world, monkeypatch):
    def crash(step):
        if step == "appended":
            raise KeyboardInterrupt

    old = world.settler(checkpoint=crash)
    with monkeypatch.context() as before:
        before.setattr(settler, "settle_batch", partial(settler.settle_batch, record_format=1))
        id_ = world.answer(1, 2, 1, 1, label=1)
        with pytest.raises(KeyboardInterrupt):
            old._step()
    new = world.settler()
    new._recover()
    while new._step():
        pass
    assert "source" not in read_record(world, id_)
    assert audit(world).ok


def test_records_of_a_later_version_are_told_and_the_rest_is_settled_again(world, monkeypatch):
    monkeypatch.setattr(settler, "settle_batch", partial(settler.settle_batch, record_format=3))
    world.answer(1, 2, 1, 1, label=1)
    height = world.settle()
    (problem,) = problems(world)
    assert problem.startswith(f"Block {height} cannot be settled again: Its records are of format 3")


def test_a_record_that_was_edited_is_named(world):
    id_ = world.three[0]
    stored = world.journal.round(id_)
    edited = stored.record.replace(b'"label":1', b'"label":2')
    world.edit("UPDATE rounds SET record = :record WHERE id = :id", record=edited, id=id_)
    where = f"Block {world.height}, round {id_}"
    assert problems(world) == [
        f"{where}: its record in the journal is not what its votes and its label come to."
    ]


def test_a_record_that_is_missing_is_named(world):
    world.edit("UPDATE rounds SET record = NULL WHERE id = :id", id=world.first)
    assert problems(world) == ["Block 3, round " + world.first + ": its record is missing in the journal."]


def test_a_label_that_was_changed_with_its_record_misses_the_root(world, tmp_path):
    id_ = world.first
    world.edit("UPDATE labels SET label = 2 WHERE id = :id", id=id_)
    (tmp_path / "other").mkdir()
    other = LabelledWorld(tmp_path / "other")
    other.answer(1, 2, 1, 1, label=2)
    other.settle()
    world.edit(
        "UPDATE rounds SET record = :record WHERE id = :id", record=other.journal.round(id_).record, id=id_
    )
    other.close()
    (problem,) = problems(world)
    assert problem.endswith("the rounds fit their records, and together lead to another root than it names.")


def test_a_round_that_is_missing_is_counted(world):
    world.edit("DELETE FROM rounds WHERE id = :id", id=world.three[1])
    assert problems(world) == [
        f"Block {world.height} settled 3 rounds of flowers under wager; one is missing in the journal."
    ]


def test_a_round_too_many_is_named(world):
    stray = world.answer(1, 1, 1, 1, label=1)
    world.edit("UPDATE rounds SET batch = NULL, block = :block WHERE id = :id", block=world.height, id=stray)
    what = f"Block {world.height} settled 3 rounds of flowers under wager"
    assert problems(world) == [f"{what}, the journal has 4: round {stray} is too many."]


def test_a_round_in_a_block_that_settles_nothing_of_its_kind_is_named(world):
    stray = world.answer(1, 1, 1, 1, label=1)
    world.edit("UPDATE rounds SET batch = NULL, block = 1 WHERE id = :id", id=stray)
    what = "Block 1 settles no round of flowers under wager"
    assert problems(world) == [f"{what}, and the journal says that it settled round {stray}."]


def test_under_seed_one_change_is_told_once_with_its_train(world):
    id_ = world.seeded[0]
    was = world.journal.round(id_).evidence
    now = was.replace(b'"random_forest":1', b'"random_forest":2')
    world.edit("UPDATE rounds SET evidence = :now WHERE id = :id", now=now, id=id_)
    (problem,) = problems(world)
    assert problem.endswith(
        f"round {id_}: its votes were changed in the journal after it was settled. 2 rounds after it differ "
        "with it."
    )


@pytest.mark.parametrize(
    "nonsense", [b"{", b'{"answer":1,"votes":{"knn":["1"]}}', b'{"answer":1,"votes":{"knn":"x"}}']
)
def test_votes_that_cannot_be_read_are_told_and_the_audit_goes_on(world, nonsense):
    world.edit("UPDATE rounds SET evidence = :now WHERE id = :id", now=nonsense, id=world.first)
    report = audit(world)
    assert report.problems[0].startswith("Block 3 cannot be settled again: ")
    assert (len(report.problems), report.height) == (1, world.ledger().head().height)


def test_a_block_whose_rounds_are_not_marked_yet_is_settled_from_its_claim(tmp_path):
    class Killed(Exception):
        pass

    def kill(step):
        if step == "noted":
            raise Killed

    world = LabelledWorld(tmp_path)
    for _ in range(2):
        world.answer(1, 2, 1, 1, label=1)
    with pytest.raises(Killed):
        world.settler(kill)._step()
    report = audit(world)
    assert (report.problems, report.rounds, report.unmarked) == ([], 2, 2)
    world.close()


def test_a_true_record_under_false_sums_is_found_by_node(world, monkeypatch):
    honest = settler.settle_batch

    def greedy(batch, rounds, state):
        settled = honest(batch, rounds, state)
        (event,) = settled.events
        nodes = {**event.body["nodes"]}
        nodes["knn"] = [*nodes["knn"][:2], nodes["knn"][2] + 7, *nodes["knn"][3:]]
        nodes["tree"] = [*nodes["tree"][:2], nodes["tree"][2] - 7, *nodes["tree"][3:]]
        event = events.Event(event.key, {**event.body, "nodes": nodes})
        return settler.Settlement((event,), settled.records, settled.debits)

    monkeypatch.setattr(settler, "settle_batch", greedy)
    world.answer(1, 2, 1, 1, label=1)
    height = world.settle()
    assert problems(world) == [
        f"Block {height}, flowers under wager: it says what its rounds do not come to, of knn, tree."
    ]


def test_a_settlement_under_a_key_that_is_none_is_found(world, monkeypatch):
    honest = settler.settle_batch

    def renamed(batch, rounds, state):
        settled = honest(batch, rounds, state)
        (event,) = settled.events
        event = events.Event(f"settle:{batch}:other", event.body)
        return settler.Settlement((event,), settled.records, settled.debits)

    monkeypatch.setattr(settler, "settle_batch", renamed)
    world.answer(1, 2, 1, 1, label=1)
    height = world.settle()
    (problem,) = problems(world)
    assert problem.startswith(f"Block {height} settles under the key 'settle:")


def test_a_settlement_of_no_rounds_is_found(world):
    nodes = {"knn": events.NodeSums(0, 7), "tree": events.NodeSums(0, -7)}
    world.ledger().append([events.settle("b", "flowers", "wager", events.RecordTree(0, ""), nodes=nodes)])
    (problem,) = problems(world)
    assert problem.endswith(
        "settles under the key 'settle:b:flowers:wager', which is none of a settlement's."
    )


def test_a_jailing_that_nothing_calls_for_is_found(world, monkeypatch):
    honest = settler.settle_batch

    def cruel(batch, rounds, state):
        settled = honest(batch, rounds, state)
        jailing = events.jail("flowers", "svm", "regret", 7_000_000, 0)
        return settler.Settlement((*settled.events, jailing), settled.records, settled.debits)

    monkeypatch.setattr(settler, "settle_batch", cruel)
    world.answer(1, 2, 1, 1, label=1)
    height = world.settle()
    assert problems(world) == [
        f"Block {height} says that svm of flowers is jailed for regret, and nothing before it calls for that."
    ]


def test_a_jailing_that_was_left_out_is_found(tmp_path, monkeypatch):
    honest = settler.settle_batch

    def lenient(batch, rounds, state):
        settled = honest(batch, rounds, state)
        kept = tuple(event for event in settled.events if event.kind != "jail")
        return settler.Settlement(kept, settled.records, settled.debits)

    world = LabelledWorld(tmp_path)
    for _ in range(7):
        world.answer(1, 1, 1, 2, label=1)
        world.settle()
    monkeypatch.setattr(settler, "settle_batch", lenient)
    for _ in range(3):
        world.answer(1, 1, 1, 2, label=1)
        world.settle()
    messages = problems(world)
    world.close()
    assert messages
    assert all(
        "lacks that tree of flowers is jailed for regret, as its rounds call for." in message
        for message in messages
    )


def test_the_jailings_and_releases_of_honest_blocks_are_called_for(tmp_path):
    world = LabelledWorld(tmp_path)
    for size, answer in [(1, 2)] * 12 + [(10, 1)] * 6:
        for _ in range(size):
            world.answer(1, 1, 1, answer, label=1)
        world.settle()
    kinds = {event.kind for block in world.ledger().blocks() for event in block.event_list}
    report = audit(world)
    world.close()
    assert (kinds >= {"settle", "jail", "release"}, report.problems) == (True, [])


def test_shadows_and_challengers_are_settled_again_with_the_rest(tmp_path):
    world = LabelledWorld(tmp_path)
    tried = ballots(None, 1, version="2")
    world.answer(1, 2, 1, None, label=1, shadows=ballots(None, None, None, 1), challengers=tried)
    world.settle()
    assert audit(world).ok
    world.close()


def test_more_problems_than_anybody_reads_are_counted(world, monkeypatch):
    monkeypatch.setattr("concord.settlement.audit.MOST_PROBLEMS", 2)
    world.edit("UPDATE labels SET label = 0")
    report = audit(world)
    assert (len(report.problems), report.more) == (2, 3)


def test_a_chain_that_is_broken_ends_the_audit_at_its_last_good_block(world, monkeypatch):
    ledger = world.ledger()
    blocks = ledger.blocks()
    monkeypatch.setattr(ledger, "stream", lambda *_ends: iter([*blocks[:2], blocks[3]]))
    report = audit_settlements(ledger, world.journal)
    assert report.height == 2
    assert report.problems[0].startswith("Nothing after block 2 was settled again: Block 4 does not follow")
