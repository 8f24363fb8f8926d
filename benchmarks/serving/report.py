"""Report of the serving benchmark: tables for the terminal, Markdown and JSON."""

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
    "granian",
)


@dataclass(frozen=True)
class Machine:
    """The machine of a run, with its software."""

    time: str
    processor: str
    cores: int
    system: str
    python: str
    load: float
    packages: dict[str, str]

    @classmethod
    def here(cls) -> "Machine":
        """This machine, with its present load average."""
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
    """Memory of a stack's processes after the run, in bytes of proportional set size."""

    stack: str
    description: str
    front: int
    nodes: int
    processes: int


@dataclass(frozen=True)
class Report:
    """All figures of one run."""

    machine: Machine
    settings: Settings
    results: Sequence[Result]
    memory: Sequence[Memory]
    shortfalls: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "machine": asdict(self.machine),
            "settings": asdict(self.settings),
            "results": [{**asdict(result), "row_rate": result.row_rate} for result in self.results],
            "memory": [asdict(memory) for memory in self.memory],
            "shortfalls": list(self.shortfalls),
        }

    def tables(self) -> Iterable[Table]:
        """Tables for the terminal: one for each number of callers and rows, and one of memory."""
        for title, group in self._groups():
            yield _table(title, HEADINGS, [_cells(result) for result in group])
        yield _table(
            "Memory", ("stack", "processes", "service MiB", "nodes MiB", "MiB"), self._memory_cells()
        )

    def markdown(self) -> str:
        """The same tables in Markdown."""
        parts = [self._conditions()]
        for title, group in self._groups():
            parts.append(f"**{title}**\n\n" + markdown_table(HEADINGS, [_cells(result) for result in group]))
        parts.append(
            "**Memory**, proportional set size after the run\n\n"
            + markdown_table(("stack", "processes", "service MiB", "nodes MiB", "MiB"), self._memory_cells())
        )
        parts.append("\n".join(f"- {memory.stack}: {memory.description}." for memory in self.memory))
        return "\n\n".join(parts)

    def _conditions(self) -> str:
        machine, settings = self.machine, self.settings
        packages = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
        return (
            f"Measured {machine.time} on {machine.cores} cores of {machine.processor}, {machine.system}, "
            f"Python {machine.python} ({packages}); load average before the run {machine.load:.1f}; "
            f"{settings.repeat} slices of {settings.seconds:g} s for each stack and setting."
        )

    def _groups(self) -> list[tuple[str, list[Result]]]:
        groups: dict[str, list[Result]] = {}
        for result in self.results:
            callers = "One caller" if result.callers == 1 else f"{result.callers} callers"
            title = f"{callers}, {'one row' if result.rows == 1 else f'{result.rows} rows'} a request"
            groups.setdefault(title, []).append(result)
        return list(groups.items())

    def _memory_cells(self) -> list[tuple[str, ...]]:
        return [
            (
                usage.stack,
                str(usage.processes),
                *(f"{size / 2**20:,.0f}" for size in (usage.front, usage.nodes, usage.front + usage.nodes)),
            )
            for usage in self.memory
        ]


def write_markdown(path: Path, text: str) -> None:
    """Writes a file, or replaces the text between the marks of an existing one."""
    write_between(path, text, BEGIN, END)


def _cells(result: Result) -> tuple[str, ...]:
    front, nodes = result.front_cpu_ms, result.nodes_cpu_ms
    return (
        result.stack + (f" ({result.failed} failed)" if result.failed else ""),
        f"{result.rate:,.0f}",
        f"{result.row_rate:,.0f}",
        f"{result.p50_ms:.2f}",
        f"{result.p99_ms:.2f}",
        f"{front + nodes:.2f} ({front:.2f} + {nodes:.2f})",
        _ratio(result.concord_over),
    )


def _ratio(ratio: Ratio | None) -> str:
    return f"{ratio.median:.2f} ({ratio.least:.2f}–{ratio.greatest:.2f})" if ratio else ""


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
