"""An export and a proof, and nothing else: what is true is proven, and nothing that was altered is."""

import random
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.errors import InvalidInput, LedgerBroken
from concord.journal.rows import SettlementRound
from concord.ledger import events
from concord.ledger.chain import GENESIS, canonical, extend
from concord.ledger.exports import MOST_LINE
from concord.ledger.merkle import merkle_proof, proves
from concord.ledger.proofs import ProofDocument, check_proof
from concord.ledger.state import State
from concord.policies.stake import MICRO
from concord.settlement import evidence
from concord.settlement.batch import settle_batch
from tests.unit.settlement.settling import hot

NODES = ("a", "b", "c")


class Chain:
    """Blocks in memory, and the records of their settlements."""

    def __init__(self):
        self.state, self.blocks, self.records = State(), [], {}
        opened = [events.open_account("t", node, 1000 * MICRO, 900_000) for node in NODES]
        self.append([events.params("t", "wager"), *opened])

    def append(self, made):
        last = self.blocks[-1] if self.blocks else None
        block, self.state = extend(
            self.state,
            made,
            height=last.height + 1 if last else 1,
            previous=last.hash if last else GENESIS,
            last_time=0,
            now=1,
        )
        self.blocks.append(block)

    def settle(self, batch, rounds):
        settled = settle_batch(batch, rounds, self.state)
        self.records[len(self.blocks) + 1] = settled.records
        self.append(settled.events)

    def proof(self, height, id_, policy="wager"):
        leaves = {
            name: record
            for name, record in sorted(self.records[height].items())
            if orjson.loads(record)["policy"] == policy
        }
        block = self.blocks[height - 1]
        event = next(e for e in block.event_list if e.kind == "settle" and e.body["policy"] == policy)
        path = merkle_proof(list(leaves.values()), list(leaves).index(id_))
        return ProofDocument(leaves[id_], tuple(path), event.body["root"], event.key, height, block.hash)

    @property
    def lines(self):
        return [block.data + b"\n" for block in self.blocks]


def due(number, label, choices, policy="wager"):
    """A round that is due."""
    if policy == "seed":
        written = evidence.write_seed(choices[0], dict(zip(NODES, choices, strict=True)))
    else:
        votes = {node: hot("1", choice) for node, choice in zip(NODES, choices, strict=True)}
        written = evidence.write(choices[0], votes)
    return SettlementRound(f"{number:032x}", "t", policy, written, label)


@pytest.fixture(scope="module")
def chain():
    """Four blocks: openings, five rounds of both policies, one round, a payment."""
    chain = Chain()
    rounds = [due(number, number % 3, (1, 2, number % 3)) for number in range(5)]
    seeded = [due(number, None, (1, 2, 1), "seed") for number in range(10, 13)]
    chain.settle("b1", [*rounds, *seeded])
    chain.settle("b2", [due(20, 1, (1, 1, 2))])
    chain.append([events.deposit("t", "a", MICRO, "k")])
    return chain


def test_a_record_is_proven_by_the_export_alone(chain):
    proven = check_proof(iter(chain.lines), chain.proof(2, f"{3:032x}"))
    assert (proven.round, proven.task, proven.policy, proven.rounds) == (f"{3:032x}", "t", "wager", 5)
    assert (proven.block, proven.height, proven.hash) == (2, 4, chain.blocks[-1].hash)


def test_rounds_of_two_policies_in_a_block_have_trees_of_their_own(chain):
    proven = check_proof(chain.lines, chain.proof(2, f"{11:032x}", "seed"))
    assert (proven.policy, proven.rounds) == ("seed", 3)


