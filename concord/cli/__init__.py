"""The command line: `concord up`, `predict`, `demo` and what operators need.

An edge: it reads arguments, asks the consensus service or the local files, and prints. Training, services and
pages are started as processes and never imported. A command's module is imported when the command is listed
or run, and what is heavy in it when it is used, so that `--help` answers at once.
"""

import os

import click

from concord import __version__
from concord.cli.console import Group
from concord.util.telemetry import switch_off

# A command's module imports what it needs after this.
switch_off()

COMMANDS = (
    "up",
    "demo",
    "predict",
    "feedback",
    "tasks",
    "nodes",
    "rounds",
    "explain",
    "drift",
    "ledger",
    "release",
    "stake",
    "tokens",
    "train",
    "data",
    "models",
    "upkeep",
    "doctor",
)
"""The commands, each a module of `concord.cli.commands`, in the order in which a newcomer meets them."""

main = Group(
    name="concord",
    lazy={name: f"concord.cli.commands.{name}:{name}" for name in COMMANDS},
    help="""Ask several models, answer with their consensus, and show the evidence.

    \b
    Start everything on this machine:   concord up
    See how a consensus comes about:    concord demo
    Ask:                                concord predict iris sepal_length=6.0 sepal_width=2.7 \\
                                          petal_length=5.1 petal_width=1.6

    CONCORD_HOME (.concord) is where everything is kept, CONCORD_URL the service that is asked.
    """,
)


def _trust(_context: click.Context, _option: click.Parameter, path: str | None) -> None:
    if path is not None:
        os.environ["CONCORD_CA"] = path


click.option(
    "--ca",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    expose_value=False,
    callback=_trust,
    help="Certificate of the private authority that signed the service's (or CONCORD_CA).",
)(main)
click.version_option(__version__, prog_name="concord", message="%(prog)s %(version)s")(main)

__all__ = ["main"]
