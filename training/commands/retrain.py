"""`python -m training retrain`: a challenger for each node, if it can be shown to be better."""

import json
import sys
from typing import TYPE_CHECKING

import click

from concord.settings import Settings
from training.commands.console import SCREEN, TrainingCommand, complain
from training.task import SEED

if TYPE_CHECKING:
    from training.retraining.result import Retraining

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001

REFUSED = 3
"""Exit status where no node passed the gate; 1 and 2 are errors."""


@click.command("retrain", cls=TrainingCommand)
@click.argument("task")
@click.option("--old", metavar="SOURCE", help="Old rows; by default what each champion learned from.")
@click.option("--new", default="journal", show_default=True, metavar="SOURCE", help="New rows.")
@click.option("--node", "nodes", multiple=True, metavar="NODE", help="Only this node. Repeatable.")
@click.option("--seed", default=SEED, show_default=True, help="Seed of draws, of the fit and of intervals.")
@click.option(
    "--seeds",
    default=5,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Repetitions on validation rows, and fits whose mean is shown.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def retrain_command(
    task: str, old: str | None, new: str, nodes: tuple[str, ...], seed: int, seeds: int, as_json: bool
) -> None:
    """Retrain the nodes of TASK, and register those that pass the gate as challengers.

    SOURCE is a CSV file, URL#table of a database, journal (the labelled rounds of a running service) or
    generator. A fifth of the new rows, the newest where they are dated, is set aside; champion and
    challenger are judged on it. Exit status 0: a challenger was registered; 3: the gate refused.
    """
    from training.tasks import select

    (chosen,) = select([task])
    with SCREEN.status("Opening the registry") as status:
        from training.registry.registry import Registry
        from training.retraining import RetrainOptions, retrain

        options = RetrainOptions(old, new, nodes, seed, seeds)
        retraining = retrain(chosen, Registry(Settings.read().home), options, status.update)
    if as_json:
        click.echo(json.dumps(retraining.to_json(), ensure_ascii=False))
    else:
        from training.commands.retrain_report import show

        show(chosen, retraining, seed)
    _exit(retraining)


def _exit(retraining: "Retraining") -> None:
    failed = [node.error for node in retraining.nodes if node.error]
    for error in failed:
        complain(error)
    if not retraining.passed:
        sys.exit(1 if failed else REFUSED)
