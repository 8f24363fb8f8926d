"""`concord upkeep`: one pass over the served models, or one every so often.

The pass is `python -m training upkeep`, a process of its own like all training. Between passes nothing is
remembered: a pass that fails is said, and the next one begins anew.
"""

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click

from concord.cli.console import Command, err, json_option
from concord.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

GIVING_WAY = ("nice", "-n", "10")
"""Before the pass: retraining takes all cores that it gets, and a laptop's nodes answer with the same."""

FAILED = 1
"""Exit status of a pass in which something failed; 2 where the user can mend it."""


@click.command("upkeep", cls=Command, short_help="Retrain, promote and roll back models as is due.")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option(
    "--every",
    "minutes",
    type=click.FloatRange(0, min_open=True),
    metavar="MINUTES",
    help="Again and again, with so many minutes between, until Ctrl-C.",
)
@json_option
def upkeep(*, tasks: tuple[str, ...], minutes: float | None, as_json: bool) -> None:
    """Look at every model of TASK, or of all tasks, and do what is due.

    A model whose rows, answers or errors have drifted is retrained from the labelled rounds. What passes
    the gate answers beside the champion; once its labels show it better it is promoted, and
    taken back if it does worse than its predecessor. Limits are settings CONCORD_UPKEEP_….

    \b
    Examples:
      concord upkeep
      concord upkeep loan_default --every 10
    """
    from concord.cli.home import project, settings
    from concord.cli.up.processes import tethered

    read = settings()
    if read.token is None:
        raise ConfigurationError(
            "Upkeep decides about models, which takes a token that administers. On the machine that runs "
            "Concord: export CONCORD_TOKEN=$(concord tokens add upkeep --administers)",
            field="CONCORD_TOKEN",
        )
    command = [sys.executable, "-m", "training", "upkeep", *tasks, *(["--json"] if as_json else [])]
    command = tethered([*(GIVING_WAY if shutil.which(GIVING_WAY[0]) else ()), *command])
    root = project()
    while True:
        status = subprocess.run(command, env=_environment(root), check=False).returncode
        if minutes is None or status not in {0, FAILED}:
            raise SystemExit(status)
        with err().status(f"The next pass is at {_clock(minutes)}; Ctrl-C ends this."):
            time.sleep(minutes * 60)


def _environment(root: "Path") -> dict[str, str]:
    """Of the pass: the service and the registry of what runs in this home, unless others are named."""
    from concord.cli.home import Home, environment, service_url, settings

    read = settings()
    assert read.token is not None
    registry = Home(read.home).running().get("mlflow")
    known = {"MLFLOW_TRACKING_URI": str(registry)} if registry else {}
    return {
        **known,
        **environment(root, read.home),
        "CONCORD_URL": service_url(read),
        "CONCORD_TOKEN": read.token.get_secret_value(),
    }


def _clock(minutes: float) -> str:
    return time.strftime("%H:%M", time.localtime(time.time() + minutes * 60))
