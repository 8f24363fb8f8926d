"""A journal and a ledger whose rounds are answered under `wager`, labelled and settled, without a service."""

import itertools
import sqlite3
from contextlib import closing

from concord.journal.rows import LabelRow
from concord.ledger import events
from concord.ledger.merkle import merkle_proof
from concord.ledger.proofs import ProofDocument
from concord.policies.stake import MICRO
from concord.settlement import evidence
from concord.settlement.settler import BATCH
from tests.service.settling import World, due_round

NODES = ("forest", "knn", "svm", "tree")


def ballots(*choices, version="1", nodes=NODES):
    """One-hot votes of three classes; None is no vote."""
    votes = zip(nodes, choices, strict=False)
    return {
        node: [version, *(1_000_000 if k == choice else 0 for k in range(3))]
        for node, choice in votes
        if choice is not None
    }


class LabelledWorld(World):
    """A world with a task `flowers` under `wager`."""

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        self.ids = (f"{number:032x}" for number in itertools.count(1))
        self._settler = self.settler()
        opened = [events.open_account("flowers", node, 1000 * MICRO, 900_000, "1") for node in NODES]
        self._settler._append([events.params("flowers", "wager", opens=NODES), *opened])

    def open_seed(self, task="workshop"):
        self.open_task(self._settler, task)

    def answer(self, *choices, label=None, answer=None, **more):
        """Records a round of `flowers`, and labels it unless its label is to come later; returns its id."""
        fields = {"policy": "wager", "due": False, "task": "flowers"}
        proof = {name: more.pop(name) for name in ("shadows", "challengers") if name in more}
        written = evidence.write(choices[0] if answer is None else answer, ballots(*choices), **proof)
        row = due_round(id=next(self.ids), **{**fields, "evidence": written, **more})
        self.journal.record([row])
        if label is not None:
            self.label(row.id, label)
        return row.id

    def label(self, round_id, label, source="crm"):
        return self.journal.label([LabelRow(round_id, label, source, 10, "r")])[0]

    def settle(self):
        """Settles everything that is due, in as many blocks as that takes; returns the height."""
        while self._settler._step():
            pass
        return self.ledger().head().height

    def edit(self, statement, **values):
        """Changes the journal behind everybody's back."""
        with closing(sqlite3.connect(self.folder / "journal.sqlite")) as database, database:
            assert database.execute(statement, values).rowcount

    def proof(self, round_id):
        """The proof of a settled round, made from the journal alone."""
        stored = self.journal.round(round_id)
        leaves = [
            other
            for other in self.journal.rounds_of_block(stored.block, stored.task)
            if other.policy == stored.policy
        ]
        block = self.ledger().block(stored.block)
        event = next(
            e
            for e in block.event_list
            if e.kind == "settle" and e.body["task"] == stored.task and e.body["policy"] == stored.policy
        )
        path = merkle_proof([leaf.record for leaf in leaves], [leaf.id for leaf in leaves].index(round_id))
        return ProofDocument(
            stored.record, tuple(path), event.body["root"], event.key, block.height, block.hash
        )


__all__ = ["BATCH", "NODES", "LabelledWorld", "ballots"]
