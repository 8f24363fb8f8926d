"""`concord ledger verify --deep`: settling again, with a bar that tells how far it is."""

from typing import TYPE_CHECKING

from concord.cli.console import counting

if TYPE_CHECKING:
    from rich.console import Console

    from concord.journal import Journal
    from concord.ledger import Ledger
    from concord.settlement.audit import SettlementReport


def resettle(ledger: "Ledger", journal: "Journal") -> "SettlementReport":
    """Settles every block again; on a terminal, a bar shows the blocks."""
    from concord.settlement.audit import audit_settlements

    with counting("Settling again", "blocks") as told:
        return audit_settlements(ledger, journal, told)


def tell(console: "Console", report: "SettlementReport") -> None:
    """Says what settling again came to."""
    from rich.markup import escape

    if report.ok:
        rounds = "1 round" if report.rounds == 1 else f"{report.rounds} rounds"
        blocks = "1 block" if report.blocks == 1 else f"{report.blocks} blocks"
        console.print(
            f"[green]✓[/] Settled again from the journal, {rounds} in {blocks} come to the same records, "
            "roots and sums, and so to the same balances."
        )
    if report.unmarked:
        console.print(f"  [dim]{report.unmarked} of them are not marked in the journal yet.[/]")
    for problem in report.problems:
        console.print(f"[red]✗[/] {escape(problem)}", soft_wrap=True)
    if report.more:
        console.print(f"  … and {report.more} problems more.")
