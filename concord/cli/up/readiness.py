"""Waits until everything that was started answers, and shows how far it is.

The consensus service knows which nodes it can reach, so it is asked about them; the pages have a
health path each. Whatever happens meanwhile (a process that ends, Ctrl-C) is seen between two looks.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from concord.cli.up.reporter import OK, Reporter

if TYPE_CHECKING:
    from rich.progress import Progress

LOOK_SECONDS: Final = 0.25

HEALTH: Final = ("/_stcore/health", "/health", "/-/ready")
"""Health paths: the page's, MLflow's, Prometheus'."""


def home_of(url: str) -> str:
    """The address that people open, of a health path's.

    >>> home_of("http://127.0.0.1:7480/_stcore/health")
    'http://127.0.0.1:7480'
    """
    for path in HEALTH:
        if url.endswith(path):
            return url.removesuffix(path)
    return url


@dataclass(frozen=True)
class Part:
    """What has to be up: so many of so many."""

    name: str
    up: int
    of: int

    @property
    def is_up(self) -> bool:
        """Whether nothing is missing."""
        return self.up >= self.of


class Readiness:
    """What is up by now.

    Args:
        service: The consensus service's URL.
        nodes: Task → how many nodes were started.
        pages: What else has to answer, by name → URL of its health path.
    """

    def __init__(self, service: str, nodes: Mapping[str, int], pages: Mapping[str, str]) -> None:
        self._service, self._nodes, self._pages = service, nodes, dict(pages)
        self._answered: set[str] = set()

    def look(self) -> list[Part]:
        """Asks once."""
        tasks = fetch(f"{self._service}/v1/tasks")
        up = {task["task"]: task["nodes_up"] for task in tasks["tasks"]} if tasks else {}
        self._answered |= {
            name for name, url in self._pages.items() if name not in self._answered and alive(url)
        }
        return [
            *(Part(task, min(up.get(task, 0), count), count) for task, count in self._nodes.items()),
            Part("consensus", int(tasks is not None), 1),
            *(Part(name, int(name in self._answered), 1) for name in self._pages),
        ]

    def wait(self, voice: Reporter, carry_on: Callable[[], bool], seconds: float) -> list[Part]:
        """Looks until all is up, time is over or `carry_on` says no.

        Returns:
            What is not up.
        """
        until = time.monotonic() + seconds
        with _shown(voice) as show:
            while True:
                parts = self.look()
                show(parts)
                missing = [part for part in parts if not part.is_up]
                if not missing or time.monotonic() > until or not carry_on():
                    return missing
                time.sleep(LOOK_SECONDS)


def fetch(url: str, seconds: float = 2.0) -> dict[str, Any] | None:
    """A JSON document, or None while nothing answers."""
    try:
        with _OPENER.open(url, timeout=seconds) as response:
            return dict(json.load(response))
    except (OSError, ValueError):
        return None


def alive(url: str, seconds: float = 2.0) -> bool:
    """Whether a health path answers 200."""
    try:
        with _OPENER.open(url, timeout=seconds) as response:
            return bool(response.status == 200)
    except (OSError, ValueError):
        return False


_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without the environment's proxies: what is asked is on this machine."""


@contextmanager
def _shown(voice: Reporter) -> Iterator[Callable[[list[Part]], None]]:
    if not voice.is_live:
        seen: dict[str, int] = {}
        yield lambda parts: _say_changes(voice, seen, parts)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("  {task.description:<14}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=voice.console, transient=True) as progress:
        bars: dict[str, Any] = {}
        yield lambda parts: _draw(progress, bars, parts)


def _draw(progress: "Progress", bars: dict[str, Any], parts: list[Part]) -> None:
    for part in parts:
        if part.name not in bars:
            bars[part.name] = progress.add_task(part.name, total=part.of)
        progress.update(bars[part.name], completed=part.up)


def _say_changes(voice: Reporter, seen: dict[str, int], parts: list[Part]) -> None:
    for part in parts:
        if part.up and part.up != seen.get(part.name):
            text = f"{part.name}: {part.up} of {part.of} nodes up" if part.of > 1 else f"{part.name} is up"
            voice.say("up", f"{OK if part.is_up else ' '} {text}", name=part.name, up=part.up, of=part.of)
        seen[part.name] = part.up
