"""`python -m training data`: a task's rows into a database, a look at them, and out again."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from concord.errors import InvalidInput
from training.commands.console import SCREEN, TrainingGroup

if TYPE_CHECKING:
    from training.data.database.address import DatabaseAddress
    from training.data.database.load_file import LoadProgress
    from training.data.database.loader import LoadSummary
    from training.task import Task

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001

LINE_SECONDS: Final = 5.0
"""How often progress is a line, where there is no terminal to draw a bar on."""

PIPED_WIDTH: Final = 130
"""Columns of a table that is not read on a terminal: enough for times and counts."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group("data", cls=TrainingGroup)
def data_group() -> None:
    """Rows of a task in a database: load, show and export them."""


@data_group.command("load")
@click.argument("task")
@click.argument("source", metavar="FILE|tmdb:YEAR..YEAR")
@click.option("--to", "url", required=True, metavar="URL[#TABLE]", help="The database, and the table.")
@click.option(
    "--refused", type=click.Path(path_type=Path), help="Where refused rows go; by default beside FILE."
)
@click.option(
    "--votes", type=click.IntRange(0), help="tmdb: films with at least so many votes; by default 50."
)
@click.option(
    "--older", type=click.IntRange(0), help="tmdb: ask again about films asked that many days ago; 30."
)
@json_option
def load_command(
    task: str,
    source: str,
    url: str,
    refused: Path | None,
    votes: int | None,
    older: int | None,
    as_json: bool,
) -> None:
    """Clean, check and store the rows of FILE, or films from TMDB, in TASK's table.

    Rows that are there already are known by their key, so the same command again adds only what is missing.
    """
    from training.data.database.address import read_address

    address = read_address(url, task)
    if source.startswith("tmdb:"):
        summary, refused_file = _gather(_task(task), source, address, refused, votes, older)
    elif votes is not None or older is not None:
        raise InvalidInput("--votes and --older are about tmdb:YEAR..YEAR.", field="--votes")
    else:
        summary, refused_file = _load(_task(task), Path(source).expanduser(), address, refused)
    if as_json:
        refused_path = str(refused_file) if summary.refused else None
        document = {"table": address.table, **vars(summary), "refused_file": refused_path}
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        _show_summary(summary, address.shown, refused_file)


def _load(
    task: "Task", path: Path, address: "DatabaseAddress", refused: Path | None
) -> "tuple[LoadSummary, Path]":
    from training.data.database.load_file import load_file

    show_note = partial(SCREEN.print, soft_wrap=True, highlight=False)
    with _progress_bar(f"Loading {path.name}") as report:
        return load_file(task, path, address, report=report, show_note=show_note, refused=refused)


def _gather(
    task: "Task",
    source: str,
    address: "DatabaseAddress",
    refused: Path | None,
    votes: int | None,
    older: int | None,
) -> "tuple[LoadSummary, Path]":
    from training.data.tmdb.gathering import USUAL_DAYS, USUAL_VOTES, FilmOptions, gather_films

    options = FilmOptions(USUAL_VOTES if votes is None else votes, USUAL_DAYS if older is None else older)
    with _progress_bar("Asking TMDB") as report:
        return gather_films(task, source, address, report=report, refused=refused, options=options)


@data_group.command("show")
@click.argument("task", required=False)
@click.option("--from", "url", required=True, metavar="URL[#TABLE]", help="The database, and the table.")
@json_option
def show_command(task: str | None, url: str, as_json: bool) -> None:
    """List the tables of rows in a database, or look into TASK's."""
    from training.data.database.address import read_address
    from training.data.database.inspection import describe_table, list_tables

    if task is None:
        tables = list_tables(read_address(url, "tables"))
        click.echo(json.dumps({"tables": tables}, ensure_ascii=False)) if as_json else _show_tables(tables)
        return
    table = describe_table(_task(task), read_address(url, task))
    click.echo(json.dumps(table, ensure_ascii=False)) if as_json else _show_table(table)


