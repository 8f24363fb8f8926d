"""A thousand labels a second for up to a minute: nothing is lost, writes are few, and a replay agrees."""

import concurrent.futures
import contextlib
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from concord.client import Client
from concord.journal import Journal
from concord.ledger import FileStore, Ledger, State
from concord.ledger.state import fold
from concord.settlement.audit import audit_settlements
from concord.settlement.batch import settle_batch
from tests.ports import free_port
from tests.service.stack import IRIS, Node, StandInModel, species, wait_until
from tests.service.teaching import Teacher, give_token
from tests.sizes import sized

pytestmark = pytest.mark.slow

RATE, IN_A_CALL = 1000, 100
"""Labels a second, and in a call."""

SECONDS = sized(15, 60)

ROWS_IN_A_CALL = 1000

MOST_WRITES = 5
"""Swaps of the head in any second: what etcd's history has room for."""

CLASSES = ("setosa", "versicolor", "virginica")
ERRS = {"ann": 19, "bob": 11, "cleo": 7, "dora": 5}
"""A node errs in one of so many rows, so that stake moves all the time and nobody is jailed."""


def sometimes_wrong(period):
    """A model's function that errs in every `period`-th row, as `row` numbers them."""

    def answer(row):
        number, truth = round(float(row[3]) * 100), int(row[2]) - 1
        return species((truth + (number % period == 0)) % 3, 0.8)(row)

    return answer


def row(number):
    """A row that says its class in one feature and its number, up to 2,000, in another."""
    return IRIS.example | {"petal_length": 1.0 + number % 3, "petal_width": (10 + number % 2000) / 100}


@contextlib.contextmanager
def service(home):
    """The service in a process of its own; yields the process and the address."""
    port = free_port()
    env = os.environ | {"CONCORD_HOME": str(home), "CONCORD_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "uvicorn", "--factory", "concord.api.app:create", f"--port={port}"]
    process = subprocess.Popen([*command, "--no-access-log"], env=env)
    try:
        yield psutil.Process(process.pid), f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@dataclass
class Running:
    """A service that has answered rounds, and the truth of each."""

    home: Path
    process: psutil.Process
    url: str
    token: str
    rounds: list

    @property
    def cpu(self):
        """CPU seconds that the service has used."""
        times = self.process.cpu_times()
        return times.user + times.system

    def writes(self):
        """Swaps of the ledger's head so far."""
        text = httpx.get(f"{self.url}/metrics").text
        return int(float(re.search(r"^concord_ledger_head_writes_total (\S+)", text, re.MULTILINE)[1]))


@dataclass(frozen=True)
class Load:
    """Results of the labels, and the load's times in seconds."""

    statuses: Counter
    settlements: Counter
    seconds: float
    cpu: float
    slowest: float


@pytest.fixture
def answered(serve, tmp_path):
    """Starts a service over four nodes and asks so many rows; ends it after the test."""
    with contextlib.ExitStack() as stack:

        def answered(count):
            nodes = {name: Node(StandInModel(IRIS, name, sometimes_wrong(n))) for name, n in ERRS.items()}
            lines = [f'{name} = "{serve(node)[1]}"' for name, node in nodes.items()]
            (tmp_path / "nodes.toml").write_text("[tasks.iris.nodes]\n" + "\n".join(lines))
            token = give_token(tmp_path)
            process, url = stack.enter_context(service(tmp_path))
            with Client(url) as client:
                wait_until(lambda: client.ready() and all_are_in(client))
            return Running(tmp_path, process, url, token, asked(url, token, count))

        yield answered


def all_are_in(client):
    return all(view.status == "up" and view.deposit for view in client.nodes("iris"))


def asked(url, token, count):
    """Id and truth of each of so many rounds."""
    rounds = []
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        teacher = Teacher(http, token)
        for first in range(0, count, ROWS_IN_A_CALL):
            numbers = range(first, first + ROWS_IN_A_CALL)
            verdicts = teacher.ask(*map(row, numbers))
            rounds += [(verdict["id"], CLASSES[k % 3]) for verdict, k in zip(verdicts, numbers, strict=True)]
    return rounds


def label_all(running, *, settled, callers):
    """Sends all labels, each call at its time, whether or not those before it were answered."""
    with (
        httpx.Client(base_url=running.url, timeout=30, trust_env=False) as http,
        concurrent.futures.ThreadPoolExecutor(callers) as pool,
    ):
        teacher = Teacher(http, running.token)

        def call(rounds):
            began = time.monotonic()
            labels = [{"id": id_, "label": truth} for id_, truth in rounds]
            return teacher.send(labels, settled=settled, tries=10)["labels"], time.monotonic() - began

        start, before, pending = time.monotonic(), running.cpu, []
        for first in range(0, len(running.rounds), IN_A_CALL):
            time.sleep(max(0.0, start + first / RATE - time.monotonic()))
            pending.append(pool.submit(call, running.rounds[first : first + IN_A_CALL]))
        answers = [future.result() for future in pending]
    return Load(
        Counter(result["status"] for results, _ in answers for result in results),
        Counter(result["settlement"] for results, _ in answers for result in results),
        time.monotonic() - start,
        running.cpu - before,
        max(seconds for _, seconds in answers),
    )


def test_a_stream_of_labels_settles_without_loss_and_a_replay_comes_to_the_same_stake(answered, capsys):
    running = answered(SECONDS * RATE)
    before = running.writes()
    load = label_all(running, settled=False, callers=8)
    with Client(running.url) as client:
        began = time.monotonic()
        wait_until(lambda: client.ledger()["due"] == 0, 60)
        after = time.monotonic() - began
        shown, writes = client.ledger(), running.writes() - before
        assert client.verify()["ok"] is True
    blocks, lags = settled_blocks(running.home)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(running.rounds)} labels in {load.seconds:.1f} s: "
            f"{len(running.rounds) / load.seconds:.0f} a second, slowest call {load.slowest:.2f} s, "
            f"{load.cpu / load.seconds:.2f} cores; {len(blocks)} blocks, at most {most_in_a_second(blocks)} "
            f"in a second, {writes} writes; from label to block {np.median(lags):.1f} s in the median, "
            f"{np.percentile(lags, 95):.1f} s for 95 %, {max(lags):.1f} s at most; "
            f"all settled {after:.1f} s after the last answer\n"
        )
    assert load.statuses == {"accepted": len(running.rounds)}
    assert load.seconds < 1.1 * len(running.rounds) / RATE
    assert most_in_a_second(blocks) <= MOST_WRITES
    assert writes == len(blocks)
    check_against_a_replay(running, shown)


