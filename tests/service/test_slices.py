"""A large request holds the event loop for no more than a slice, in whatever it is worked on."""

import asyncio
import threading

import pytest

from concord.consensus.ensemble import Ensemble
from concord.consensus.recorder import Recorder
from concord.tasks.schema import TaskSchema
from concord.util import slices
from tests.service.stack import IRIS

ROWS = 200

STEPS = {
    "reading": (TaskSchema, "read_row"),
    "deciding": (Ensemble, "decide"),
    "recording": (Recorder, "_row"),
}


class WorkedRows:
    """Notes in which turn of its loop each step of a row was done."""

    def __init__(self, monkeypatch, owner, name):
        self.turns, self._turn, self._is_counting = [], 0, False
        step = getattr(owner, name)

        def noted(*arguments, **options):
            if threading.current_thread() is not threading.main_thread():
                self._note()
            return step(*arguments, **options)

        monkeypatch.setattr(owner, name, noted)

    def _note(self):
        if not self._is_counting:
            self._is_counting = True
            asyncio.get_running_loop().call_soon(self._count)
        self.turns.append(self._turn)

    def _count(self):
        self._turn += 1
        if self._turn < 100_000:
            asyncio.get_running_loop().call_soon(self._count)


@pytest.mark.parametrize("step", STEPS)
def test_no_two_rows_of_a_large_request_share_a_turn_of_the_loop(start_stack, monkeypatch, step):
    stack = start_stack()
    # So that each row is a slice of its own, however fast the machine is.
    monkeypatch.setattr(slices, "LONG_SLICE_SECONDS", 0.0)
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(slices, "ITEMS_AT_ONCE", 1)
    worked = WorkedRows(monkeypatch, *STEPS[step])
    stack.http.post("/v1/tasks/iris/predict", json={"rows": [IRIS.example] * ROWS}).raise_for_status()
    assert len(set(worked.turns)) == len(worked.turns) == ROWS
