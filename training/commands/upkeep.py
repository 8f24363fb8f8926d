"""`python -m training upkeep`: one pass over the models that are served."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from concord.settings import Settings
from training.commands.console import SCREEN, TrainingCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from concord.client import Client
    from concord.types.models import ModelView
    from training.retraining.result import Retraining
    from training.upkeep.run import Line, Passage

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001

STYLES = {"nothing": "dim", "too late": "dim", "failed": "red", "refused": "yellow", "rolled back": "yellow"}
"""How what was done is shown; all else is good news."""

PIPED_WIDTH = 110
"""Columns of the table where nobody's terminal says: reasons are long."""

PATIENCE_SECONDS = 60.0
"""How long one answer is waited for: nobody sits before this, and a service that is busy is asked often."""


@click.command("upkeep", cls=TrainingCommand)
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def upkeep_command(tasks: tuple[str, ...], as_json: bool) -> None:
    """Look at every served model of TASK, or of all tasks, and do what is due.

    A challenger is promoted or dismissed, a new champion's watch ended or taken back, and models whose rows
    have drifted are retrained from the labelled rounds. The service is at CONCORD_URL, and CONCORD_TOKEN a
    token that administers; the registry at MLFLOW_TRACKING_URI, or below CONCORD_HOME (.concord). Limits are
    settings CONCORD_UPKEEP_…. Exit status 0: the pass went through, whatever it decided; 1: something failed.
    """
    from concord.client import Client

    settings = Settings.read()
    token = settings.token.get_secret_value() if settings.token else None
    with (
        Client(settings.url, PATIENCE_SECONDS, token) as client,
        SCREEN.status("Looking at the models") as status,
    ):
        views = _chosen(client, tasks)
        passage = _passage(client, settings, status.update)
        lines = list(passage.run(views))
    if as_json:
        click.echo(json.dumps([asdict(line) for line in lines], ensure_ascii=False))
    else:
        show(lines)
    if any(line.done == "failed" for line in lines):
        sys.exit(1)


def _chosen(client: "Client", tasks: tuple[str, ...]) -> "list[ModelView]":
    from concord.errors import UnknownName

    views = client.models()
    for task in tasks:
        if all(view.task != task for view in views):
            known = ", ".join(dict.fromkeys(view.task for view in views)) or "none"
            raise UnknownName(f"No model of a task {task!r} is served; there are {known}.", field="TASK")
    return [view for view in views if not tasks or view.task in tasks]


def _passage(client: "Client", settings: Settings, tell: "Callable[[str], None]") -> "Passage":
    from mlflow import MlflowClient

    from training.registry.champions import tracking_uri
    from training.registry.registry import Registry
    from training.retraining import retrain
    from training.tasks import discover
    from training.upkeep.limits import Limits
    from training.upkeep.notes import Notes
    from training.upkeep.run import Passage

    tasks = discover()

    def retrained(task: str, nodes: "Sequence[str]") -> "Retraining":
        return retrain(tasks[task], Registry(settings.home), nodes=nodes, tell=tell)

    def can_fit(view: "ModelView") -> bool:
        task = tasks.get(view.task)
        if task is None:
            return False
        # What a benchmark found stands in no file.
        return view.node in task.nodes or Registry(settings.home).recipe(view.name) is not None

    notes = Notes(MlflowClient(tracking_uri(settings.home)))
    return Passage(client, notes, retrained, Limits.read(), can_fit, tell)


def show(lines: "Sequence[Line]") -> None:
    """Prints the pass for people."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("model", "phase", "v", "done"):
        table.add_column(column, no_wrap=True)
    table.add_column("why", overflow="fold")
    for line in lines:
        beside = f" + {line.challenger}" if line.challenger else ""
        style = STYLES.get(line.done, "green")
        done = f"{line.done} {line.version}" if line.version else line.done
        table.add_row(
            line.model, line.phase, f"{line.champion or '?'}{beside}", f"[{style}]{done}[/]", line.why
        )
    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(table if lines else "No model is served.")
