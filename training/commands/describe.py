"""`python -m training describe`: the tasks as Markdown."""

import click

from training.commands.console import TrainingCommand

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# ruff: noqa: PLC0415


@click.command("describe", cls=TrainingCommand)
def describe_command() -> None:
    """Print the tasks as Markdown: features, missing values, answers, nodes."""
    from training.tasks import select
    from training.tasks_document import describe

    click.echo(describe(select(())), nl=False)
