"""The measuring: short slices that alternate between the stacks, so that each meets the same weather.

A slice is one run of the load generator against one stack. For every number of callers and rows
each stack has a warm-up and then takes its turn, `repeat` times, each round beginning with the next
stack. What another program does to the machine so falls on all stacks, and ratios are made of
slices that were taken beside one another.
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

CALM_SECONDS: Final = 0.2
"""After a slice, for what is written behind the answers; its CPU belongs to the slice."""

WARM_SHARE: Final = 0.3
"""Length of a warm-up, as a share of a slice."""

PATIENCE_SECONDS: Final = 40.0
"""What a load generator gets beyond its slice before it is given up."""


@dataclass(frozen=True)
class Settings:
    """What is measured: for each pair of callers and rows, `repeat` slices of `seconds` a stack."""

    seconds: float
    repeat: int
    callers: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Callers and rows."""
        return [(callers, rows) for rows in self.rows for callers in self.callers]


@dataclass(frozen=True)
class Slice:
    """What one slice gave. Latencies in µs, CPU in seconds over all of a slice's requests."""

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


def measure(stacks: Sequence[Stack], settings: Settings, tell: Callable[[str], None]) -> Iterator[Slice]:
    """Takes all slices; `tell` hears what is measured before each."""
    for callers, rows in settings.pairs:
        for stack in stacks:
            tell(f"{stack.name}, {_words(callers, rows)}, warm-up")
            _load(stack, callers, rows, settings.seconds * WARM_SHARE)
        for turn in range(settings.repeat):
            first = turn % len(stacks)
            for stack in (*stacks[first:], *stacks[:first]):
                tell(f"{stack.name}, {_words(callers, rows)}, {turn + 1} of {settings.repeat}")
                yield take(stack, callers, rows, turn, settings.seconds)


def take(stack: Stack, callers: int, rows: int, turn: int, seconds: float) -> Slice:
    """Takes one slice."""
    front, nodes = stack.front.cpu_seconds(), stack.nodes.cpu_seconds()
    told = _load(stack, callers, rows, seconds)
    time.sleep(CALM_SECONDS)
    return Slice(
        stack=stack.name,
        callers=callers,
        rows=rows,
        turn=turn,
        requests=told["requests"],
        seconds=told["seconds"],
        latencies=tuple(told["latencies"]),
        failed=told["failed"],
        reason=told["reason"],
        front_cpu=stack.front.cpu_seconds() - front,
        nodes_cpu=stack.nodes.cpu_seconds() - nodes,
    )


def _load(stack: Stack, callers: int, rows: int, seconds: float) -> dict[str, Any]:
    order = {
        "host": HOST,
        "port": stack.port,
        "path": stack.path,
        "body": body(rows).decode(),
        "marker": stack.marker,
        "rows": rows,
        "callers": callers,
        "seconds": seconds,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.load"],
        input=json.dumps(order).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + PATIENCE_SECONDS,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _words(callers: int, rows: int) -> str:
    return f"{callers} {'caller' if callers == 1 else 'callers'}, {rows} {'row' if rows == 1 else 'rows'}"
