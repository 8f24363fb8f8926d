"""`python -m training models`: the registry's side of `concord models`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from concord.settings import Settings
from training.commands.screen import Group

if TYPE_CHECKING:
    from training.promotion import Versions

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001


@click.group("models", cls=Group)
def models_group() -> None:
    """The registry's side of `concord models`, as JSON."""


def _versions(*, cluster: bool) -> "Versions":
    from training.promotion import Versions

    return Versions(Settings.read().home, cluster=cluster)


cluster_option = click.option("--cluster", is_flag=True, help="About what a cluster serves, not a laptop.")


@models_group.command("list")
@cluster_option
@click.option("--json", "as_json", is_flag=True, default=True, hidden=True)
def models_list_command(cluster: bool, as_json: bool) -> None:  # noqa: ARG001  how an error is shown
    """List every registered model with its versions."""
    click.echo(json.dumps(_versions(cluster=cluster).listing()))


@models_group.command("promote")
@click.argument("model")
@click.argument("version")
@click.option("--served", metavar="VERSION:DIGEST", help="What is served now, if not the champion.")
@click.option("--again", is_flag=True, help="End a promotion that was begun.")
@cluster_option
@click.option("--json", "as_json", is_flag=True, default=True, hidden=True)
def models_promote_command(
    model: str,
    version: str,
    served: str | None,
    again: bool,
    cluster: bool,
    as_json: bool,  # noqa: ARG001
) -> None:
    """Name VERSION of MODEL champion."""
    number, _, digest = (served or "").partition(":")
    known = {"version": number, "digest": digest} if served else {}
    click.echo(json.dumps(asdict(_versions(cluster=cluster).promote(model, version, known, again=again))))


@models_group.command("rollback")
@click.argument("model")
@cluster_option
@click.option("--json", "as_json", is_flag=True, default=True, hidden=True)
def models_rollback_command(model: str, cluster: bool, as_json: bool) -> None:  # noqa: ARG001
    """Name the version champion that was served before."""
    click.echo(json.dumps(asdict(_versions(cluster=cluster).roll_back(model))))


@models_group.command("settle")
@click.argument("model")
@cluster_option
@click.option("--json", "as_json", is_flag=True, default=True, hidden=True)
def models_settle_command(model: str, cluster: bool, as_json: bool) -> None:  # noqa: ARG001
    """End a rollback: forget what was served before, because it is served again."""
    _versions(cluster=cluster).settle(model)
    click.echo("null")
