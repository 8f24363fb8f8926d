"""`concord predict`: one row from the command line, or many from a file."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from concord.cli.console import Command, counting, json_option, out, print_json, table
from concord.errors import InvalidInput, Refused, ServiceAway

if TYPE_CHECKING:
    from concord.client import Client
    from concord.tasks.csv_rows import Table
    from concord.tasks.schema import TaskSchema
    from concord.tasks.values import Row
    from concord.types.answers import Verdict

# Schema, client and tables are imported by what uses them.

CHUNK: Final = 1000
"""Rows in one call: the most that a service takes unless told otherwise."""

PATIENCE: Final = 60.0
"""Seconds for which a busy or absent service is asked again before the file is given up."""


@click.command("predict", cls=Command)
@click.argument("task")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--file", "source", type=click.Path(path_type=Path), help="Ask every line of a CSV file.")
@click.option(
    "--out", "target", type=click.Path(path_type=Path), help="Write the answers there, not to the screen."
)
@click.option("--force", is_flag=True, help="Overwrite the file of --out.")
@json_option
def predict(
    *, task: str, pairs: tuple[str, ...], source: Path | None, target: Path | None, force: bool, as_json: bool
) -> None:
    """Ask all nodes of TASK, and show their consensus and every vote.

    Without keys it shows what TASK takes. A file needs a header with the task's columns; others are
    kept and not sent. The answers' file has the same lines with answer, agreement, status and id.

    \b
    Examples:
      concord predict iris
      concord predict iris sepal_length=6.0 sepal_width=2.7 petal_length=5.1 petal_width=1.6
      concord predict loan_default --file loans.csv --out answers.csv
    """
    from concord.cli.home import connect

    if source is not None and pairs:
        raise InvalidInput("Give key=value or --file, not both.", field="--file")
    if target is not None and source is None:
        raise InvalidInput("--out goes with --file.", field="--out")
    with connect() as client:
        schema = client.schema(task)
        if source is not None:
            _predict_file(client, task, schema, source, target, force=force, as_json=as_json)
        elif pairs:
            _predict_row(client, task, schema, pairs, as_json=as_json)
        else:
            _show_schema(task, schema, as_json=as_json)


def _predict_row(
    client: "Client", task: str, schema: "TaskSchema", pairs: Sequence[str], *, as_json: bool
) -> None:
    from concord.cli.text.key_values import read_pairs
    from concord.cli.text.verdicts import show

    document: object
    try:
        document = response = client.predict(task, [read_pairs(schema, pairs)])
        verdicts = response.verdicts
    except Refused as error:
        document, verdicts = error.body, _evidence(error)
        if not verdicts:
            raise
    if as_json:
        print_json(document)
    else:
        show(out(), verdicts[0], schema)
    if verdicts[0].status == "no_quorum":
        raise SystemExit(1)


def _evidence(error: Refused) -> "list[Verdict]":
    """What the nodes did where their quorum was missed; nothing where the refusal has another reason."""
    from concord.client import verdicts_of

    return verdicts_of(error) if error.code == "no_quorum" else []


def _show_schema(task: str, schema: "TaskSchema", *, as_json: bool) -> None:
    from concord.cli.up.welcome import command
    from concord.tasks.values import describe

    if as_json:
        print_json(schema.to_json())
        return
    console = out()
    console.print(f"[bold]{task}[/]  {schema.title}. {schema.description}\n")
    keys = table("key", "what", "description")
    for feature in schema.features:
        keys.add_row(feature.name, describe(feature), feature.description)
    console.print(keys)
    value = schema.value
    answers = f"{value.name} in {value.unit}" if value else ", ".join(label.name for label in schema.labels)
    console.print(f"\nAnswers: {answers}\n\nFor example:\n")
    console.print(
        "\n".join(f"  {line}" for line in command(task, schema.example)), soft_wrap=True, markup=False
    )


def _predict_file(
    client: "Client",
    task: str,
    schema: "TaskSchema",
    source: Path,
    target: Path | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    from concord.cli.files import table_file

    if target is not None:
        table_file.check_target(source, target, force=force)
    found = table_file.load(source, schema)
    verdicts = _ask_all(client, task, found)
    if target is not None:
        table_file.write(target, table_file.render(found, verdicts))
        _summarise(task, found, verdicts, target, as_json=as_json)
    elif as_json:
        for verdict in verdicts:
            print_json(verdict)
    else:
        click.echo(table_file.render(found, verdicts), nl=False)
    if any(verdict.status == "no_quorum" for verdict in verdicts):
        raise SystemExit(1)


def _ask_all(client: "Client", task: str, found: "Table") -> "list[Verdict]":
    verdicts: list[Verdict] = []
    total = len(found.rows)
    with counting("Asking", "rows", total) as told:
        for start in range(0, total, CHUNK):
            verdicts += ask(client, task, found.rows[start : start + CHUNK])
            told(len(verdicts), total)
    return verdicts


def ask(
    client: "Client", task: str, rows: "Sequence[Row]", sleep: Callable[[float], None] = time.sleep
) -> "list[Verdict]":
    """Asks some rows, and waits where the service is busy or its task has no nodes yet.

    Rows without a quorum have a verdict too, with what each node did.

    Raises:
        Refused: The service refuses the rows.
        ServiceAway: It has not answered for a minute.
    """
    waited = 0.0
    while True:
        try:
            return client.predict(task, rows).verdicts
        except Refused as error:
            if verdicts := _evidence(error):
                return verdicts
            if error.code == "too_large" and len(rows) > 1:
                half = len(rows) // 2
                return ask(client, task, rows[:half], sleep) + ask(client, task, rows[half:], sleep)
            if (error.answered != 429 and error.code != "no_quorum") or waited >= PATIENCE:
                raise
            pause = error.retry_after or 1.0
        except ServiceAway:
            if waited >= PATIENCE:
                raise
            pause = 1.0
        sleep(pause)
        waited += pause


def _summarise(
    task: str, found: "Table", verdicts: "Sequence[Verdict]", target: Path, *, as_json: bool
) -> None:
    from concord.cli.text.verdicts import answer

    statuses = Counter(verdict.status for verdict in verdicts)
    if as_json:
        summary: dict[str, Any] = {
            "task": task,
            "rows": len(verdicts),
            "out": str(target),
            "status": dict(statuses),
        }
        print_json({**summary, "not_sent": list(found.unsent)})
        return
    console = out()
    said = Counter(answer(verdict) for verdict in verdicts if verdict.label is not None)
    console.print(f"[green]✓[/] {len(verdicts)} rows answered, written to {target}.", soft_wrap=True)
    if said:
        console.print(
            "  " + ", ".join(f"{name} {count}" for name, count in said.most_common()), soft_wrap=True
        )
    console.print(
        "  " + ", ".join(f"{name} {count}" for name, count in sorted(statuses.items())), soft_wrap=True
    )
    if found.unsent:
        console.print(f"  [dim]Kept and not sent: {', '.join(found.unsent)}[/]", soft_wrap=True)
