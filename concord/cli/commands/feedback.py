"""`concord feedback`: sends the true labels of rounds, one or a file of them.

The same label may be sent again, so a call without an answer is repeated, and a file that was interrupted is
sent again whole.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import Command, json_option, print_json, print_line, progress_bar
from concord.cli.home import connect
from concord.cli.retry import call_until_answered
from concord.cli.text.values import count
from concord.errors import ConcordError, InvalidInput, Refused

if TYPE_CHECKING:
    from concord.cli.files.label_file import FileLabel
    from concord.client import Client
    from concord.types.rounds import LabelResult

    Failure = tuple[FileLabel, LabelResult]

CHUNK: Final = 100
"""Labels in one call: each is a transaction of the journal's, which others wait for."""

SHOWN: Final = 20
"""Failed lines that a person is shown; `--json` has all."""

_ACCEPTED: Final = ("accepted", "known")
_STATUSES: Final = (*_ACCEPTED, "conflict", "unknown", "expired", "invalid", "forbidden")


@click.command("feedback", cls=Command, short_help="Say what was true of rounds.")
@click.argument("source", metavar="FILE.csv|ID")
@click.argument("label", required=False)
@click.option("--id-column", default="id", show_default=True, help="Column with the rounds' ids.")
@click.option("--label-column", default="label", show_default=True, help="Column with what was true.")
@click.option("--settled", is_flag=True, help="Wait until the labels are settled in a block.")
@json_option
def feedback(
    *, source: str, label: str | None, id_column: str, label_column: str, settled: bool, as_json: bool
) -> None:
    """Say what was true of rounds: LABEL of the round ID, or of every line of a CSV file.

    A label is a class's name or number, or the value of a regression. A round has one: the same again is
    fine, another one is refused. The service asks for a token (CONCORD_TOKEN) that labels the task.

    \b
    Examples:
      concord feedback 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f virginica
      concord feedback answers.csv --label-column species
    """
    from concord.cli.files.label_file import FileLabel, load, read_id, read_label

    with connect() as client:
        classes = _read_classes(client)
        labels: tuple[FileLabel, ...]
        if label is not None:
            labels = (FileLabel(1, read_id(source), read_label(label, classes)),)
        else:
            _check_is_file(source)
            labels = load(Path(source), id_column, label_column, classes)
        results = _send_all(client, labels, settled=settled)
    pairs = zip(labels, results, strict=True)
    failures = [pair for pair in pairs if pair[1].status not in _ACCEPTED]
    if as_json:
        _print_results(results, failures)
    else:
        _show_results(results, failures, is_file=label is None)
    if failures:
        raise SystemExit(1)


def send(
    client: "Client",
    labels: "Sequence[FileLabel]",
    *,
    settled: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> "list[LabelResult]":
    """Sends some labels, and waits where the service is busy or away.

    Raises:
        Refused: The service refuses them all for one reason, such as the token.
        ServiceAway: It has not answered for a minute.
    """
    from concord.client import results_of

    documents = [label.document for label in labels]
    return call_until_answered(
        lambda: client.feedback(documents, settled=settled).labels,
        results_of,
        lambda error: error.answered in (429, 503),
        sleep,
    )


def _read_classes(client: "Client") -> set[str] | None:
    """The classes of all tasks; None where some task's are not known yet."""
    try:
        schemas = [client.schema(task.task) for task in client.tasks()]
    except Refused:
        return None
    return {label.name for schema in schemas for label in schema.labels}


def _check_is_file(source: str) -> None:
    from concord.cli.files.label_file import ID

    if ID.fullmatch(source) and not Path(source).exists():
        raise InvalidInput(
            f"What was true of this round? `concord feedback {source} LABEL` says it.", field="LABEL"
        )


def _send_all(client: "Client", labels: "Sequence[FileLabel]", *, settled: bool) -> "list[LabelResult]":
    results: list[LabelResult] = []
    with progress_bar("Sending", "labels", len(labels)) as advance:
        try:
            for start in range(0, len(labels), CHUNK):
                results += send(client, labels[start : start + CHUNK], settled=settled)
                advance(len(results), len(labels))
        except ConcordError:
            if results:
                click.echo(
                    f"{len(results)} of {len(labels)} labels were sent. Send the file again: those that were "
                    "accepted are skipped then.",
                    err=True,
                )
            raise
    return results


def _count_statuses(results: "Sequence[LabelResult]") -> dict[str, int]:
    counts = Counter(result.status for result in results)
    return {status: counts[status] for status in _STATUSES if counts[status]}


def _print_results(results: "Sequence[LabelResult]", failures: "Sequence[Failure]") -> None:
    settled = sum(result.settlement == "settled" for result in results)
    documents = [
        {"line": label.line, "id": label.id, "status": result.status, "error": result.error}
        for label, result in failures
    ]
    statuses = _count_statuses(results)
    print_json({"labels": len(results), "status": statuses, "settled": settled, "failures": documents})


def _show_results(results: "Sequence[LabelResult]", failures: "Sequence[Failure]", *, is_file: bool) -> None:
    settlements = Counter(result.settlement for result in results if result.status in _ACCEPTED)
    statuses = ", ".join(f"{status} {number}" for status, number in _count_statuses(results).items())
    mark = "[red]✗[/]" if failures else "[green]✓[/]"
    print_line(f"{mark} {count(len(results), 'label')}: {statuses}.")
    if settled := [result.block or 0 for result in results if result.settlement == "settled"]:
        print_line(f"  {len(settled)} settled, the newest in block {max(settled)}.")
    if settlements["due"]:
        print_line(f"  Still to settle, in the next block: {settlements['due']}.")
    if settlements["none"]:
        print_line(f"  Of rounds below the quorum, so no stake moves: {settlements['none']}.")
    for label, result in failures[:SHOWN]:
        line = f"line {label.line}, " if is_file else ""
        message = (result.error or {}).get("message") or ""
        print_line(f"  {line}{label.id}: {result.status}. {message}", markup=False)
    if failures[SHOWN:]:
        print_line(f"  … and {len(failures) - SHOWN} more; --json lists all.")
