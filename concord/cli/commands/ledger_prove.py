"""`concord ledger prove`: checks a round's proof against an export of the ledger, and nothing else.

It opens two files. No journal, no ledger's store, no service and no setting has a part in it, so whoever
doubts this installation can run it elsewhere.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from concord.cli.console import Command, json_option, out, print_json
from concord.errors import InvalidInput

if TYPE_CHECKING:
    from concord.ledger.proofs import ProvenRound

MOST_PROOF: Final = 4 << 20
"""Bytes of a proof's file: a record names each node once, and is some hundreds of them."""


@click.command("prove", cls=Command, short_help="Check the proof of a round against an export.")
@click.argument("export", metavar="EXPORT", type=click.File("rb"))
@click.argument("proof", metavar="PROOF", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def prove(*, export: BinaryIO, proof: Path, as_json: bool) -> None:
    """Check a round's PROOF against an EXPORT of the ledger (- is standard input), and nothing else.

    Every block is replayed, and the record must lead to the root that its block names; exit status 1 if not.

    \b
    Examples:
      concord ledger prove blocks.jsonl proof.json
      concord ledger export | concord ledger prove - proof.json
    """
    from concord.ledger.proofs import ProofDocument
    from concord.ledger.proofs import check_proof as check

    with proof.open("rb") as file:
        data = file.read(MOST_PROOF + 1)
    if len(data) > MOST_PROOF:
        raise InvalidInput(f"{proof} is longer than any proof.", field="PROOF")
    proven = check(_lines(export), ProofDocument.read(data))
    if as_json:
        print_json({"proven": True, **_document(proven)})
        return
    from rich.markup import escape

    console = out()
    console.print(f"[green]✓[/] {escape(_sentence(proven))}")
    console.print(
        f"  [dim]That the chain is the real one, its last hash says; compare it:[/]\n  {proven.hash}"
    )


def _lines(export: BinaryIO) -> Iterator[bytes]:
    """The export's lines, none longer than one that is refused anyway."""
    from concord.ledger.exports import MOST_LINE

    return iter(lambda: export.readline(MOST_LINE + 1), b"")


def _sentence(proven: "ProvenRound") -> str:
    record = proven.record
    said = f"answer {record.get('answer')}"
    if "label" in record:
        said += f", label {record['label']}"
    return (
        f"Proven: round {proven.round} of {proven.task} ({said}) was settled under {proven.policy} in block "
        f"{proven.block}, with exactly this record, in a chain of {proven.height} blocks that all replay."
    )


def _document(proven: "ProvenRound") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(proven)
