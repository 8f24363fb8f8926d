"""`concord upkeep`: one pass over the served models, or one every so often.

A pass is `python -m training upkeep`, a process of its own like all training. It depends on nothing that an
earlier pass has found, so the next one begins anew after a failure.
"""

import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import Command, err, json_option
from concord.cli.home import (
    Home,
    find_project,
    process_environment,
    python_command,
    read_settings,
    service_url,
)
from concord.cli.up.processes import tethered
from concord.errors import ConfigurationError

if TYPE_CHECKING:
    from concord.settings import Settings

NICE: Final = ("nice", "-n", "10")
"""Before the command: retraining takes all cores that it gets, and a laptop's nodes answer with the same."""

FAILED: Final = 1
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
    settings = read_settings()
    if settings.token is None:
        raise ConfigurationError(
            "Upkeep decides about models, which takes a token that administers. On the machine that runs "
            "Concord: export CONCORD_TOKEN=$(concord tokens add upkeep --administers)",
            field="CONCORD_TOKEN",
        )
    command = python_command("-m", "training", "upkeep", *tasks, *(["--json"] if as_json else []))
    command = tethered([*(NICE if shutil.which(NICE[0]) else ()), *command])
    while True:
        environment = _environment(settings, settings.token.get_secret_value())
        status = subprocess.run(command, env=environment, check=False).returncode
        if minutes is None or status not in {0, FAILED}:
            raise SystemExit(status)
        next_pass = time.strftime("%H:%M", time.localtime(time.time() + minutes * 60))
        with err().status(f"The next pass is at {next_pass}; Ctrl-C ends this."):
            time.sleep(minutes * 60)


def _environment(settings: "Settings", token: str) -> dict[str, str]:
    """A pass's environment: the service and the registry that run in this home, unless others are named."""
    registry = Home(settings.home).read_state().get("mlflow")
    return {
        **({"MLFLOW_TRACKING_URI": str(registry)} if registry else {}),
        **process_environment(find_project(), settings.home),
        "CONCORD_URL": service_url(settings),
        "CONCORD_TOKEN": token,
    }
