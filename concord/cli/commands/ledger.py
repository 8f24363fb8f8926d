"""`concord ledger`: shows, verifies, exports, archives and rebuilds the ledger, and checks proofs.

The commands read what is stored themselves, files or ConfigMaps, whether or not a service runs, and trust
none of it. `prove` opens two files and reads no setting, so that anybody can run it elsewhere.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import click

from concord.cli.console import Group, ask, json_option, print_json, print_result
from concord.cli.stores import (
    copy_head,
    ledger_beside,
    ledger_store,
    note_appended,
    open_journal,
    open_ledger,
)
from concord.errors import Conflict, InvalidInput

# The ledger's modules and the journal's are imported by what uses them.

ledger_option = click.option(
    "--ledger",
    "where",
    metavar="configmap:NAMESPACE/NAME",
    help="A ledger in a cluster; by default CONCORD_LEDGER's, or the one in CONCORD_HOME.",
)


MOST_PROOF: Final = 4 << 20
"""Bytes of a proof's file: a record names each node once, and is some hundreds of them."""


@click.group("ledger", cls=Group, short_help="Show, verify, copy, mend the ledger; check proofs.")
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
    from concord.cli.text.ledger import show_block, show_head

    with open_ledger(where, read_only=True) as stored_ledger:
        block, head = stored_ledger.block(height) if height is not None else None, stored_ledger.head()
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
@click.option(
    "--without-journal", is_flag=True, help="Replay the blocks alone, and compare them with nothing."
)
@ledger_option
@json_option
def verify(*, deep: bool, without_journal: bool, where: str | None, as_json: bool) -> None:
    """Replay every block and compare it with what the journal noted.

    The exit status is 1 if anything differs, and 2 if there is no journal to compare with: then an old head
    that was put back is not noticed. --without-journal asks for no more than the replay.

    With --deep every block is settled again from the votes and labels in the journal, so that one of them
    that was changed is found, and the database checks its own tables. That takes as long as settling did:
    some thousand rounds a second.

    \b
    Examples:
      concord ledger verify
      concord ledger verify --deep
    """
    from concord.cli.text.ledger import show_verification
    from concord.cli.verification import verify_alone, verify_beside_journal

    if deep and without_journal:
        raise InvalidInput(
            "--deep settles again from the journal: leave --without-journal out.", field="--deep"
        )
    verified = verify_alone(where) if without_journal else verify_beside_journal(where, deep=deep)
    print_result(verified.to_json(), lambda _: show_verification(verified), as_json=as_json)
    if verified.status:
        raise SystemExit(verified.status)


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
    with open_journal(where) as journal:
        moved = ledger_beside(journal, where).archive(keep)
    text = f"{moved} segments were moved into the journal." if moved else "No segment is beyond those kept."
    print_result({"moved": moved, "keep": keep}, lambda _: click.echo(text), as_json=as_json)


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
    from concord.cli.files.out_file import check_out, replacing

    with open_ledger(where, read_only=True) as stored_ledger:
        if target is None:
            for line in stored_ledger.export():
                click.echo(line, nl=False)
            return
        check_out(target, force=force)
        with replacing(target) as file:
            count = sum(1 for line in stored_ledger.export() if file.write(line))
    text = f"{count} blocks were written to {target}."
    print_result({"blocks": count, "out": str(target)}, lambda _: click.echo(text), as_json=as_json)


@ledger.command("rebuild")
@click.option("--yes", is_flag=True, help="Replace a head that differs from what was written, unasked.")
@ledger_option
@json_option
def rebuild(*, yes: bool, where: str | None, as_json: bool) -> None:
    """Rebuild a lost or broken head from the segments and the journal.

    A sound head is left alone. Another one is replaced only after a question, and a copy of it is
    kept. Stop Concord before, and start it again afterwards.

    \b
    Example:
      concord ledger rebuild
    """
    with open_journal(where) as journal:
        stored_ledger = ledger_beside(journal, where, may_be_lost=True)
        noted = journal.noted_documents()
        report = stored_ledger.verify((height, block_hash) for height, block_hash, _ in noted)
        broken = bool(report.problems) and ledger_store(where).read_head() is not None
        if broken and not yes and not ask(f"{report.problems[0]} Replace the head, and keep a copy of it?"):
            raise Conflict(f"{report.problems[0]} `concord ledger rebuild --yes` replaces the head.")
        copy = copy_head(where) if broken else None
        head = stored_ledger.rebuild(noted, replace=True)
    if as_json:
        print_json({"height": head.height, "hash": head.hash, "kept": str(copy) if copy else None})
        return
    click.echo(f"The head was rebuilt: height {head.height}, hash {head.hash}.")
    if copy:
        click.echo(f"What was there is kept in {copy}.")


@ledger.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@ledger_option
@json_option
def import_file(*, file: Path, where: str | None, as_json: bool) -> None:
    """Import the blocks of an export into an empty ledger, for instance a laptop's into a cluster.

    Every block is checked before anything is written, and a ledger that is not empty is left alone. The
    journal, with its rounds, is not part of it: copy its database with the database's own tools.

    \b
    Example:
      concord ledger import blocks.jsonl --ledger configmap:concord/concord-ledger
    """

    def lines() -> Iterator[bytes]:
        with file.open("rb") as opened:
            yield from opened

    imported = ledger_beside(None, where, may_be_lost=True)
    head = imported.import_blocks(lines)
    note_appended(imported, where)
    text = f"{head.height} blocks were checked and imported. The last one's hash is {head.hash}."
    document = {"height": head.height, "hash": head.hash}
    print_result(document, lambda _: click.echo(text), as_json=as_json)


@ledger.command("prove", short_help="Check the proof of a round against an export.")
@click.argument("export_file", metavar="EXPORT", type=click.File("rb"))
@click.argument("proof", metavar="PROOF", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def prove(*, export_file: BinaryIO, proof: Path, as_json: bool) -> None:
    """Check a round's PROOF against an EXPORT of the ledger (- is standard input), and nothing else.

    Every block is replayed, and the record must lead to the root that its block names; exit status 1 if not.

    \b
    Examples:
      concord ledger prove blocks.jsonl proof.json
      concord ledger export | concord ledger prove - proof.json
    """
    from dataclasses import asdict

    from concord.cli.text.ledger import show_proven
    from concord.ledger import exports, proofs

    with proof.open("rb") as file:
        data = file.read(MOST_PROOF + 1)
    if len(data) > MOST_PROOF:
        raise InvalidInput(f"{proof} is longer than any proof.", field="PROOF")
    # No line is read beyond the length at which it is refused.
    lines = iter(lambda: export_file.readline(exports.MOST_LINE + 1), b"")
    proven = proofs.check_proof(lines, proofs.ProofDocument.read(data))
    if as_json:
        print_json({"proven": True, **asdict(proven)})
    else:
        show_proven(proven)
