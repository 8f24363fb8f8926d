"""`concord ledger`: balances, proof that nothing was changed, copies, old segments, a lost head.

These commands read what is stored themselves, files or ConfigMaps, whether or not a service runs, and
trust none of it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from concord.cli.commands.ledger_resettle import tell as tell_deep
from concord.cli.console import Group, ask, json_option, out, print_json
from concord.cli.text.blocks import show_block, show_head
from concord.errors import ConfigurationError, Conflict, JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from concord.ledger.audit import ChainReport
    from concord.settlement.audit import SettlementReport

# The ledger's modules and the journal's are imported by what uses them.

ledger_option = click.option(
    "--ledger",
    "where",
    metavar="configmap:NAMESPACE/NAME",
    help="A ledger in a cluster; CONCORD_LEDGER's, or the one in CONCORD_HOME, unless said.",
)


@click.group(
    "ledger",
    cls=Group,
    lazy={"prove": "concord.cli.commands.ledger_prove:prove"},
    short_help="Show, verify, copy, mend the ledger; check proofs.",
)
def ledger() -> None:
    """Show, verify, copy, archive and rebuild the ledger of stakes; check a round's proof.

    \b
    Examples:
      concord ledger show
      concord ledger verify
      concord ledger export --out blocks.jsonl
      concord ledger verify --ledger configmap:concord/concord-ledger
    """


@ledger.command("show")
@click.argument("height", required=False, type=click.IntRange(1))
@ledger_option
@json_option
def show(*, height: int | None, where: str | None, as_json: bool) -> None:
    """Show the newest balances, or the block of a HEIGHT.

    \b
    Examples:
      concord ledger show
      concord ledger show 3
    """
    from concord.cli.stores import open_ledger

    with open_ledger(where) as book:
        block, head = book.block(height) if height is not None else None, book.head()
    if block is not None and as_json:
        print_json({"hash": block.hash, **block.to_json()})
    elif block is not None:
        show_block(block)
    elif as_json:
        print_json({"height": head.height, "hash": head.hash, "unit": "µS", **head.state.to_json()})
    else:
        show_head(head)


@ledger.command("verify")
@click.option("--deep", is_flag=True, help="Settle every block again from the journal's rounds, too.")
@ledger_option
@json_option
def verify(*, deep: bool, where: str | None, as_json: bool) -> None:
    """Replay every block and compare it with what the journal noted; exit status 1 if anything differs.

    With --deep every block is settled again from the votes and labels in the journal, so that one of them
    that was changed is found. That takes as long as settling did: some thousand rounds a second.

    \b
    Examples:
      concord ledger verify
      concord ledger verify --deep
    """
    report, missing = _verified(where)
    again = _settled_again(where, report, missing) if deep else None
    if as_json:
        deeply = {"deep": again.to_json() if again else None} if deep else {}
        print_json(report.to_json() | {"compared": missing is None} | deeply)
    else:
        _tell(report, missing, again, deep=deep)
    if not report.ok or (again is not None and not again.ok):
        raise SystemExit(1)


@ledger.command("archive")
@click.option(
    "--keep", default=500, show_default=True, type=click.IntRange(1), help="Newest segments that stay."
)
@ledger_option
@json_option
def archive(*, keep: int, where: str | None, as_json: bool) -> None:
    """Copy old segments into the journal, then remove them from the store.

    Nothing is lost: `verify` and `show` read them there.

    \b
    Example:
      concord ledger archive --keep 100
    """
    from concord.cli.stores import ledger_beside, open_journal

    with open_journal(where) as journal:
        moved = ledger_beside(journal, where).archive(keep)
    if as_json:
        print_json({"moved": moved, "keep": keep})
    else:
        click.echo(
            f"{moved} segments were moved into the journal." if moved else "No segment is beyond those kept."
        )


@ledger.command("export")
@click.option("--out", "target", type=click.Path(path_type=Path), help="Write there, not to the screen.")
@click.option("--force", is_flag=True, help="Overwrite the file of --out.")
@ledger_option
@json_option
def export(*, target: Path | None, force: bool, where: str | None, as_json: bool) -> None:
    """Write all blocks as JSON lines, oldest first; with or without --json.

    \b
    Examples:
      concord ledger export --out blocks.jsonl
      concord ledger export | head -1
    """
    from concord.cli.files.out_file import appearing, check_out
    from concord.cli.stores import open_ledger

    with open_ledger(where) as book:
        if target is None:
            for line in book.export():
                click.echo(line, nl=False)
            return
        check_out(target, force=force)
        with appearing(target) as file:
            count = sum(1 for line in book.export() if file.write(line))
    if as_json:
        print_json({"blocks": count, "out": str(target)})
    else:
        click.echo(f"{count} blocks were written to {target}.")


@ledger.command("rebuild")
@click.option("--yes", is_flag=True, help="Replace a head that is not what was written, without a question.")
@ledger_option
@json_option
def rebuild(*, yes: bool, where: str | None, as_json: bool) -> None:
    """Make a lost or broken head anew from the segments and the journal.

    A head that is sound is left alone. One that is not is replaced only after a question, and a copy
    of it is kept. Stop Concord before, and start it again afterwards.

    \b
    Example:
      concord ledger rebuild
    """
    from concord.cli.stores import has_head, keep_head, ledger_beside, open_journal

    with open_journal(where) as journal:
        book = ledger_beside(journal, where, lost=True)
        noted = journal.noted_documents()
        report = book.verify((height, known) for height, known, _ in noted)
        broken = bool(report.problems) and has_head(where)
        if broken and not yes and not ask(f"{report.problems[0]} Replace the head, and keep a copy of it?"):
            raise Conflict(f"{report.problems[0]} `concord ledger rebuild --yes` replaces the head.")
        kept = keep_head(where) if broken else None
        head = book.rebuild(noted, replace=True)
    if as_json:
        print_json({"height": head.height, "hash": head.hash, "kept": str(kept) if kept else None})
        return
    click.echo(f"The head was made anew: height {head.height}, hash {head.hash}.")
    if kept:
        click.echo(f"What was there is kept in {kept}.")


@ledger.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@ledger_option
@json_option
def import_file(*, file: Path, where: str | None, as_json: bool) -> None:
    """Take the blocks of an export into an empty ledger, for instance a laptop's into a cluster.

    Every block is checked before anything is written, and a ledger that is not empty is left alone. The
    journal, with its rounds, is another thing: copy its database by the database's own means.

    \b
    Example:
      concord ledger import blocks.jsonl --ledger configmap:concord/concord-ledger
    """
    from concord.cli.stores import ledger_beside

    def lines() -> "Iterator[bytes]":
        with file.open("rb") as opened:
            yield from opened

    head = ledger_beside(None, where, lost=True).import_blocks(lines)
    if as_json:
        print_json({"height": head.height, "hash": head.hash})
    else:
        click.echo(f"{head.height} blocks were checked and taken in. The last one's hash is {head.hash}.")


def _verified(where: str | None) -> "tuple[ChainReport, str | None]":
    """What an audit finds, and why the journal took no part in it, if it did not."""
    from concord.cli.stores import has_journal, ledger_beside, open_journal

    missing = "none is known here; CONCORD_JOURNAL is its URL."
    if has_journal(where):
        try:
            with open_journal(where) as journal:
                noted = journal.noted_blocks()
                return ledger_beside(journal, where).verify(noted), None
        except JournalUnavailable as error:
            missing = f"{error.message} What was archived into it is missing below."
    return ledger_beside(None, where).verify(), missing


def _settled_again(
    where: str | None, report: "ChainReport", missing: str | None
) -> "SettlementReport | None":
    """What settling again finds; None where the chain is not sound.

    Raises:
        ConfigurationError: The journal that holds the rounds is not here.
    """
    from concord.cli.commands.ledger_resettle import resettle
    from concord.cli.stores import ledger_beside, open_journal

    if missing is not None:
        raise ConfigurationError(f"--deep settles again from the journal: {missing}", field="--deep")
    if not report.ok:
        return None
    with open_journal(where) as journal:
        return resettle(ledger_beside(journal, where), journal)


def _tell(
    report: "ChainReport", missing: str | None, again: "SettlementReport | None", *, deep: bool
) -> None:
    console = out()
    counted = f"{report.blocks} blocks in {report.segments} segments and the head"
    if report.ok:
        console.print(f"[green]✓[/] Every balance follows from the blocks: {counted} were replayed.")
    if report.ok and missing is None:
        console.print(f"  {report.noted} of them were compared with the hashes that the journal noted.")
    if missing is not None:
        console.print(
            f"  [yellow]Nothing was compared with a journal, so an old head would not be noticed:[/] "
            f"{missing}",
            soft_wrap=True,
        )
    if report.ok:
        console.print(f"  [dim]Height {report.height}, hash {report.hash}[/]", soft_wrap=True)
    for problem in report.problems:
        console.print(f"[red]✗[/] {problem}", soft_wrap=True, markup=True)
    if report.orphans:
        console.print(
            f"  [dim]{len(report.orphans)} segments of lost swaps lie beside the chain; harmless.[/]"
        )
    if again is not None:
        tell_deep(console, again)
    elif deep:
        console.print("[yellow]Nothing was settled again, since the chain itself is not sound.[/]")