def test_the_only_round_of_a_block_needs_no_path(chain):
    proof = chain.proof(3, f"{20:032x}")
    assert (proof.path, check_proof(chain.lines, proof).block) == ((), 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: {"record": p.record.replace(b'"label":0', b'"label":1')}, "does not lead to the root"),
        (lambda p: {"path": p.path[:-1]}, "does not lead to the root"),
        (lambda p: {"path": (*p.path, p.path[0])}, "longer than any in a tree"),
        (lambda p: {"root": "0" * 64}, "names another root"),
        (lambda p: {"event": "settle:b9:t:wager"}, "holds no settlement"),
        (lambda p: {"event": "settle:b1:t"}, "names another root"),
        (lambda p: {"block": 3}, "different chains"),
        (lambda p: {"block": 9}, "ends at block 4"),
        (lambda p: {"block_hash": "0" * 64}, "different chains"),
    ],
    ids=[
        "record",
        "shorter path",
        "longer path",
        "root",
        "no such event",
        "another event",
        "another block",
        "no such block",
        "hash",
    ],
)
def test_a_proof_that_was_altered_proves_nothing_and_says_why(chain, change, words):
    proof = chain.proof(2, f"{3:032x}")
    with pytest.raises(LedgerBroken, match=words):
        check_proof(chain.lines, replace(proof, **change(proof)))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: [], "holds no block"),
        (lambda lines: lines[1:], "Line 1 of the export: Block 2 does not follow"),
        (lambda lines: [lines[0], *lines[2:]], "Line 2 of the export: Block 3 does not follow"),
        (lambda lines: [*lines, lines[-1]], "Line 5 of the export: Block 4 does not follow"),
        (lambda lines: [lines[0].replace(b"1000000000", b"2000000000"), *lines[1:]], "Line 1 .*: Block 1"),
        (lambda lines: [lines[0], b"\n", *lines[1:]], "Line 2 of the export: A block is no JSON"),
        (lambda lines: [b" " + lines[0], *lines[1:]], "not written canonically"),
        (lambda lines: [*lines, b"x" * (MOST_LINE + 1)], "longer than"),
        (lambda lines: [b'{"a":1}'], "lacks a part"),
        (lambda lines: [b"[]"], "lacks a part"),
    ],
    ids=[
        "empty",
        "cut at its start",
        "a hole",
        "a block twice",
        "an edited deposit",
        "an empty line",
        "a space",
        "a long line",
        "no block",
        "a list",
    ],
)
def test_an_export_that_is_no_chain_proves_nothing_and_names_the_line(chain, spoil, words):
    with pytest.raises(LedgerBroken, match=words):
        check_proof(spoil(chain.lines), chain.proof(2, f"{3:032x}"))


def test_a_block_of_other_parts_than_ours_is_refused_and_no_crash(chain):
    document = orjson.loads(chain.lines[0])
    for strange in ([], {"k": []}, {"k": {"kind": "settle", "task": "t", "nodes": 1}}, 1):
        line = canonical({**document, "events": strange})
        with pytest.raises(LedgerBroken, match="Line 1 of the export: "):
            check_proof([line], chain.proof(2, f"{3:032x}"))


def test_the_export_is_read_once_and_no_line_is_kept(chain):
    lines, alive = iter(chain.lines), []
    check_proof((alive.append(1) or line for line in lines), chain.proof(2, f"{3:032x}"))
    assert (len(alive), next(lines, None)) == (4, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"record":1,"path":[],"root":"","event":"","block":1,"block_hash":""}',
        b'{"record":"","path":[],"root":"","event":"","block":true,"block_hash":""}',
        b'{"record":"","path":[["up","00"]],"root":"","event":"","block":1,"block_hash":""}',
        b'{"record":"","path":[["left","zz"]],"root":"","event":"","block":1,"block_hash":""}',
        b'{"record":"","path":{},"root":"","event":"","block":1,"block_hash":""}',
    ],
    ids=["empty", "a list", "no part", "null", "a number", "a boolean", "no side", "no hash", "no path"],
)
def test_a_file_that_is_no_proof_is_its_users_mistake(data):
    with pytest.raises(InvalidInput, match="`concord explain ID --proof FILE` writes one"):
        ProofDocument.read(data)


def test_a_proof_is_read_as_it_was_written(chain):
    proof = chain.proof(2, f"{3:032x}")
    document = {
        "record": proof.record.decode(),
        "path": [list(step) for step in proof.path],
        "root": proof.root,
        "event": proof.event,
        "block": proof.block,
        "block_hash": proof.block_hash,
    }
    assert ProofDocument.read(orjson.dumps(document)) == proof


@st.composite
def settlements(draw):
    """Some rounds of three nodes, a third of them under `seed`."""
    count = draw(st.integers(1, 40))
    rng = random.Random(draw(st.integers(0, 2**32)))
    return [
        due(
            rng.getrandbits(100),
            rng.randrange(3),
            tuple(rng.randrange(3) for _ in NODES),
            rng.choice(["wager", "wager", "seed"]),
        )
        for _ in range(count)
    ]


@settings(max_examples=60, deadline=None)
@given(rounds=settlements(), rng=st.randoms(use_true_random=False))
def test_every_record_proves_against_its_root_and_no_altered_one_does(rounds, rng):
    chain = Chain()
    chain.settle("b", rounds)
    records = chain.records[2]
    for id_, record in records.items():
        proof = chain.proof(2, id_, orjson.loads(record)["policy"])
        assert proves(proof.path, record, proof.root)
        altered = bytearray(record)
        altered[rng.randrange(len(record))] ^= 1 << rng.randrange(8)
        assert not proves(proof.path, bytes(altered), proof.root)
        other = rng.choice(list(records))
        assert other == id_ or not proves(proof.path, records[other], proof.root)
    id_ = rng.choice(list(records))
    assert check_proof(chain.lines, chain.proof(2, id_, orjson.loads(records[id_])["policy"])).round == id_
