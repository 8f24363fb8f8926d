"""A journal and a ledger with the workshop's task, for tests of the settler."""

import functools
import secrets
import tempfile
from pathlib import Path

import orjson

from concord.journal import Journal
from concord.journal.rows import RoundRow
from concord.ledger import FileStore, Ledger, events
from concord.policies.stake import MICRO
from concord.settlement.settler import Settler

ACCURACIES = {"decision_tree": 570000, "knn": 920000, "logistic_regression": 970000, "random_forest": 540000}
VOTES = {"decision_tree": 1, "knn": 2, "logistic_regression": 2, "random_forest": 1}


@functools.cache
def migrated():
    """The bytes of an empty journal."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(f"sqlite:///{folder}/journal.sqlite")
        journal.migrate()
        journal.close()
        return (Path(folder) / "journal.sqlite").read_bytes()


class World:
    """One folder that any number of settlers work on, each as another process would."""

    def __init__(self, folder, *, limit=64 * 1024):
        self.folder, self.limit, self.journals = folder, limit, []
        if not (folder / "journal.sqlite").exists():
            (folder / "journal.sqlite").write_bytes(migrated())
        self.journal = self.open_journal()

    def open_journal(self):
        self.journals.append(Journal(f"sqlite:///{self.folder / 'journal.sqlite'}"))
        return self.journals[-1]

    def ledger(self, **options):
        # Steps that a test takes itself wait for no gap; the settler's own pace is another clock's.
        options = {"limit": self.limit, "archive": self.journal, "sleep": lambda _seconds: None} | options
        return Ledger(FileStore(self.folder / "ledger"), **options)

    def settler(self, checkpoint=lambda _step: None, *, ledger=None, journal=None, **options):
        ledger = ledger or self.ledger(checkpoint=checkpoint)
        return Settler(ledger, journal or self.journal, checkpoint=checkpoint, **options)

    def open_task(self, settler, task="workshop"):
        opened = [events.open_account(task, n, 1000 * MICRO, a) for n, a in ACCURACIES.items()]
        settler._append([events.params(task, "seed"), *opened])

    def record(self, count=1, task="workshop", journal=None, **fields):
        rows = [due_round(task, **fields) for _ in range(count)]
        (journal or self.journal).record(rows)
        return [row.id for row in rows]

    def balances(self, task="workshop"):
        return {node: stake / MICRO for node, stake in self.ledger().head().state.task(task).balances.items()}

    def close(self):
        for journal in self.journals:
            journal.close()


def due_round(task="workshop", **fields):
    values = {
        "id": secrets.token_hex(16),
        "task": task,
        "time": 1,
        "status": "ok",
        "policy": "seed",
        "height": 1,
        "request_id": "r",
        "verdict": b"{}",
        "features": None,
        "evidence": orjson.dumps({"answer": 2, "votes": VOTES}),
        "due": True,
    }
    return RoundRow(**values | fields)


def after_slashes(count):
    """Balance of a node that began with 1000 and dissented so often."""
    stake = 1000 * MICRO
    for _ in range(count):
        stake -= stake // 10
    return stake / MICRO
