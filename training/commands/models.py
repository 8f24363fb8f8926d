"""`python -m training models`: lists, promotes and rolls back registered versions where no service runs."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from concord.settings import Settings
from training.commands.console import TrainingGroup

if TYPE_CHECKING:
    from training.registry.aliases import RegisteredModels

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001


# Their output is always JSON; `as_json` decides how TrainingCommand shows an error.
json_option = click.option("--json", "as_json", is_flag=True, default=True, hidden=True)


@click.group("models", cls=TrainingGroup)
def models_group() -> None:
    """The registry's side of `concord models`, as JSON."""


def _versions() -> "RegisteredModels":
    from training.registry.aliases import RegisteredModels

    return RegisteredModels(Settings.read().home)


@models_group.command("list")
@json_option
def models_list_command(as_json: bool) -> None:  # noqa: ARG001  how an error is shown
    """List every registered model with its versions."""
    click.echo(json.dumps(_versions().to_json()))


@models_group.command("promote")
@click.argument("model")
@click.argument("version")
@json_option
def models_promote_command(model: str, version: str, as_json: bool) -> None:  # noqa: ARG001
    """Name VERSION of MODEL champion."""
    click.echo(json.dumps(asdict(_versions().promote(model, version))))


@models_group.command("rollback")
@click.argument("model")
@json_option
def models_rollback_command(model: str, as_json: bool) -> None:  # noqa: ARG001
    """Name the version champion that was served before."""
    click.echo(json.dumps(asdict(_versions().roll_back(model))))


@models_group.command("settle")
@click.argument("model")
@json_option
def models_settle_command(model: str, as_json: bool) -> None:  # noqa: ARG001
    """End a rollback: forget what was served before, because it is served again."""
    _versions().settle(model)
    click.echo("null")
