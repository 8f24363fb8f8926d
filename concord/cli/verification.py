"""Verifies a stored ledger: alone, or compared with what the journal beside it noted and holds."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from concord.cli.console import progress_bar
from concord.cli.stores import has_journal, ledger_beside, open_journal
from concord.errors import ConfigurationError, JournalUnavailable
from concord.ledger.audit import ChainReport
from concord.settlement.audit import SettlementReport, audit_settlements
from concord.settlement.noted_blocks import verify_with_notes


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found.

    Attributes:
        report: Of the blocks.
        compares: Whether they were to be compared with the journal's notes.
        problem: Why they could not be; None where they were, or were not to be.
        is_deep: Whether every block was to be settled again.
        deep: Of settling again; None where that was not asked for, or the chain is not sound.
    """

    report: ChainReport
    compares: bool
    problem: str | None = None
    is_deep: bool = False
    deep: SettlementReport | None = None

    @property
    def status(self) -> int:
        """The exit status: 1 where anything differs, 2 where something could not be compared."""
        if not self.report.ok or (self.deep is not None and not self.deep.ok):
            return 1
        return 0 if self.problem is None else 2

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what could not be compared is not ok."""
        said = {
            "ok": self.report.ok and self.problem is None,
            "compared": self.compares and self.problem is None,
        }
        deep = {"deep": self.deep.to_json() if self.deep else None} if self.is_deep else {}
        return self.report.to_json() | said | deep


def verify_alone(where: str | None) -> Verification:
    """Replays every block; those that were archived are read from the journal, if it can be."""
    if has_journal(where):
        with suppress(JournalUnavailable), open_journal(where, read_only=True) as journal:
            return Verification(ledger_beside(journal, where).verify(), compares=False)
    return Verification(ledger_beside(None, where).verify(), compares=False)


def verify_beside_journal(where: str | None, *, deep: bool) -> Verification:
    """Replays every block, compares it with the journal's notes, and settles it again if that is asked for.

    Raises:
        ConfigurationError: Blocks are to be settled again, and the journal that holds the rounds is not here.
    """
    problem = "none is known here; CONCORD_JOURNAL is its URL."
    if has_journal(where):
        try:
            with open_journal(where, read_only=True) as journal:
                ledger = ledger_beside(journal, where)
                report = verify_with_notes(ledger, journal)
                if not deep or not report.is_whole:
                    return Verification(report, compares=True, is_deep=deep)
                with progress_bar("Settling again", "blocks") as advance:
                    settled = audit_settlements(ledger, journal, advance)
                return Verification(report, compares=True, is_deep=True, deep=settled)
        except JournalUnavailable as error:
            problem = f"{error.message} What was archived into it is missing here."
    if deep:
        raise ConfigurationError(f"--deep settles again from the journal: {problem}", field="--deep")
    return Verification(ledger_beside(None, where).verify(), compares=True, problem=problem)
