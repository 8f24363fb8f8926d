"""First starts that are interrupted, and several at once: every start after them works."""

import os
import random
import signal
import subprocess
import time

import pytest

from tests.homes import environment
from tests.ports import free_base
from tests.service.up import CONCORD, Up
from tests.sizes import sized

pytestmark = pytest.mark.slow

INTERRUPTIONS = sized(2, 20)

LONGEST_SECONDS = 25
"""About when a quiet machine has trained and packaged one task."""


@pytest.fixture
def env(tmp_path):
    # Characters that mean something in a URL.
    return environment(tmp_path / "why? 50%25 #1")


def up(env):
    return Up(env, "iris", "--port", str(free_base()), "--no-page", "--no-mlflow")


@pytest.mark.parametrize("number", range(INTERRUPTIONS))
def test_a_start_after_an_interrupted_first_start_works(number, env):
    # The registry is made within the first seconds; a kill leaves more behind than Ctrl-C.
    chance = random.Random(f"{os.getpid()} {number} {time.time_ns()}")
    seconds, how = chance.uniform(0.2, LONGEST_SECONDS), chance.choice([signal.SIGINT, signal.SIGKILL])
    first = up(env)
    time.sleep(seconds)
    first.end(how)
    second = up(env)
    try:
        assert second.until("ready")["url"], f"after {how.name} at {seconds:.2f} s"
    finally:
        second.end()


def test_four_first_starts_at_once_all_work(env):
    command = [*CONCORD, "train", "iris"]
    processes = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]
    ended = [(process.communicate()[0], process.returncode) for process in processes]
    assert [status for _, status in ended] == [0] * 4, [text for text, status in ended if status]