@pytest.mark.guard
def test_those_who_wait_for_their_block_at_that_rate_hear_of_it(answered):
    running = answered(5 * RATE)
    load = label_all(running, settled=True, callers=40)
    with Client(running.url) as client:
        shown = client.ledger()
    blocks, _ = settled_blocks(running.home)
    assert load.statuses == {"accepted": len(running.rounds)}
    assert load.settlements == {"settled": len(running.rounds)}
    assert most_in_a_second(blocks) <= MOST_WRITES
    check_against_a_replay(running, shown)


def stores(home):
    """Ledger and journal of a home, opened beside the service."""
    journal = Journal(f"sqlite:///{home / 'journal.sqlite'}")
    return Ledger(FileStore(home / "ledger"), archive=journal), journal


def settled_blocks(home):
    """When the blocks that settled something came, and each round's seconds from its label to its block."""
    ledger, journal = stores(home)
    times = {
        block.height: block.time
        for block in ledger.stream()
        if any(event.kind == "settle" for event in block.event_list)
    }
    lags = [
        (times[round_.block] - round_.label_time) / 1e6
        for round_ in all_rounds(journal)
        if round_.block is not None
    ]
    journal.close()
    return [time / 1e6 for time in times.values()], lags


def all_rounds(journal):
    page, after = journal.find(limit=5000)
    yield from page
    while after is not None:
        page, after = journal.find(limit=5000, after=after)
        yield from page


def most_in_a_second(times):
    """The most blocks that any second saw."""
    return max(sum(first <= other < first + 1 for other in times) for first in times)


def check_against_a_replay(running, shown):
    """Every round was settled once, and settling the journal's rounds by block comes to what is shown."""
    ledger, journal = stores(running.home)
    state, seen = State(), []
    for block in ledger.stream():
        there = {event.key: event for event in block.event_list}
        batches = {key.split(":")[1] for key, event in there.items() if event.kind == "settle"}
        rounds = journal.rounds_of_block(block.height, "iris")
        seen += [one.id for one in rounds]
        for batch in batches:
            there |= {event.key: event for event in settle_batch(batch, rounds, state).events}
        state = fold(state, there.values())
    report = audit_settlements(ledger, journal)
    journal.close()
    assert sorted(seen) == sorted(one for one, _ in running.rounds)
    assert state.to_json()["tasks"] == shown["tasks"]
    assert state.task("iris").labels == len(running.rounds)
    assert len(set(state.task("iris").balances.values())) > 1
    assert (report.ok, report.rounds, report.problems) == (True, len(running.rounds), [])
