"""`concord predict`: asks one row from the command line, or many from a file."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import (
    Command,
    json_option,
    out,
    print_file,
    print_json,
    print_line,
    progress_bar,
    table,
)
from concord.cli.home import connect
from concord.cli.retry import call_until_answered
from concord.cli.text.values import count
from concord.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from concord.client import Client
    from concord.tasks.csv_rows import Table
    from concord.tasks.schema import TaskSchema
    from concord.tasks.values import Row
    from concord.types.answers import Verdict

# Schema, client and tables are imported by what uses them.

CHUNK: Final = 1000
"""Rows in one call: the most that a service takes by default."""


@click.command("predict", cls=Command)
@click.argument("task")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--file", "source", type=click.Path(path_type=Path), help="Ask every line of a CSV file.")
@click.option(
    "--out", "target", type=click.Path(path_type=Path), help="Write the answers there, not to the screen."
)
@click.option("--force", is_flag=True, help="Overwrite the files that are written.")
@click.option(
    "--rules", is_flag=True, help="With --file: fill empty cells by the rules that TASK was trained by."
)
@click.option(
    "--skip-invalid",
    is_flag=True,
    help="With --file: leave out lines that are wrong, and write them to a file.",
)
@json_option
def predict(
    *,
    task: str,
    pairs: tuple[str, ...],
    source: Path | None,
    target: Path | None,
    force: bool,
    rules: bool,
    skip_invalid: bool,
    as_json: bool,
) -> None:
    """Ask all nodes of TASK, and show their consensus and every vote.

    Without keys it shows what TASK takes. A file needs a header with the task's columns; others are
    kept and not sent. The answers' file has the same lines with answer, agreement, status and id.

    \b
    Examples:
      concord predict iris
      concord predict iris sepal_length=6.0 sepal_width=2.7 petal_length=5.1 petal_width=1.6
      concord predict loan_default --file loans.csv --out answers.csv
      concord predict loan_amount --file people.csv --rules --skip-invalid --out answers.csv
    """
    _check_options(source, pairs, {"--out": target, "--rules": rules, "--skip-invalid": skip_invalid})
    with connect() as client:
        schema = client.schema(task)
        if source is not None:
            options = _FileOptions(source, target, rules, skip_invalid, force)
            _predict_file(client, schema, options, as_json=as_json)
        elif pairs:
            _predict_row(client, schema, pairs, as_json=as_json)
        else:
            _show_schema(schema, as_json=as_json)


def _check_options(source: Path | None, pairs: Sequence[str], of_file: Mapping[str, object]) -> None:
    if source is not None and pairs:
        raise InvalidInput("Give key=value or --file, not both.", field="--file")
    alone = next((option for option, value in of_file.items() if value), None)
    if alone and source is None:
        raise InvalidInput(f"{alone} goes with --file.", field=alone)


def _predict_row(client: "Client", schema: "TaskSchema", pairs: Sequence[str], *, as_json: bool) -> None:
    from concord.cli.text.key_values import read_pairs
    from concord.cli.text.verdicts import show_verdict

    document: object
    try:
        document = response = client.predict(schema.task, [read_pairs(schema, pairs)])
        verdicts = response.verdicts
    except Refused as error:
        document, verdicts = error.body, _verdicts_without_quorum(error)
        if not verdicts:
            raise
    if as_json:
        print_json(document)
    else:
        show_verdict(verdicts[0], schema)
    if verdicts[0].status == "no_quorum":
        raise SystemExit(1)


def _verdicts_without_quorum(error: Refused) -> "list[Verdict]":
    """What the nodes did where their quorum was missed; empty where the refusal has another reason."""
    from concord.client import verdicts_of

    return verdicts_of(error) if error.code == "no_quorum" else []


def _show_schema(schema: "TaskSchema", *, as_json: bool) -> None:
    from concord.cli.text.key_values import predict_command
    from concord.tasks.values import describe

    if as_json:
        print_json(schema.to_json())
        return
    print_line(f"[bold]{schema.task}[/]  {schema.title}. {schema.description}\n")
    keys = table("key", "what", "description")
    for feature in schema.features:
        keys.add_row(feature.name, describe(feature), feature.description)
    out().print(keys)
    value = schema.value
    answers = f"{value.name} in {value.unit}" if value else ", ".join(label.name for label in schema.labels)
    print_line(f"\nAnswers: {answers}\n\nFor example:\n")
    example = predict_command(schema.task, schema.example)
    print_line("\n".join(f"  {line}" for line in example), markup=False)


def _predict_file(client: "Client", schema: "TaskSchema", options: "_FileOptions", *, as_json: bool) -> None:
    from concord.cli.files import table_file
    from concord.cli.files.out_file import replacing

    rows = _load(client, schema, options)
    verdicts = _ask_all(client, schema.task, rows.rows)
    if options.target is not None:
        with replacing(options.target) as file:
            file.write(table_file.render(rows, verdicts).encode())
        _show_summary(schema.task, rows, verdicts, options, as_json=as_json)
    elif as_json:
        for verdict in verdicts:
            print_json(verdict)
    else:
        print_file(table_file.render(rows, verdicts))
    if any(verdict.status == "no_quorum" for verdict in verdicts):
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class _FileOptions:
    """What is asked of a file."""

    source: Path
    target: Path | None
    rules: bool
    skip_invalid: bool
    force: bool

    @property
    def skipped_path(self) -> Path:
        """Where the lines go that are left out."""
        from concord.cli.files.table_file import skipped_path

        return skipped_path(self.target or self.source)


def _load(client: "Client", schema: "TaskSchema", options: _FileOptions) -> "Table":
    """The rows of the file; wrong lines are written to theirs, and what was filled or left out is said."""
    from concord.cli.files import table_file
    from concord.cli.files.out_file import replacing
    from concord.tasks.csv_rows import render_skipped
    from concord.tasks.empty_rules import NO_RULES, rules_of

    source, force = options.source, options.force
    if options.target is not None:
        table_file.check_target(source, options.target, force=force)
    if options.skip_invalid:
        table_file.check_target(source, options.skipped_path, force=force, option="--skip-invalid")
    rules = rules_of(client.profile(schema.task)) if options.rules else NO_RULES
    rows = table_file.load(source, schema, rules, skip_invalid=options.skip_invalid)
    if rows.skipped:
        with replacing(options.skipped_path) as file:
            file.write(render_skipped(rows).encode())
        lines = count(len(rows.skipped), "line")
        click.echo(
            f"Left out and written to {options.skipped_path}: {lines}, each with its reason.", err=True
        )
    if rows.filled:
        cells = ", ".join(f"{name} {number}" for name, number in rows.filled.items())
        click.echo(f"Empty cells filled by the rules of {schema.task}: {cells}.", err=True)
    return rows


def _ask_all(client: "Client", task: str, rows: "Sequence[Row]") -> "list[Verdict]":
    verdicts: list[Verdict] = []
    with progress_bar("Asking", "rows", len(rows)) as advance:
        for start in range(0, len(rows), CHUNK):
            verdicts += ask(client, task, rows[start : start + CHUNK])
            advance(len(verdicts), len(rows))
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
    try:
        return call_until_answered(
            lambda: client.predict(task, rows).verdicts,
            _verdicts_without_quorum,
            lambda error: error.answered == 429 or error.code == "no_quorum",
            sleep,
        )
    except Refused as error:
        if error.code != "too_large" or len(rows) == 1:
            raise
    half = len(rows) // 2
    return ask(client, task, rows[:half], sleep) + ask(client, task, rows[half:], sleep)


def _show_summary(
    task: str, rows: "Table", verdicts: "Sequence[Verdict]", options: _FileOptions, *, as_json: bool
) -> None:
    from concord.cli.text.verdicts import answer

    statuses = Counter(verdict.status for verdict in verdicts)
    if as_json:
        counts = {"rows": len(verdicts), "out": str(options.target), "status": dict(statuses)}
        left = {"filled": dict(rows.filled), "skipped": len(rows.skipped)}
        print_json({"task": task, **counts, "not_sent": list(rows.unsent), **left})
        return
    answers = Counter(answer(verdict) for verdict in verdicts if verdict.label is not None)
    print_line(f"[green]✓[/] {len(verdicts)} rows answered, written to {options.target}.")
    for counted in (answers.most_common(), sorted(statuses.items())):
        if counted:
            print_line("  " + ", ".join(f"{name} {count}" for name, count in counted))
    if rows.unsent:
        print_line(f"  [dim]Kept and not sent: {', '.join(rows.unsent)}[/]")