@data_group.command("export")
@click.argument("task")
@click.option("--from", "url", required=True, metavar="URL[#TABLE]", help="The database, and the table.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new CSV file, or a .csv.gz.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@json_option
def export_command(task: str, url: str, out: Path, force: bool, as_json: bool) -> None:
    """Write TASK's rows to a CSV file that can be loaded again."""
    from training.data.database.address import read_address
    from training.data.database.export import export

    with _progress_bar(f"Writing {out.name}") as report:
        rows = export(_task(task), read_address(url, task), out, force=force, report=report)
    if as_json:
        click.echo(json.dumps({"file": str(out), "rows": rows}))
    else:
        click.echo(f"{rows:,} rows are in {out}.")


def _task(name: str) -> "Task":
    from training.tasks import select

    return select([name])[0]


@contextmanager
def _progress_bar(verb: str) -> "Iterator[Callable[[LoadProgress], None]]":
    """A function that shows progress: a bar on a terminal, a line every few seconds elsewhere."""
    columns = (
        SpinnerColumn(),
        TextColumn(verb),
        BarColumn(20),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    began = printed = time.monotonic()
    with Progress(*columns, console=SCREEN, transient=True, disable=not SCREEN.is_terminal) as bars:
        bar = bars.add_task(verb, total=None, rows="")

        def report(progress: "LoadProgress") -> None:
            nonlocal printed
            now = time.monotonic()
            speed = progress.summary.read / max(now - began, 1e-9)
            rows = f"{progress.summary.read:,} rows, {speed:,.0f}/s"
            bars.update(bar, completed=progress.done, total=progress.total, rows=rows)
            if not SCREEN.is_terminal and now - printed >= LINE_SECONDS:
                printed = now
                share = progress.done / max(progress.total, 1)
                left = (now - began) * (1 - share) / max(share, 1e-9)
                line = f"{verb}: {share:.0%}, {rows}, {left:.0f} s left"
                SCREEN.print(line, soft_wrap=True, highlight=False)

        yield report


def _show_summary(summary: "LoadSummary", address: str, refused_file: Path) -> None:
    notes = [f"{summary.loaded:,} loaded"]
    notes += [f"{summary.changed:,} changed"] if summary.changed else []
    notes += [f"{summary.known:,} known already"] if summary.known else []
    notes += [f"{rows:,} without {column} left out" for column, rows in summary.dropped.items()]
    notes += [f"{summary.refused:,} refused"] if summary.refused else []
    click.echo(f"{summary.read:,} rows read: {', '.join(notes)}. They are in {address}.")
    if summary.refused:
        click.echo(f"The refused rows are in {refused_file}, each with its line and the reason.")


def _show_tables(tables: Sequence[Mapping[str, Any]]) -> None:
    if not tables:
        click.echo("There are no tables of rows yet; `concord data load` makes one.")
        return
    view = _table("table", "task", "rows", "loads", "newest load", right=("rows", "loads"))
    for table in tables:
        newest = table["loads"][0] if table["loads"] else None
        load = f"{newest['source']}, {newest['began_at']}" if newest else ""
        view.add_row(table["table"], table["task"], f"{table['rows']:,}", str(len(table["loads"])), load)
    click.echo(_rendered(view))


def _show_table(table: Mapping[str, Any]) -> None:
    click.echo(f"{table['table']}: {table['rows']:,} rows of {table['task']} in {table['database']}")
    view = _table("column", "empty", "least", "mean", "most", "choices")
    for column in table["columns"]:
        values = [column.get(name) for name in ("least", "mean", "most")]
        numbers = ["" if value is None else f"{value:,.6g}" for value in values]
        choices = ", ".join(f"{name} {rows:,}" for name, rows in column.get("choices", {}).items())
        view.add_row(column["name"], f"{column['empty']:,}" if column["empty"] else "", *numbers, choices)
    click.echo(_rendered(view))
    view = _table("loaded from", "began", "ended", "read", "loaded", "changed", "known", "refused")
    for load in table["loads"]:
        counts = [f"{load[name]:,}" for name in ("read", "loaded", "changed", "known", "refused")]
        view.add_row(load["source"], load["began_at"], load["ended_at"] or "cut off", *counts)
    click.echo(_rendered(view))


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _rendered(table: Table) -> str:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()
