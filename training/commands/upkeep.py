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
    from collections.abc import Sequence

    from concord.client import Client
    from concord.types.models import ModelView
    from training.progress import ReportStep
    from training.retraining.result import Retraining
    from training.upkeep.run import UpkeepPass, UpkeepResult

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001

STYLES = {"nothing": "dim", "too late": "dim", "failed": "red", "refused": "yellow", "rolled back": "yellow"}
"""Colours of outcomes; all others are green."""

PIPED_WIDTH = 110
"""Columns of the table where there is no terminal: reasons are long."""

REQUEST_SECONDS = 60.0
"""Time limit of one request: upkeep runs unattended, and may meet a busy service."""


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
    from training.service import connect

    with connect(REQUEST_SECONDS) as client, SCREEN.status("Looking at the models") as status:
        views = _chosen(client, tasks)
        results = list(_upkeep_pass(client, Settings.read(), status.update).run(views))
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], ensure_ascii=False))
    else:
        show(results)
    if any(result.done == "failed" for result in results):
        sys.exit(1)


def _chosen(client: "Client", tasks: tuple[str, ...]) -> "list[ModelView]":
    from concord.errors import UnknownName

    views = client.models()
    for task in tasks:
        if all(view.task != task for view in views):
            tasks_served = ", ".join(dict.fromkeys(view.task for view in views)) or "none"
            raise UnknownName(
                f"No model of a task {task!r} is served; there are {tasks_served}.", field="TASK"
            )
    return [view for view in views if not tasks or view.task in tasks]


def _upkeep_pass(client: "Client", settings: Settings, report_step: "ReportStep") -> "UpkeepPass":
    from training.registry.registry import Registry
    from training.retraining import RetrainOptions, retrain
    from training.tasks import discover
    from training.upkeep.limits import UpkeepLimits
    from training.upkeep.notes import Notes
    from training.upkeep.run import UpkeepPass

    tasks, registry = discover(), Registry(settings.home)

    def retrain_nodes(task: str, nodes: "Sequence[str]") -> "Retraining":
        return retrain(tasks[task], registry, RetrainOptions(nodes=nodes), report_step)

    def can_fit(view: "ModelView") -> bool:
        task = tasks.get(view.task)
        if task is None:
            return False
        # What a benchmark found stands in no file.
        return view.node in task.nodes or registry.recipe(view.name) is not None

    notes = Notes(registry.client)
    return UpkeepPass(client, notes, retrain_nodes, UpkeepLimits.read(), can_fit, report_step)


def show(results: "Sequence[UpkeepResult]") -> None:
    """Prints the pass for people."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("model", "phase", "v", "done"):
        table.add_column(column, no_wrap=True)
    table.add_column("why", overflow="fold")
    for result in results:
        beside = f" + {result.challenger}" if result.challenger else ""
        style = STYLES.get(result.done, "green")
        done = f"{result.done} {result.version}" if result.version else result.done
        table.add_row(
            result.model, result.phase, f"{result.champion or '?'}{beside}", f"[{style}]{done}[/]", result.why
        )
    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(table if results else "No model is served.")
