"""The whole ledger under an adversary: several settlers, crashes at every step, conflicts, replays.

After every step: I1. Money is what was paid in and not out. I2. Nobody is below zero. I5. A replay of the
stored blocks leads to the head. I6. A key happens once, and never with another body. Beside them: no round
is settled twice, whatever was written down stays, and each block that settles is what its rounds say.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from concord.errors import CallerError, Conflict, LedgerBroken, UnknownName
from concord.journal.rows import Claim
from concord.ledger import events
from concord.ledger.chain import canonical, replay
from concord.ledger.file_store import FileStore
from concord.ledger.ledger import Ledger
from concord.ledger.state import State
from concord.policies.voting import PPM
from concord.settlement import evidence
from concord.settlement.batch import settle_batch
from concord.settlement.jailing import review
from concord.settlement.settler import ABANDONED, Settler
from tests.sizes import sized
from tests.unit.ledger.conformance import MemoryStore
from tests.unit.properties import exactly
from tests.unit.settlement.settling import hot

QUICK, MANY, ON_FILES = 8, 300, 20
"""Random runs in the quick suite, in the slow one at its full size, and there on a folder of files."""

TASKS = ("t", "u")
NODES = ("a", "b", "c", "d", "e")
LIMIT = 6000
"""So small a head is sealed every few blocks."""

STEPS = ("claimed", "segment-written", "before-swap", "swapped", "appended", "noted", "marked")


class Crash(BaseException):
    """The process is gone; nothing may catch it."""


@dataclass
class Row:
    """A round in the journal."""

    id: str
    task: str
    policy: str
    evidence: bytes
    label: int | None
    due: bool
    batch: str | None = None
    block: int | None = None
    record: bytes | None = None
    time: int = 7
    height: int = 1
    label_source: str | None = "crm"
    label_time: int | None = 8


@dataclass
class MemoryJournal:
    """What the settler needs of a journal, durable at each return; it remembers who claimed what."""

    clock: object
    most: int = 12
    rows: dict = field(default_factory=dict)
    claims: dict = field(default_factory=dict)
    noted: dict = field(default_factory=dict)
    claimed: dict = field(default_factory=dict)

    def migrate(self):
        pass

    def due_count(self):
        return sum(row.block is None and row.due for row in self.rows.values())

    def claim(self, batch, noted_height, limit):
        free = [row for row in self.rows.values() if row.due and row.batch is None and row.block is None]
        some = free[: min(limit, self.most)]
        for row in some:
            row.batch = batch
        if some:
            self.claims[batch] = (noted_height, self.clock())
            self.claimed[batch] = [row.id for row in some]
        return [replace(row) for row in some]

    def open_claims(self, age=0):
        old = [(batch, height) for batch, (height, at) in self.claims.items() if at <= self.clock() - age]
        return [
            Claim(batch, height, tuple(replace(self.rows[id_]) for id_ in self.claimed[batch]))
            for batch, height in old
        ]

    def newest_block(self):
        return max(self.noted.items()) if self.noted else None

    def note_blocks(self, noted, sealed=0):
        for height, block_hash, _ in noted:
            if self.noted.setdefault(height, block_hash) != block_hash:
                raise LedgerBroken("another hash")

    def mark_settled(self, batch, height, block_hash, records):
        self.note_blocks([(height, block_hash, None)])
        for id_, record in records.items():
            row = self.rows[id_]
            if row.block is None:
                row.block, row.batch, row.record = height, None, record
            elif (row.block, row.record) != (height, record):
                raise AssertionError(f"{id_} was settled in {row.block} and is now in {height}.")
        self.claims.pop(batch, None)


class LedgerMachine(RuleBasedStateMachine):
    """Callers, settlers and accidents around one store and one journal."""

    def __init__(self):
        super().__init__()
        self.store = self.make_store()
        self.now = 10**15
        self.journal = MemoryJournal(self.clock)
        self.accidents = {}
        self.bodies = {}
        self.checked = self.checked_jailings = 0
        self.serial = 0
        self.writers = [self.writer(number) for number in range(3)]
        self.before = State()

    def make_store(self):
        return MemoryStore()

    def clock(self):
        self.now += 1000
        return self.now

    def sleep(self, seconds):
        self.now += round(seconds * 1e6)

    def writer(self, number):
        def at(step):
            accident = self.accidents.pop((number, step), None)
            if accident is not None:
                accident()

        ledger = Ledger(self.store, clock=self.clock, sleep=self.sleep, limit=LIMIT, checkpoint=at)
        return Settler(ledger, self.journal, clock=self.clock, batch_id=self.batch_id, checkpoint=at)

    def batch_id(self):
        self.serial += 1
        return f"{self.serial:08x}"

    def reader(self):
        return Ledger(self.store)

    def state(self):
        return self.reader().head().state

    # Accidents

    def die(self):
        raise Crash

    def restart(self, number):
        self.accidents = {}
        self.writers[number] = self.writer(number)
        self.writers[number]._recover()

    def take(self, number, work):
        """Lets a writer do something; where it dies, another process takes its place at once."""
        try:
            return work(self.writers[number])
        except Crash:
            self.restart(number)
            return None
        finally:
            self.accidents = {}

    def append(self, number, *some):
        """Appends events as a caller would; what was acknowledged once must stand for ever."""
        before = self.reader().head()
        bodies = {event.key: canonical(event.body) for event in some}
        taken = {key: self.bodies[key] for key in bodies if key in self.bodies}
        try:
            self.take(number, lambda writer: writer._append(list(some)))
        except CallerError as error:
            after = self.reader().head()
            assert after.hash == before.hash or after.blocks[-1].events.keys().isdisjoint(bodies)
            return error
        if any(taken[key] != bodies[key] for key in taken) and not any(
            event.kind == "params" for event in some
        ):
            raise AssertionError("A key has happened with two bodies.")
        if taken.keys() == bodies.keys() and not any(event.kind == "params" for event in some):
            assert self.reader().head().hash == before.hash
        return None

    # What callers do

    @initialize(policy=st.sampled_from(["wager", "wager", "seed"]), opens=st.sampled_from([None, NODES[:3]]))
    def open_the_task(self, policy, opens):
        made = [events.params(task, policy, opens=opens) for task in TASKS]
        made += [events.open_account(t, n, 10**9, 900_000, "1") for t in TASKS for n in NODES[:3]]
        assert self.append(0, *made) is None

    @rule(
        writer=st.integers(0, 2),
        task=st.sampled_from(TASKS),
        node=st.sampled_from(NODES),
        amount=st.sampled_from([0, 1, 5 * 10**6, 10**9]),
    )
    def open(self, writer, task, node, amount):
        there = node in self.state().task(task).accounts
        same = there and self.bodies.get(f"open:{task}:{node}") == canonical(
            events.open_account(task, node, amount, 900_000, "1").body
        )
        error = self.append(writer, events.open_account(task, node, amount, 900_000, "1"))
        assert isinstance(error, Conflict) == (there and not same)

    @rule(
        writer=st.integers(0, 2),
        task=st.sampled_from(TASKS),
        node=st.sampled_from([*NODES, "nobody"]),
        amount=st.sampled_from([1, 10**7, 10**9, 10**12]),
        key=st.integers(0, 4),
        pay=st.sampled_from([events.deposit, events.withdraw]),
    )
    def pay(self, writer, task, node, amount, key, pay):
        event = pay(task, node, amount, str(key))
        account = self.state().task(task).accounts.get(node)
        body = self.bodies.get(event.key)
        error = self.append(writer, event)
        if body is not None:
            assert isinstance(error, Conflict) == (body != canonical(event.body))
        elif account is None:
            assert isinstance(error, UnknownName)
        else:
            too_much = pay is events.withdraw and amount > account.stake
            assert isinstance(error, Conflict) == too_much

    @rule(
        writer=st.integers(0, 2),
        task=st.sampled_from(TASKS),
        policy=st.sampled_from(["wager", "wager", "seed"]),
        score=st.sampled_from(["hit", "brier"]),
    )
    def change_parameters(self, writer, task, policy, score):
        assert self.append(writer, events.params(task, policy, opens=NODES[:3], score=score)) is None
        assert self.state().task(task).policy == policy

    @rule(
        writer=st.integers(0, 2),
        task=st.sampled_from(TASKS),
        node=st.sampled_from(NODES),
        version=st.sampled_from(["1", "2"]),
    )
    def serve_another_version(self, writer, task, node, version):
        account = self.state().task(task).accounts.get(node)
        if account is not None and account.version != version:
            assert self.append(writer, events.promote(task, node, version, account.changes)) is None

    @rule(
        writer=st.integers(0, 2),
        task=st.sampled_from(TASKS),
        malformed=st.dictionaries(st.sampled_from(NODES), st.integers(0, 9), max_size=2),
    )
    def keep_house(self, writer, task, malformed):
        events = review(task, self.state().task(task), malformed).events
        if events:
            assert self.append(writer, *events) is None
            assert len(self.state().task(task).active) >= 1

    @rule(
        writer=st.integers(0, 2),
        task=st.sampled_from(TASKS),
        node=st.sampled_from(NODES),
        to=st.sampled_from(["active", "probation"]),
    )
    def release(self, writer, task, node, to):
        account = self.state().task(task).accounts.get(node)
        if account is None or account.standing == "active":
            return
        self.serial += 1
        event = events.release(task, node, to=to, by="operator", why="asked", key=f"op{self.serial}")
        assert self.append(writer, event) is None
        assert self.state().task(task).accounts[node].standing == to

    # Rounds, labels

    @rule(
        task=st.sampled_from(TASKS),
        count=st.sampled_from([1, 1, 3, 9]),
        classes=st.lists(st.integers(0, 2), min_size=len(NODES), max_size=len(NODES)),
        silent=st.sets(st.sampled_from(NODES), max_size=2),
        label=st.none() | st.integers(0, 2),
        tried=st.booleans(),
    )
    def answer(self, task, count, classes, silent, label, tried):
        state = self.state().task(task)
        choices = {
            n: k for n, k in zip(NODES, classes, strict=True) if n in state.accounts and n not in silent
        }
        for _ in range(count):
            self.serial += 1
            name = f"{(self.serial * 2654435761) % 2**32:08x}"
            if state.policy == "seed":
                data = evidence.write_seed(1, choices)
                self.journal.rows[name] = Row(name, task, "seed", data, None, due=True)
                continue
            votes = {n: hot(state.accounts[n].version, k) for n, k in choices.items() if n in state.active}
            shadows = {
                n: hot(state.accounts[n].version, k) for n, k in choices.items() if n not in state.active
            }
            data = evidence.write(0, votes, shadows, {n: hot("2", 0) for n in votes} if tried else None)
            self.journal.rows[name] = Row(name, task, "wager", data, label, due=label is not None)

    @rule(task=st.sampled_from(TASKS), liar=st.sampled_from(NODES), count=st.sampled_from([3, 6, 9]))
    def be_lied_to(self, task, liar, count):
        """Some rounds in which one node alone is wrong, so that it is soon about to be jailed."""
        classes = [int(node == liar) for node in NODES]
        self.answer(task, count, classes, silent=set(), label=0, tried=False)

    @rule(label=st.integers(0, 2))
    def label(self, label):
        for row in self.journal.rows.values():
            if not row.due:
                row.label, row.due = label, True

    # Settling

    @rule(writer=st.integers(0, 2))
    def settle(self, writer):
        self.take(writer, lambda settler: settler._step())

    @rule(writer=st.integers(0, 2), step=st.sampled_from(STEPS), again=st.sampled_from([None, *STEPS]))
    def settle_and_crash(self, writer, step, again):
        self.accidents = {(writer, step): self.die}
        try:
            self.writers[writer]._step()
        except Crash:
            # What takes its place may die as well.
            self.writers[writer] = self.writer(writer)
            if again is not None:
                self.accidents = {(writer, again): self.die}
            self.take(writer, self.recover_and_step)
        finally:
            self.accidents = {}

    @staticmethod
    def recover_and_step(settler):
        settler._recover()
        settler._step()

    @rule(
        writer=st.integers(0, 2),
        step=st.sampled_from(STEPS),
        rivals=st.lists(st.integers(0, 2), min_size=1, max_size=2),
    )
    def settle_while_others_write(self, writer, step, rivals):
        def meanwhile():
            for rival in rivals:
                if rival != writer:
                    self.writers[rival]._step()
                    self.serial += 1
                    other = events.deposit("t", "a", 1, f"rival{self.serial}")
                    self.writers[rival]._append([other])

        self.accidents = {(writer, step): meanwhile}
        self.take(writer, lambda settler: settler._step())

    @rule(writer=st.integers(0, 2), step=st.sampled_from(STEPS[1:4]))
    def append_while_another_settles(self, writer, step):
        def meanwhile():
            self.writers[(writer + 1) % 3]._step()

        self.accidents = {(writer, step): meanwhile}
        self.serial += 1
        assert self.append(writer, events.deposit("u", "b", 2, f"late{self.serial}")) is None

    @rule(writer=st.integers(0, 2))
    def start_anew(self, writer):
        self.restart(writer)

    @rule(writer=st.integers(0, 2))
    def look_at_the_head(self, writer):
        self.writers[writer]._refresh()

    @rule()
    def claims_grow_old(self):
        self.now += ABANDONED

    @precondition(lambda self: self.bodies)
    @rule(writer=st.integers(0, 2), data=st.data())
    def say_it_again(self, writer, data):
        key = data.draw(st.sampled_from(sorted(self.bodies)))
        block = next(b for b in self.reader().stream() if key in b.events)
        event = events.Event(key, block.events[key])
        if event.kind == "params":
            return
        assert self.append(writer, event) is None
        other = events.Event(key, {**event.body, "other": 1})
        assert isinstance(self.append(writer, other), Conflict)

    # What holds

    @invariant()
    def money_is_what_was_paid_in_and_not_out(self):
        paid = Counter()
        for block in self.reader().stream():
            for body in block.events.values():
                paid[body["task"]] += body.get("deposit", 0)
                sign = {"deposit": 1, "withdraw": -1}.get(body["kind"], 0)
                paid[body["task"]] += sign * body.get("amount", 0)
        for name, task in self.state().tasks.items():
            assert sum(task.balances.values()) + task.treasury == paid[name]
            assert task.imbalance == 0

    @invariant()
    def nobody_is_below_zero(self):
        for task in self.state().tasks.values():
            assert task.treasury >= 0
            assert all(
                min(account.stake, account.deposit, account.regret, account.score) >= 0
                for account in task.accounts.values()
            )
            assert all(0 <= account.skill <= PPM for account in task.accounts.values())
            assert all(
                (account.standing == "jailed") == (account.reason is not None)
                for account in task.accounts.values()
            )

    @invariant()
    def a_replay_leads_to_the_head(self):
        report = self.reader().verify(dict(self.journal.noted))
        assert report.ok, report.problems
        assert replay(self.reader().blocks(), State()) == self.state()

    @invariant()
    def a_key_happens_once_and_what_was_written_stays(self):
        bodies = {}
        for block in self.reader().stream():
            for key, body in block.events.items():
                assert key not in bodies or body["kind"] == "params", key
                bodies[key] = canonical(body)
        assert {key: bodies.get(key) for key in self.bodies} == self.bodies or all(
            key.startswith("params") for key, body in self.bodies.items() if bodies.get(key) != body
        )
        self.bodies = bodies

    @invariant()
    def every_block_settles_what_its_rounds_say_and_no_round_twice(self):
        settled = Counter()
        for block in self.reader().stream():
            batches = {key.split(":")[1] for key, body in block.events.items() if body["kind"] == "settle"}
            assert len(batches) <= 1
            for batch in batches:
                ids = self.journal.claimed[batch]
                settled.update(ids)
                if block.height > self.checked:
                    self.check_block(block, batch, [self.journal.rows[id_] for id_ in ids])
        assert not settled or max(settled.values()) == 1
        assert {id_ for id_, row in self.journal.rows.items() if row.block} <= set(settled)
        self.checked = self.reader().head().height

    def check_block(self, block, batch, rows):
        made = settle_batch(batch, rows, self.reader().state_before(block.height))
        assert canonical({event.key: event.body for event in made.events}) == canonical(block.events)
        assert sum(b["rounds"] for b in block.events.values() if b["kind"] == "settle") == len(rows)

    @invariant()
    def a_jailing_leaves_two_and_half_of_the_deposits(self):
        for block in self.reader().stream(self.checked_jailings + 1):
            jailed = {body["task"] for body in block.events.values() if body["kind"] == "jail"}
            for name in jailed:
                before = self.reader().state_before(block.height).task(name)
                after = self.reader().state_before(block.height + 1).task(name)
                if set(after.active) < set(before.active):
                    assert len(after.active) >= 2
                    deposits = [
                        sum(a.deposit for a in some.values()) for some in (after.active, after.accounts)
                    ]
                    assert 2 * deposits[0] >= deposits[1]
        self.checked_jailings = self.reader().head().height

    def teardown(self):
        """In the end every due round is settled once, and the balances are a replay along the blocks."""
        if not self.reader().head().height:
            return
        self.accidents = {}
        for _ in range(2):
            for number in range(3):
                self.restart(number)
                while self.writers[number]._step():
                    pass
        self.now += 2 * ABANDONED
        while self.writers[0]._step() or self.journal.due_count() or self.journal.claims:
            pass
        assert all((row.block is not None) == row.due for row in self.journal.rows.values())
        for name in ("money_is_what_was_paid_in_and_not_out", "a_replay_leads_to_the_head"):
            getattr(self, name)()
        self.every_block_settles_what_its_rounds_say_and_no_round_twice()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("lies", range(1, 9))
def test_a_settlement_that_stands_already_is_not_made_anew_from_the_state_that_it_led_to(step, lies):
    """Its liar's regret would count twice, and a jailing come of it that no settlement called for."""
    machine = LedgerMachine()
    machine.open_the_task("wager", None)
    machine.be_lied_to("t", "c", 6)
    machine.settle(0)
    machine.be_lied_to("t", "c", lies)
    machine.settle_and_crash(0, step, None)
    machine.teardown()


def test_a_ledger_survives_what_several_settlers_and_their_crashes_do_to_it():
    run(LedgerMachine, settings=exactly(QUICK, stateful_step_count=25))


@pytest.mark.slow
@pytest.mark.guard
def test_a_ledger_survives_it_many_times():
    run(LedgerMachine, settings=exactly(sized(MANY // 5, MANY), stateful_step_count=30))


@pytest.mark.slow
@pytest.mark.guard
def test_a_ledger_in_a_folder_survives_it_too(tmp_path_factory):
    class OnFiles(LedgerMachine):
        def make_store(self):
            return FileStore(tmp_path_factory.mktemp("machine") / "ledger")

    run(OnFiles, settings=exactly(ON_FILES, stateful_step_count=20))
