"""`python -m training`: everything about models before they are served.

It refuses to know how anything is done: each command stands in `commands/`, reads its arguments, shows
progress on stderr and the result on stdout.
"""

import logging
import os

import click

from concord.util.proxies import set_client_variables
from training.commands.benchmark import benchmark_command
from training.commands.console import TrainingGroup
from training.commands.data import data_group
from training.commands.describe import describe_command
from training.commands.drift import drift_command
from training.commands.fit import fit_command
from training.commands.models import models_group
from training.commands.package import package_command
from training.commands.register import register_command
from training.commands.retrain import retrain_command
from training.commands.upkeep import upkeep_command


@click.group(cls=TrainingGroup)
def main() -> None:
    """Fit Concord's models, register them in MLflow and package them as bentos."""
    logging.basicConfig(level=logging.WARNING)
    set_client_variables()
    # Where its server answers by HTTP, MLflow prints a line a run to standard output, which holds results.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


COMMANDS = (
    fit_command,
    benchmark_command,
    retrain_command,
    drift_command,
    upkeep_command,
    describe_command,
    register_command,
    package_command,
    models_group,
    data_group,
)

for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m training")
