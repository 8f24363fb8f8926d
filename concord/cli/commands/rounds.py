"""`concord rounds`: what was asked and answered, and forgetting what a row said."""

import re
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import click

from concord.cli.console import Group, json_option, out, print_json, table
from concord.errors import InvalidInput
from concord.types.rounds import Round

# Client and journal are imported by what uses them.

MARKS: Final = {"ok": "[green]✓[/]", "degraded": "[yellow]![/]", "no_quorum": "[red]✗[/]"}

_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ID: Final = re.compile(r"[0-9a-f]{32}")


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
    from concord.cli.home import connect

    start = moment(since, datetime.now(UTC)) if since else None
    with connect() as client:
        found = list(islice(client.all_rounds(task=task, status=status, since=start), limit))
    if as_json:
        print_json(found)
    elif found:
        _list(found)
    else:
        click.echo("No rounds. `concord predict` makes one.")


@rounds.command("show")
@click.argument("round_id", metavar="ID")
@json_option
def show(*, round_id: str, as_json: bool) -> None:
    """Show one round: its row, its answer, every vote and what it did to stake.

    \b
    Example:
      concord rounds show 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f
    """
    from concord.cli.home import connect
    from concord.cli.text.key_values import pairs
    from concord.cli.text.verdicts import show as show_verdict

    with connect() as client:
        found = client.round(round_id)
        schema = client.schema(found.task)
    if as_json:
        print_json(found)
        return
    console = out()
    console.print(f"[dim]{found.task}, {found.time}[/]", soft_wrap=True)
    asked = " ".join(pairs(found.features)) if found.features else "The row was forgotten or has expired."
    console.print(asked, soft_wrap=True, markup=False)
    console.print()
    show_verdict(console, found.verdict, schema)
    if found.deltas:
        moved = ", ".join(f"{node} {change:+,.10g}" for node, change in found.deltas.items() if change)
        console.print(f"[dim]Stake moved:[/] {moved or 'none'}", soft_wrap=True)


@rounds.command("forget")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
def forget(*, ids: tuple[str, ...], as_json: bool) -> None:
    """Forget for good what was asked in some rounds; answers and votes are kept.

    Works on the journal itself, whether or not the service runs.

    \b
    Example:
      concord rounds forget 5f0c7d1e9a2b4c6d8e0f1a2b3c4d5e6f
    """
    from concord.cli.stores import open_journal

    for one in ids:
        if not _ID.fullmatch(one):
            raise InvalidInput(f"{one[:40]!r} is no round's id: 32 hexadecimal digits.", field="ID")
    wanted = list(dict.fromkeys(ids))
    with open_journal() as journal:
        known = [one for one in wanted if journal.round(one) is not None]
        forgotten = journal.forget(known)
    unknown = [one for one in wanted if one not in known]
    if as_json:
        print_json({"forgotten": forgotten, "rounds": len(wanted), "unknown": unknown})
    else:
        click.echo(f"Forgot the rows of {forgotten} of {len(wanted)} rounds.")
        if len(known) > forgotten:
            click.echo(f"{len(known) - forgotten} had none any more.")
        for one in unknown:
            click.echo(f"There is no round {one}.")
    if unknown:
        raise SystemExit(2)


def moment(text: str, now: datetime) -> str:
    """A time with its zone, from an age such as `2h` or a time; one without a zone is local.

    Raises:
        InvalidInput: It is neither.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
    try:
        return datetime.fromisoformat(text.strip()).astimezone().isoformat()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"--since takes 90s, 15m, 2h, 7d or a time such as 2026-01-31T09:00, not {text[:40]!r}.",
            field="--since",
        ) from None


def _list(found: list[Round]) -> None:
    from concord.cli.text.verdicts import answer

    made = table("", "time", "task", "answer", "agree", "id", right=("agree",))
    # The id is copied, to explain or label a round: rather than cut it, the others take a second line.
    for column in made.columns[1:4]:
        column.no_wrap = False
    for one in found:
        local = datetime.fromisoformat(one.time).astimezone()
        agreement = one.verdict.agreement
        made.add_row(
            MARKS[one.verdict.status],
            f"{local:%m-%d %H:%M:%S}",
            one.task,
            answer(one.verdict),
            "" if agreement is None else f"{agreement:.0%}",
            one.id,
        )
    out().print(made)
