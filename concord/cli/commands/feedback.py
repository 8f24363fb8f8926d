"""`concord feedback`: says what was true of rounds, one or a file of them.

Labels that were taken are taken again without harm, so a call without an answer is repeated, and a
file that was broken off is sent again whole.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import Command, counting, json_option, out, print_json
from concord.errors import ConcordError, InvalidInput, Refused, ServiceAway

if TYPE_CHECKING:
    from concord.cli.files.label_file import FileLabel
    from concord.client import Client
    from concord.types.rounds import LabelResult

CHUNK: Final = 100
"""Labels in one call: each is a transaction of the journal's, which others wait for."""

PATIENCE: Final = 60.0
"""Seconds for which a busy or absent service is asked again before the file is given up."""

SHOWN: Final = 20
"""Failed lines that a person is shown; `--json` has all."""

_GOOD: Final = ("accepted", "known")
_STATUSES: Final = (*_GOOD, "conflict", "unknown", "expired", "invalid", "forbidden")


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
    from concord.cli.files import label_file
    from concord.cli.home import connect

    with connect() as client:
        classes = _classes(client)
        if label is not None:
            found: tuple[FileLabel, ...] = (
                label_file.FileLabel(1, label_file.check_id(source), label_file.read_label(label, classes)),
            )
        else:
            _check_is_file(source)
            found = label_file.load(Path(source), id_column, label_column, classes)
        results = _send_all(client, found, settled=settled)
    _report(found, results, one=label is not None, as_json=as_json)
    if any(result.status not in _GOOD for result in results):
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

    waited = 0.0
    while True:
        try:
            return client.feedback([label.document for label in labels], settled=settled).labels
        except Refused as error:
            if results := results_of(error):
                return results
            if error.answered not in (429, 503) or waited >= PATIENCE:
                raise
            pause = error.retry_after or 1.0
        except ServiceAway:
            if waited >= PATIENCE:
                raise
            pause = 1.0
        sleep(pause)
        waited += pause


def _classes(client: "Client") -> set[str]:
    """The classes of all tasks; nothing where some task's are not known yet."""
    found: set[str] = set()
    try:
        for task in client.tasks():
            found |= {label.name for label in client.schema(task.task).labels}
    except Refused:
        return set()
    return found


def _check_is_file(source: str) -> None:
    from concord.cli.files.label_file import ID

    if ID.fullmatch(source) and not Path(source).exists():
        raise InvalidInput(
            f"What was true of this round? `concord feedback {source} LABEL` says it.", field="LABEL"
        )


def _send_all(client: "Client", labels: "Sequence[FileLabel]", *, settled: bool) -> "list[LabelResult]":
    results: list[LabelResult] = []
    total = len(labels)
    with counting("Sending", "labels", total) as told:
        try:
            for start in range(0, total, CHUNK):
                results += send(client, labels[start : start + CHUNK], settled=settled)
                told(len(results), total)
        except ConcordError:
            if results:
                click.echo(
                    f"{len(results)} of {len(labels)} labels were sent. Send the file again: those that were "
                    "taken are known then.",
                    err=True,
                )
            raise
    return results


def _report(
    labels: "Sequence[FileLabel]", results: "Sequence[LabelResult]", *, one: bool, as_json: bool
) -> None:
    counts = Counter(result.status for result in results)
    status = {name: counts[name] for name in _STATUSES if counts[name]}
    settled = sum(result.settlement == "settled" for result in results)
    failed = [pair for pair in zip(labels, results, strict=True) if pair[1].status not in _GOOD]
    if as_json:
        failures = [
            {"line": label.line, "id": label.id, "status": result.status, "error": result.error}
            for label, result in failed
        ]
        print_json({"labels": len(results), "status": status, "settled": settled, "failures": failures})
        return
    console = out()
    mark = "[red]✗[/]" if failed else "[green]✓[/]"
    said = ", ".join(f"{name} {count}" for name, count in status.items())
    counted = "1 label" if len(results) == 1 else f"{len(results)} labels"
    console.print(f"{mark} {counted}: {said}.", soft_wrap=True)
    if settled:
        newest = max(result.block or 0 for result in results)
        console.print(f"  {settled} settled, the newest in block {newest}.", soft_wrap=True)
    good = Counter(result.settlement for result in results if result.status in _GOOD)
    if good["due"]:
        console.print(f"  Still to settle, in the next block: {good['due']}.", soft_wrap=True)
    if good["none"]:
        console.print(f"  Of rounds below the quorum, so no stake moves: {good['none']}.", soft_wrap=True)
    for label, result in failed[:SHOWN]:
        where = label.id if one else f"line {label.line}, {label.id}"
        message = (result.error or {}).get("message") or ""
        console.print(f"  {where}: {result.status}. {message}", soft_wrap=True, markup=False)
    if failed[SHOWN:]:
        console.print(f"  … and {len(failed) - SHOWN} more; --json lists all.")
