"""Command `python -m benchmarks.servers`: measures the servers in turns, and asks what each refuses.

They serve a bare application; `python -m benchmarks.serving` compares the same three over the consensus
application.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from benchmarks.pages import table, write_between
from benchmarks.servers.bare import SERVERS
from benchmarks.servers.probes import HOST, PROBES, probe
from benchmarks.serving.processes import Processes, Usage, processes
from benchmarks.serving.report import Machine
from benchmarks.serving.results import Result, results
from benchmarks.serving.slices import Settings, measure
from benchmarks.serving.stacks import CONCORD, Stack
from concord.cli.home import find_project

BEGIN = "<!-- servers: written by `python -m benchmarks.servers --markdown` -->"
END = "<!-- end of servers -->"
FILES = 1024
CALLERS = (1, 32)


@click.command()
@click.option("--seconds", default=2.0, show_default=True, help="Length of a slice.")
@click.option("--repeat", default=9, show_default=True, help="Slices for each server and number of callers.")
@click.option("--probes/--no-probes", default=True, help="Whether to ask what each server refuses.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write the tables there.")
def main(*, seconds: float, repeat: int, probes: bool, markdown_file: Path | None) -> None:
    """Measure Concord's server beside plain uvicorn and Granian."""
    machine = Machine.here()
    settings = Settings(seconds, repeat, CALLERS, (1,))
    with tempfile.TemporaryDirectory(prefix="concord-servers-") as name, contextlib.ExitStack() as exits:
        started = exits.enter_context(processes(find_project(), Path(name), Path(name)))
        servers = _start(started, Path(name))
        measured = results(list(measure(servers, settings, lambda words: click.echo(words, err=True))))
        found = {server.name: asyncio.run(probe(server.port)) for server in servers} if probes else {}
    packages = ", ".join(f"{name} {machine.packages[name]}" for name in ("uvicorn", "uvloop", "granian"))
    text = (
        f"Measured {machine.time} on {machine.cores} cores of {machine.processor}, Python {machine.python} "
        f"({packages}); load average before the run {machine.load:.1f}; {repeat} slices of {seconds:g} s "
        "each.\n\n" + _speed(measured) + (f"\n\n{_refusals(found)}" if found else "")
    )
    click.echo(text)
    if markdown_file:
        write_between(markdown_file, text, BEGIN, END)
    sys.exit(int(any(result.failed for result in measured)))


def _start(started: Processes, folder: Path) -> list[Stack]:
    """Starts each server over the bare application, and waits until it accepts connections."""
    servers = []
    for name, port in zip(SERVERS, started.ports(len(SERVERS)), strict=True):
        command = ("-m", "benchmarks.servers.bare", name, str(port), str(FILES))
        handle = started.run(name, *command, home=folder / "home")
        started.wait(name, partial(_is_open, port), name)
        usage = Usage([handle])
        servers.append(Stack(name, name, port, "/predict", '"agreement":', usage, Usage([])))
    return servers


def _is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex((HOST, port)) == 0


def _speed(measured: Sequence[Result]) -> str:
    headings = ("server", "callers", "requests/s", "p50 ms", "p99 ms", "CPU ms/request", "Concord : it")
    rows = []
    for result in measured:
        ratio = result.concord_over
        spread = f"{ratio.median:.2f} ({ratio.least:.2f}–{ratio.greatest:.2f})" if ratio else ""
        figures = (
            f"{result.rate:,.0f}",
            f"{result.p50_ms:.2f}",
            f"{result.p99_ms:.2f}",
            f"{result.front_cpu_ms:.3f}",
        )
        rows.append((result.stack, str(result.callers), *figures, spread))
    return table(headings, rows)


def _refusals(found: Mapping[str, Mapping[str, str]]) -> str:
    rows = [(name, *(found[server][name] for server in found)) for name in PROBES]
    return table(("what is sent", *found), rows, left=1 + len(found))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    assert CONCORD in SERVERS, "ratios are over Concord's"
    signal.signal(signal.SIGTERM, _interrupt)
    main(prog_name="python -m benchmarks.servers")
