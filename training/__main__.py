"""`python -m training`: everything about models before they are served.

It refuses to know how anything is done: each command stands in `commands/`, reads its arguments, shows
progress on stderr and the result on stdout.
"""

import logging

import click

from training.commands.data import data_group
from training.commands.describe import describe_command
from training.commands.fit import fit_command
from training.commands.models import models_group
from training.commands.package import package_command
from training.commands.retrain import retrain_command
from training.commands.screen import Group


@click.group(cls=Group)
def main() -> None:
    """Fit Concord's models, register them in MLflow and package them as bentos."""
    logging.basicConfig(level=logging.WARNING)


COMMANDS = (
    fit_command,
    describe_command,
    package_command,
    models_group,
    data_group,
    retrain_command,
)

for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m training")
