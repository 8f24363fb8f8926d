"""`concord train`: fits, registers and packages models; training runs as a process."""

import click

from concord.cli.console import Command, json_option, print_json, print_line
from concord.cli.home import find_home, find_project


@click.command("train", cls=Command, short_help="Fit, register and package models.")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option(
    "--data",
    "files",
    multiple=True,
    metavar="TASK=SOURCE",
    help="Train a task from your own rows: a CSV file, URL#table or journal. Repeatable.",
)
@json_option
def train(*, tasks: tuple[str, ...], files: tuple[str, ...], as_json: bool) -> None:
    """Fit every model of TASK, or of all tasks, register it in MLflow and package it.

    A node that was served before goes on with the version that the ledger has; `concord models promote
    TASK.NODE VERSION` serves a new one.

    \b
    Examples:
      concord train
      concord train iris
      concord train loan_default --data loan_default=loan_data.csv
    """
    from concord.cli.text.fits import summarise
    from concord.cli.up.preparation import Preparation, check_store, read_sources

    home, data = find_home(), read_sources(files)
    check_store()
    preparation = Preparation(find_project(), home.folder)
    results = preparation.fit(list(tasks) or list(data), data, missing=False)
    packaged = preparation.package()
    if as_json:
        print_json({"models": results, "bentos": dict(packaged.bentos)})
        return
    for line in summarise(results):
        print_line(f"[green]✓[/] {line}")
    print_line(f"[green]✓[/] {len(packaged.versions)} models are packaged.")
    if home.read_state():
        print_line("[yellow]![/] Concord goes on with what it serves. `concord models promote` serves these.")
