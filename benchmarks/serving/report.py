"""The result for people and for programs: a table on the terminal, Markdown for the docs, JSON.

In a Markdown file that has the two marks, what stands between them is replaced and the rest stays.
"""

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.pages import table as markdown_table
from benchmarks.pages import write_between
from benchmarks.serving.results import Ratio, Result
from benchmarks.serving.slices import Settings

BEGIN: Final = "<!-- results: written by `python -m benchmarks.serving --markdown` -->"
END: Final = "<!-- end of results -->"

HEADINGS: Final = ("stack", "requests/s", "rows/s", "p50 ms", "p99 ms", "CPU ms/request", "Concord : it")

PACKAGES: Final = (
    "concord-serving",
    "bentoml",
    "uvicorn",
    "uvloop",
    "aiohttp",
    "fastapi",
    "pydantic",
    "flask",
    "werkzeug",
    "onnxruntime",
)


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    time: str
    processor: str
    cores: int
    system: str
    python: str
    load: float
    packages: dict[str, str]

    @classmethod
    def here(cls) -> "Machine":
        """This one, and the load that it had before the run."""
        return cls(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            load=os.getloadavg()[0],
            packages={name: version(name) for name in PACKAGES},
        )


@dataclass(frozen=True)
class Memory:
    """What a stack's processes hold when all has been measured, in bytes of proportional set size."""

    stack: str
    description: str
    front: int
    nodes: int
    processes: int


@dataclass(frozen=True)
class Report:
    """All of one run."""

    machine: Machine
    settings: Settings
    results: Sequence[Result]
    memory: Sequence[Memory]
    shortfalls: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "machine": asdict(self.machine),
            "settings": asdict(self.settings),
            "results": [{**asdict(one), "row_rate": one.row_rate} for one in self.results],
            "memory": [asdict(one) for one in self.memory],
            "shortfalls": list(self.shortfalls),
        }

    def tables(self) -> Iterable[Table]:
        """For the terminal: one for each number of callers and rows, and one of memory."""
        for title, group in self._groups():
            yield _table(title, HEADINGS, [_cells(one) for one in group])
        yield _table(
            "Memory", ("stack", "processes", "service MiB", "nodes MiB", "MiB"), self._memory_cells()
        )

    def markdown(self) -> str:
        """The same for the docs."""
        found = [self._where()]
        for title, group in self._groups():
            found.append(f"**{title}**\n\n" + markdown_table(HEADINGS, [_cells(one) for one in group]))
        found.append(
            "**Memory**, proportional set size after the run\n\n"
            + markdown_table(("stack", "processes", "service MiB", "nodes MiB", "MiB"), self._memory_cells())
        )
        found.append("\n".join(f"- {one.stack}: {one.description}." for one in self.memory))
        return "\n\n".join(found)

    def _where(self) -> str:
        machine, settings = self.machine, self.settings
        packages = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
        return (
            f"Measured {machine.time} on {machine.cores} cores of {machine.processor}, {machine.system}, "
            f"Python {machine.python} ({packages}); load average before the run {machine.load:.1f}; "
            f"{settings.repeat} slices of {settings.seconds:g} s for each stack and setting."
        )

    def _groups(self) -> list[tuple[str, list[Result]]]:
        groups: dict[str, list[Result]] = {}
        for one in self.results:
            callers = "One caller" if one.callers == 1 else f"{one.callers} callers"
            title = f"{callers}, {'one row' if one.rows == 1 else f'{one.rows} rows'} a request"
            groups.setdefault(title, []).append(one)
        return list(groups.items())

    def _memory_cells(self) -> list[tuple[str, ...]]:
        return [
            (
                one.stack,
                str(one.processes),
                *(f"{b / 2**20:,.0f}" for b in (one.front, one.nodes, one.front + one.nodes)),
            )
            for one in self.memory
        ]


def write_markdown(path: Path, text: str) -> None:
    """Writes a file, or what stands between the marks of one that is there."""
    write_between(path, text, BEGIN, END)


def _cells(one: Result) -> tuple[str, ...]:
    return (
        one.stack + (f" ({one.failed} failed)" if one.failed else ""),
        f"{one.rate:,.0f}",
        f"{one.row_rate:,.0f}",
        f"{one.p50_ms:.2f}",
        f"{one.p99_ms:.2f}",
        f"{one.front_cpu_ms + one.nodes_cpu_ms:.2f} ({one.front_cpu_ms:.2f} + {one.nodes_cpu_ms:.2f})",
        _ratio(one.concord_over),
    )


def _ratio(one: Ratio | None) -> str:
    return f"{one.median:.2f} ({one.least:.2f}–{one.greatest:.2f})" if one else ""


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
