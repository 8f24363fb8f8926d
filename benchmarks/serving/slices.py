"""Measurement in short slices that alternate between the stacks.

A slice is one run of the load generator against one stack. For every number of callers and rows each stack
has a warm-up and then `repeat` slices, each turn starting with the next stack. So other load on the machine
falls on all stacks alike.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.serving.models import body
from benchmarks.serving.processes import HOST
from benchmarks.serving.stacks import Stack

PAUSE_SECONDS: Final = 0.2
"""Pause after a slice for writes in the background, whose CPU belongs to the slice."""

WARM_SHARE: Final = 0.3
"""Length of a warm-up, as a share of a slice."""

EXTRA_SECONDS: Final = 40.0
"""Time limit of a load generator beyond its slice."""


@dataclass(frozen=True)
class Settings:
    """Settings of a run: for each pair of callers and rows, `repeat` slices of `seconds` a stack."""

    seconds: float
    repeat: int
    callers: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All pairs of callers and rows."""
        return [(callers, rows) for rows in self.rows for callers in self.callers]


@dataclass(frozen=True)
class Slice:
    """Figures of one slice; latencies in µs, CPU in seconds over all its requests."""

    stack: str
    callers: int
    rows: int
    turn: int
    requests: int
    seconds: float
    latencies: tuple[int, ...]
    failed: int
    reason: str
    front_cpu: float
    nodes_cpu: float

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.requests / self.seconds


def measure(stacks: Sequence[Stack], settings: Settings, announce: Callable[[str], None]) -> Iterator[Slice]:
    """Takes all slices; `announce` is called with a description before each."""
    for callers, rows in settings.pairs:
        for stack in stacks:
            announce(f"{stack.name}, {_setting_name(callers, rows)}, warm-up")
            _load(stack, callers, rows, settings.seconds * WARM_SHARE)
        for turn in range(settings.repeat):
            first = turn % len(stacks)
            for stack in (*stacks[first:], *stacks[:first]):
                announce(f"{stack.name}, {_setting_name(callers, rows)}, {turn + 1} of {settings.repeat}")
                yield take_slice(stack, callers, rows, turn, settings.seconds)


def take_slice(stack: Stack, callers: int, rows: int, turn: int, seconds: float) -> Slice:
    """Measures one slice."""
    front, nodes = stack.front.cpu_seconds(), stack.nodes.cpu_seconds()
    result = _load(stack, callers, rows, seconds)
    time.sleep(PAUSE_SECONDS)
    return Slice(
        stack=stack.name,
        callers=callers,
        rows=rows,
        turn=turn,
        requests=result["requests"],
        seconds=result["seconds"],
        latencies=tuple(result["latencies"]),
        failed=result["failed"],
        reason=result["reason"],
        front_cpu=stack.front.cpu_seconds() - front,
        nodes_cpu=stack.nodes.cpu_seconds() - nodes,
    )


def _load(stack: Stack, callers: int, rows: int, seconds: float) -> dict[str, Any]:
    order = {
        "host": HOST,
        "port": stack.port,
        "path": stack.path,
        "body": body(rows).decode(),
        "token": stack.token,
        "marker": stack.marker,
        "rows": rows,
        "callers": callers,
        "seconds": seconds,
    }
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.load"],
        input=json.dumps(order).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + EXTRA_SECONDS,
    )
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def _setting_name(callers: int, rows: int) -> str:
    return f"{callers} {'caller' if callers == 1 else 'callers'}, {rows} {'row' if rows == 1 else 'rows'}"
