"""`python -m training register`: makes a node of an ONNX file that was made elsewhere."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from concord.errors import DataError, InvalidInput
from concord.settings import Settings
from concord.tasks.names import check_name
from training.commands.console import SCREEN, TrainingCommand

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# click hands a flag over as a plain argument.
# ruff: noqa: PLC0415, FBT001


@click.command("register", cls=TrainingCommand)
@click.argument("file", metavar="FILE.onnx", type=click.Path(path_type=Path))
@click.option("--as", "name", required=True, metavar="TASK.NODE", help="The model's registered name.")
@click.option("--accuracy", type=click.FloatRange(0, 1), help="Its held-out accuracy, for a classification.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def register_command(file: Path, name: str, accuracy: float | None, as_json: bool) -> None:
    """Register FILE.onnx as champion of TASK.NODE, with every tag that a node needs.

    The file is checked against the contract of docs/models.md first; TASK is one of training/tasks.
    """
    from training.registry.foreign import register_file
    from training.tasks import select

    task, sign, node = name.partition(".")
    if not sign:
        raise InvalidInput(f"--as takes TASK.NODE, such as iris.mine, not {name!r}.", field="--as")
    schema = select([task])[0].schema
    check_name("node", node)
    if accuracy is not None and schema.is_regression:
        raise InvalidInput(f"{task} answers with a value, which has no accuracy.", field="--accuracy")
    try:
        data = file.expanduser().read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.", field="FILE") from error
    with SCREEN.status(f"Registering {name} …"):
        version = register_file(Settings.read().home, schema, node, data, accuracy)
    if as_json:
        click.echo(json.dumps({"model": name, **asdict(version)}))
    else:
        click.echo(f"{name}, version {version.version}, is the champion. `concord up {task}` serves it.")
