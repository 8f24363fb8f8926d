"""Waits until everything that was started answers, and shows the progress.

The consensus service is asked which nodes it can reach; the pages have a health path each. Between two looks
the caller handles processes that end, and Ctrl-C.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

from concord.cli.up.reporter import OK, Reporter
from concord.util.proxies import is_near

if TYPE_CHECKING:
    from rich.progress import Progress

LOOK_SECONDS: Final = 0.25
FETCH_SECONDS: Final = 2.0

HEALTH_PATHS: Final = {"page": "/_stcore/health", "mlflow": "/health", "prometheus": "/-/ready"}
"""Of each page for people."""


@dataclass(frozen=True)
class PartProgress:
    """How many of the processes of one name are up: a task's nodes, the consensus service, or a page."""

    name: str
    up: int
    total: int

    @property
    def is_up(self) -> bool:
        """Whether nothing is missing."""
        return self.up >= self.total


class Readiness:
    """Looks which of the started processes answer.

    Args:
        service: The consensus service's URL.
        nodes: Task → how many nodes were started.
        pages: Name → URL of the pages that have to answer too.
    """

    def __init__(self, service: str, nodes: Mapping[str, int], pages: Mapping[str, str]) -> None:
        self._service, self._nodes, self._pages = service, nodes, dict(pages)
        self._answered: set[str] = set()

    def look(self) -> list[PartProgress]:
        """Asks once; the consensus service is up once it answers every task that was started.

        Nodes that are up have no accounts yet for a moment, and so long their task is refused.
        """
        document = fetch_json(f"{self._service}/v1/tasks")
        tasks = {task["task"]: task for task in document["tasks"]} if document else {}
        up = {name: task["nodes_up"] for name, task in tasks.items()}
        answers = bool(tasks) and all(task["ready"] for name, task in tasks.items() if name in self._nodes)
        self._answered |= {
            name for name, url in self._pages.items() if name not in self._answered and is_alive(name, url)
        }
        return [
            *(PartProgress(task, min(up.get(task, 0), count), count) for task, count in self._nodes.items()),
            PartProgress("consensus", int(answers), 1),
            *(PartProgress(name, int(name in self._answered), 1) for name in self._pages),
        ]

    def wait(self, reporter: Reporter, goes_on: Callable[[], bool], seconds: float) -> list[PartProgress]:
        """Looks until all is up, time is over or `goes_on` returns False.

        Returns:
            What is not up.
        """
        until = time.monotonic() + seconds
        with _display(reporter) as show:
            while True:
                parts = self.look()
                show(parts)
                missing = [part for part in parts if not part.is_up]
                if not missing or time.monotonic() > until or not goes_on():
                    return missing
                time.sleep(LOOK_SECONDS)


def fetch_json(url: str) -> dict[str, Any] | None:
    """A JSON document, or None while nothing answers."""
    body = _fetch(url)
    try:
        return None if body is None else dict(json.loads(body))
    except ValueError:
        return None


def is_alive(page: str, url: str) -> bool:
    """Whether the health path of a page answers 200."""
    return _fetch(url + HEALTH_PATHS[page]) is not None


def _fetch(url: str) -> bytes | None:
    """The body of a 200; None of any other answer, or while nothing answers."""
    try:
        proxies = [urllib.request.ProxyHandler({})] if is_near(url) else []
        opener = urllib.request.build_opener(*proxies, *_trusting(url))
        with opener.open(url, timeout=FETCH_SECONDS) as response:
            return bytes(response.read()) if response.status == 200 else None
    except (OSError, ValueError, HTTPException):
        return None


def _trusting(url: str) -> list[urllib.request.HTTPSHandler]:
    """What has an HTTPS address checked by CONCORD_CA too."""
    if not url.startswith("https:"):
        return []
    from concord.http.outgoing import authority_file, trusting

    return [urllib.request.HTTPSHandler(context=trusting(authority_file()))]


@contextmanager
def _display(reporter: Reporter) -> Iterator[Callable[[list[PartProgress]], None]]:
    if not reporter.is_live:
        reported: dict[str, int] = {}
        yield lambda parts: _report_changes(reporter, reported, parts)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("  {task.description:<14}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=reporter.console, transient=True) as progress:
        bars: dict[str, Any] = {}
        yield lambda parts: _draw(progress, bars, parts)


def _draw(progress: "Progress", bars: dict[str, Any], parts: list[PartProgress]) -> None:
    for part in parts:
        if part.name not in bars:
            bars[part.name] = progress.add_task(part.name, total=part.total)
        progress.update(bars[part.name], completed=part.up)


def _report_changes(reporter: Reporter, reported: dict[str, int], parts: list[PartProgress]) -> None:
    for part in parts:
        if part.up and part.up != reported.get(part.name):
            text = f"{part.name} is up"
            if part.total > 1:
                text = f"{part.name}: {part.up} of {part.total} nodes up"
            reporter.report(
                "up", f"{OK if part.is_up else ' '} {text}", name=part.name, up=part.up, of=part.total
            )
        reported[part.name] = part.up
