"""`concord rounds`: lists rounds, shows one, and deletes the rows of some."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import click

from concord.cli.console import Group, json_option, out, print_json, print_line, print_result, table
from concord.cli.home import connect
from concord.cli.stores import open_journal
from concord.errors import InvalidInput
from concord.types.rounds import Round

# Client and journal are imported by what uses them.

MARKS: Final = {"ok": "[green]✓[/]", "degraded": "[yellow]![/]", "no_quorum": "[red]✗[/]"}

_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@click.group(
    "rounds",
    cls=Group,
    invoke_without_command=True,
    short_help="List rounds; show one; forget what was asked.",
)
@click.option("--task", help="Only rounds of this task.")
@click.option(
    "--status", type=click.Choice(["ok", "degraded", "no_quorum"]), help="Only rounds of this status."
)
@click.option("--since", metavar="WHEN", help="Only later ones: 90s, 15m, 2h, 7d or 2026-01-31T09:00.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@json_option
@click.pass_context
def rounds(
    ctx: click.Context, *, task: str | None, status: str | None, since: str | None, limit: int, as_json: bool
) -> None:
    """List rounds, newest first; show one; forget what was asked in some.

    \b
    Examples:
      concord rounds --task iris --since 2h
      concord rounds show 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f
      concord rounds forget 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f
    """
    if ctx.invoked_subcommand is not None:
        return
    start = read_moment(since, datetime.now(UTC)) if since else None
    with connect() as client:
        newest = list(islice(client.all_rounds(task=task, status=status, since=start), limit))
    print_result(newest, _show_rounds, as_json=as_json)


@rounds.command("show")
@click.argument("round_id", metavar="ID")
@json_option
def show(*, round_id: str, as_json: bool) -> None:
    """Show one round: its row, its answer, every vote and what it did to stake.

    \b
    Example:
      concord rounds show 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f
    """
    from concord.cli.text.key_values import format_pairs
    from concord.cli.text.verdicts import show_verdict

    with connect() as client:
        round_ = client.round(round_id)
        schema = client.schema(round_.task)
    if as_json:
        print_json(round_)
        return
    print_line(f"[dim]{round_.task}, {round_.time}[/]")
    row = format_pairs(round_.features) if round_.features else ["The row was forgotten or has expired."]
    print_line(" ".join(row), markup=False)
    print_line("")
    show_verdict(round_.verdict, schema)
    if round_.deltas:
        moved = ", ".join(f"{node} {change:+,.10g}" for node, change in round_.deltas.items() if change)
        print_line(f"[dim]Stake moved:[/] {moved or 'none'}")


@rounds.command("forget")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
def forget(*, ids: tuple[str, ...], as_json: bool) -> None:
    """Forget for good what was asked in some rounds; answers and votes are kept.

    Works on the journal itself, whether or not the service runs. Where a reader keeps the rows in the log of
    SQLite's file a little longer, that is said, and the exit status is 1: run it again.

    \b
    Example:
      concord rounds forget 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f
    """
    from concord.cli.files.label_file import read_id

    round_ids = list(dict.fromkeys(read_id(text, field="ID") for text in ids))
    with open_journal() as journal:
        existing = [round_id for round_id in round_ids if journal.round(round_id) is not None]
        forgotten = journal.forget(existing)
    unknown = [round_id for round_id in round_ids if round_id not in existing]
    if as_json:
        counted = {"forgotten": forgotten.rounds, "rounds": len(round_ids), "unknown": unknown}
        print_json(counted | {"wiped": forgotten.is_wiped})
    else:
        click.echo(f"Forgot the rows of {forgotten.rounds} of {len(round_ids)} rounds.")
        if len(existing) > forgotten.rounds:
            click.echo(f"{len(existing) - forgotten.rounds} had none any more.")
        if not forgotten.is_wiped:
            click.echo(
                "They are in the log of the journal's file as long as a reader needs it: run this again."
            )
        for round_id in unknown:
            click.echo(f"There is no round {round_id}.")
    if unknown:
        raise SystemExit(2)
    if not forgotten.is_wiped:
        raise SystemExit(1)


def read_moment(text: str, now: datetime) -> str:
    """Reads a time with its zone, from an age such as `2h` or a time; one without a zone is local.

    Raises:
        InvalidInput: It is neither.
    """
    age = _AGE.fullmatch(text.strip())
    if age:
        return (now - timedelta(**{_UNITS[age[2]]: int(age[1])})).isoformat()
    try:
        return datetime.fromisoformat(text.strip()).astimezone().isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"--since takes 90s, 15m, 2h, 7d or a time such as 2026-01-31T09:00, not {text[:40]!r}.",
            field="--since",
        ) from None


def _show_rounds(rounds: Sequence[Round]) -> None:
    from concord.cli.text.verdicts import answer

    if not rounds:
        click.echo("No rounds. `concord predict` makes one.")
        return
    rows = table("", "time", "task", "answer", "agree", "id", right=("agree",))
    # The id is copied, to explain or label a round: rather than cut it, the others take a second line.
    for column in rows.columns[1:4]:
        column.no_wrap = False
    for round_ in rounds:
        local = datetime.fromisoformat(round_.time).astimezone()
        agreement = round_.verdict.agreement
        rows.add_row(
            MARKS[round_.verdict.status],
            f"{local:%m-%d %H:%M:%S}",
            round_.task,
            answer(round_.verdict),
            "" if agreement is None else f"{agreement:.0%}",
            round_.id,
        )
    out().print(rows)
