"""kill -9 at every step of the protocol: nothing acknowledged is lost, and nothing is settled twice."""

import os
import random
import shutil
import signal
import sys
from collections import Counter

import pytest

from tests.service.settling import World, after_slashes
from tests.sizes import sized

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

STEPS = ("claimed", "segment-written", "before-swap", "swapped", "appended", "noted", "marked")
LIMIT = 3000
BEFORE, DURING = 3, 4


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A world whose next block has to seal the head, with rounds that are due."""
    folder = tmp_path_factory.mktemp("template") / "world"
    folder.mkdir()
    world = World(folder, limit=LIMIT)
    settler = world.settler()
    world.open_task(settler)
    for _ in range(BEFORE - 1):
        world.record()
        settler._step()
    world.record()
    world.close()
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return shutil.copytree(template, tmp_path / "world")


def test_the_template_seals_on_its_next_block(folder):
    steps = []
    world = World(folder, limit=LIMIT)
    world.settler(steps.append)._step()
    world.close()
    assert steps == list(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_settler_killed_at_a_step_loses_nothing_and_settles_nothing_twice(folder, step):
    def die(at):
        if at == step:
            os.kill(os.getpid(), signal.SIGKILL)

    acknowledged, status = in_a_process_that_may_die(lambda say: record_and_settle(folder, say, die))
    assert os.WTERMSIG(status) == signal.SIGKILL
    check_after_recovery(folder, acknowledged)


@pytest.mark.parametrize("step", STEPS)
def test_a_settler_killed_at_a_step_hinders_no_other_block(folder, step):
    """A segment without its head, or a head that was not noted, is followed by another writer's block."""

    def die(at):
        if at == step:
            os.kill(os.getpid(), signal.SIGKILL)

    acknowledged, _ = in_a_process_that_may_die(lambda say: record_and_settle(folder, say, die))
    world = World(folder, limit=LIMIT)
    other = world.settler()
    world.open_task(other, "another")
    assert world.ledger().verify(world.journal.noted_blocks()).ok
    world.close()
    check_after_recovery(folder, acknowledged)


@pytest.mark.parametrize("turn", range(16))
def test_a_settler_killed_at_any_line_loses_nothing_and_settles_nothing_twice(folder, turn):
    kill_at_a_line(folder, turn)


@pytest.mark.slow
@pytest.mark.guard
@pytest.mark.parametrize("turn", range(16, sized(100, 500)))
def test_a_settler_killed_at_any_of_many_lines_loses_nothing(folder, turn):
    kill_at_a_line(folder, turn)


def test_a_settler_killed_again_while_it_recovers_loses_nothing(folder):
    acknowledged = []
    for turn in range(6):
        line = random.Random(f"again {turn}").randrange(100, 2500)
        some, _ = in_a_process_that_may_die(lambda say, line=line: die_at_line(folder, say, line))
        acknowledged += some
    check_after_recovery(folder, acknowledged)


def kill_at_a_line(folder, turn):
    line = random.Random(turn).randrange(1, 2700)
    acknowledged, _ = in_a_process_that_may_die(lambda say: die_at_line(folder, say, line))
    check_after_recovery(folder, acknowledged)


def die_at_line(folder, say, line):
    """Runs the protocol and kills the process before the n-th line of Concord's code."""
    left = [line]

    def trace(frame, event, _argument):
        if "/concord/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    record_and_settle(folder, say, lambda _step: None)


def record_and_settle(folder, say, checkpoint):
    """What a service does: takes up what a crash left, records rounds, says so, and settles them."""
    world = World(folder, limit=LIMIT)
    settler = world.settler(checkpoint)
    settler._recover()
    for _ in range(DURING):
        for id_ in world.record():
            say(f"recorded {id_}")
    while settler._step():
        pass
    for round_ in world.journal.find()[0]:
        if round_.block is not None:
            say(f"settled {round_.id} {round_.block} {round_.block_hash}")


def check_after_recovery(folder, acknowledged):
    world = World(folder, limit=LIMIT)
    settler = world.settler()
    settler._recover()
    while settler._step() or world.journal.due_count():
        pass
    stored = {round_.id: round_ for round_ in world.journal.find()[0]}
    for step, id_, *block in (line.split() for line in acknowledged):
        assert step == "recorded" or [str(stored[id_].block), stored[id_].block_hash] == block
        assert id_ in stored
    settled = Counter(id_.block for id_ in stored.values())
    blocks = {
        b.height: sum(e["rounds"] for e in b.events.values() if e["kind"] == "settle")
        for b in world.ledger().blocks()
    }
    assert {height: rounds for height, rounds in blocks.items() if rounds} == settled
    assert world.balances()["random_forest"] == after_slashes(len(stored))
    report = world.ledger().verify(world.journal.noted_blocks())
    assert (report.ok, report.noted) == (True, report.height)
    assert world.journal.open_claims() == []
    world.close()


def in_a_process_that_may_die(work):
    """Runs work in a child and returns the lines that it said before its end, and how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        status = 1
        try:
            work(lambda line: os.write(writing, f"{line}\n".encode()))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return lines, status
