"""`python -m training package`: puts champions into BentoML's store and builds the bentos."""

import json
import re
from dataclasses import asdict
from typing import Final

import click

from concord.errors import ConfigurationError, InvalidInput, TrainingError
from concord.settings import Settings
from concord.util.bento_store import VARIABLE, store_fault
from training.commands.console import SCREEN, TrainingCommand, complain

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001


_APPOINTED: Final = re.compile(r"([a-z]\w*\.[a-z]\w*)=(\d+)@([0-9a-f]{64})")


@click.command("package", cls=TrainingCommand)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--appointed",
    multiple=True,
    metavar="TASK.NODE=VERSION@DIGEST",
    help="Pack this version instead of the champion, as `concord up` does with what the ledger appointed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the bentos' tags as JSON.")
def package_command(names: tuple[str, ...], appointed: tuple[str, ...], as_json: bool) -> None:
    """Put the champions into BentoML's store and build the bentos concord-node and concord-consensus.

    NAME is a task (iris) or a model (iris.knn); all champions where none is named. What is already
    built from the same models and code is not built again.
    """
    fault = store_fault()
    if fault is not None:
        raise ConfigurationError(fault, field=VARIABLE)
    from training.packaging.package import AppointedVersion, package

    versions = {name: AppointedVersion(*version) for name, *version in map(_read_appointed, appointed)}
    with SCREEN.status("Packaging …") as status:
        result = package(Settings.read().home, names, status.update, versions)
    if as_json:
        click.echo(json.dumps(asdict(result)))
        return
    for reason in result.refused.values():
        complain(TrainingError(reason))
    for tag in result.bentos.values():
        click.echo(f"{tag} {'unchanged' if tag in result.unchanged else 'built'}")
    click.echo(f"{len(result.models)} models: {', '.join(result.models.values())}")


def _read_appointed(text: str) -> tuple[str, str, str]:
    match = _APPOINTED.fullmatch(text)
    if match is None:
        raise InvalidInput(
            f"--appointed takes TASK.NODE=VERSION@DIGEST with a SHA-256 in hex, not {text!r}.",
            field="--appointed",
        )
    return match[1], match[2], match[3]
