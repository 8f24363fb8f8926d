"""Command `python -m benchmarks.serving`: starts all stacks, measures them in turns and reports.

Everything runs on loopback in a temporary home; at the end, also after Ctrl-C or a failure, all processes
are ended and the home is removed. Exit code 1 where a promise is not kept or a stack did not answer.
"""

import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.serving.models import NODES, Model
from benchmarks.serving.processes import Processes, processes
from benchmarks.serving.report import Machine, Memory, Report, write_markdown
from benchmarks.serving.results import results, shortfalls
from benchmarks.serving.slices import Settings, Slice, measure
from benchmarks.serving.stacks import STACKS, Checkout, Stack, start, start_other_tree
from concord.cli.home import find_project
from concord.cli.up.preparation import Preparation
from concord.errors import ConcordError

SCREEN: Final = Console(stderr=True)
WIDTH: Final = 120


def _numbers(_context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise click.BadParameter(f"{text!r} is no list of numbers, such as 1,8,32.", param=option)
    return numbers


@click.command()
@click.option("--seconds", default=3.0, show_default=True, help="Length of a slice.")
@click.option("--repeat", default=3, show_default=True, help="Slices for each stack and setting.")
@click.option("--callers", default="1,8,32", show_default=True, callback=_numbers, help="Callers at a time.")
@click.option("--rows", default="1,64", show_default=True, callback=_numbers, help="Rows in a request.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result as JSON.")
@click.option(
    "--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write the tables as Markdown."
)
@click.option(
    "--home", type=click.Path(path_type=Path), help="Keep the trained models here, and use them again."
)
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another checkout of Concord, measured as one more stack.",
)
@click.option(
    "--only", multiple=True, type=click.Choice(STACKS), help="Measure this stack only; can be repeated."
)
@click.option("--check/--no-check", default=True, help="Whether falling short of the promises is an error.")
def main(  # noqa: PLR0913 - click passes each option
    *,
    seconds: float,
    repeat: int,
    callers: tuple[int, ...],
    rows: tuple[int, ...],
    json_file: Path | None,
    markdown_file: Path | None,
    home: Path | None,
    against: Path | None,
    only: tuple[str, ...],
    check: bool,
) -> None:
    """Measure Concord beside Flask, FastAPI and a plain gather, all serving the same four models."""
    signal.signal(signal.SIGTERM, _interrupt)
    settings = Settings(seconds, repeat, callers, rows)
    try:
        report = _run(settings, home, against, only)
    except ConcordError as error:
        SCREEN.print(f"[red]✗[/] {error.message}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        SCREEN.print("Stopped; everything is ended and removed.")
        sys.exit(130)
    if json_file:
        json_file.write_text(json.dumps(report.to_json(), indent=1), "utf-8")
    if markdown_file:
        write_markdown(markdown_file, report.markdown())
    screen = Console(width=None if sys.stdout.isatty() else WIDTH)
    for table in report.tables():
        screen.print(table, "")
    for sentence in report.shortfalls:
        SCREEN.print(f"[red]✗[/] {sentence}", soft_wrap=True)
    if report.shortfalls and check:
        sys.exit(1)


def _run(settings: Settings, home: Path | None, against: Path | None, only: Sequence[str]) -> Report:
    machine = Machine.here()
    with (
        tempfile.TemporaryDirectory(prefix="concord-benchmark-", ignore_cleanup_errors=True) as name,
        contextlib.ExitStack() as exits,
    ):
        folder = Path(name)
        home = (home or folder / "home").absolute()
        stacks = _start(exits, _prepare(find_project(), folder / "here", home), start)
        if against is not None:
            other = _prepare(against.absolute(), folder / "other", home / "other")
            stacks += _start(exits, other, lambda *arguments: [start_other_tree(*arguments)])
        stacks = [stack for stack in stacks if not only or stack.name in only]
        measured = results(_measure(stacks, settings))
        memory = [_memory(stack) for stack in stacks]
    return Report(machine, settings, measured, memory, shortfalls(measured))


def _start(
    exits: contextlib.ExitStack, checkout: Checkout, start: Callable[[Checkout, Processes], list[Stack]]
) -> list[Stack]:
    processes_ = exits.enter_context(processes(checkout.root, checkout.folder / "logs", checkout.store))
    with SCREEN.status("Starting the stacks …"):
        return start(checkout, processes_)


def _prepare(root: Path, folder: Path, home: Path) -> Checkout:
    """Fits and packages what a checkout lacks, in a home of its own."""
    for variable in [name for name in os.environ if name.startswith("CONCORD_")]:
        del os.environ[variable]
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ["BENTOML_HOME"] = str(home / "bentoml")
    home.mkdir(parents=True, exist_ok=True)
    preparation = Preparation(root, home)
    preparation.fit(["iris"], {}, missing=True)
    with SCREEN.status("Packaging …"):
        packaged = preparation.package()
    folders = home / "bentoml" / "models"
    models = {
        name: Model(folders / f"iris.{name}" / (folders / f"iris.{name}" / "latest").read_text("utf-8"))
        for name in NODES
    }
    folder.mkdir()
    return Checkout(root, home / "bentoml", models, dict(packaged.bentos), folder)


def _measure(stacks: list[Stack], settings: Settings) -> list[Slice]:
    total = len(settings.pairs) * settings.repeat * len(stacks)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    slices = []
    with Progress(*columns, console=SCREEN) as progress:
        bar = progress.add_task("", total=total)
        for slice_ in measure(stacks, settings, lambda words: progress.update(bar, description=words)):
            slices.append(slice_)
            progress.advance(bar)
    return slices


def _memory(stack: Stack) -> Memory:
    front, nodes = stack.front, stack.nodes
    count = len(front.pids) + len(nodes.pids)
    return Memory(stack.name, stack.description, front.memory_bytes(), nodes.memory_bytes(), count)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.serving")
