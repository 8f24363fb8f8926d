"""The ledger for people: balances, the events of a block, what an audit and a proof say."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.markup import escape

from concord.cli.console import out, print_line, table
from concord.cli.text.values import count, format_stake, format_time
from concord.ledger.decisions import describe_decision

if TYPE_CHECKING:
    from concord.cli.verification import Verification
    from concord.ledger import Block, Head
    from concord.ledger.audit import ChainReport
    from concord.ledger.proofs import ProvenRound
    from concord.settlement.audit import SettlementReport


def show_head(head: "Head") -> None:
    """Prints the balances of all tasks."""
    if not head.height:
        print_line("The ledger is empty.")
        return
    print_line(f"Height [bold]{head.height}[/], {format_time(head.time)}, hash {head.hash[:16]}…\n")
    numbers = ("stake", "paid in", "rounds")
    rows = table("task", "policy", "node", *numbers, right=numbers)
    for name, task in sorted(head.state.tasks.items()):
        for index, (node, account) in enumerate(sorted(task.accounts.items())):
            task_cells = (name, task.policy) if not index else ("", "")
            amounts = (format_stake(account.stake), format_stake(account.deposit), str(account.rounds))
            rows.add_row(*task_cells, node, *amounts)
        if task.treasury:
            rows.add_row("", "", "[dim]treasury[/]", format_stake(task.treasury), "", "")
    out().print(rows)


def show_block(block: "Block") -> None:
    """Prints what happened in a block."""
    print_line(f"Block [bold]{block.height}[/], {format_time(block.time)}, hash {block.hash[:16]}…\n")
    rows = table("event", "task", "what")
    for body in block.events.values():
        # An operator's reason is any text, and stays for good.
        rows.add_row(str(body["kind"]), str(body["task"]), escape(_describe_event(body)))
    out().print(rows)


def show_verification(verified: "Verification") -> None:
    """Prints what was found in blocks, and in rounds that were settled again."""
    _show_report(verified.report, verified.problem, compares=verified.compares)
    if verified.is_deep:
        _show_deep_report(verified.deep)


def _show_report(report: "ChainReport", reason: str | None, *, compares: bool) -> None:
    if report.ok:
        blocks = f"{report.blocks} blocks in {report.segments} segments and the head"
        mark = "[green]✓[/]" if reason is None else "[yellow]![/]"
        print_line(f"{mark} Every balance follows from the blocks: {blocks} were replayed.")
    if report.ok and compares and reason is None:
        print_line("  All of them were compared with the hashes that the journal noted.")
    if reason is not None:
        print_line(
            "[yellow]! Nothing could be compared with a journal, so an old head would not be noticed:[/] "
            f"{escape(reason)}"
        )
        print_line("  [dim]`--without-journal` replays the blocks alone.[/]")
    elif not compares:
        print_line("  [dim]They were compared with no journal, so an old head would not be noticed.[/]")
    if report.ok:
        print_line(f"  [dim]Height {report.height}, hash {report.hash}[/]")
    for problem in report.problems:
        print_line(f"[red]✗[/] {problem}")
    if report.orphans:
        print_line(
            f"  [dim]{len(report.orphans)} segments of failed writes are beside the chain; harmless.[/]"
        )


def _show_deep_report(report: "SettlementReport | None") -> None:
    if report is None:
        print_line("[yellow]Nothing was settled again, since the chain itself is not sound.[/]")
        return
    if report.ok:
        print_line(
            f"[green]✓[/] Settled again from the journal, {count(report.rounds, 'round')} in "
            f"{count(report.blocks, 'block')} come to the same records, roots and sums, and so to the same "
            "balances."
        )
    if report.ok and report.database is not None:
        print_line(f"  The database found nothing wrong with its own tables ({report.database}).")
    if report.database is None:
        print_line(
            "  [yellow]The database did not check its own tables: PostgreSQL needs the extension amcheck, "
            "and the right to call it.[/]"
        )
    if report.unmarked:
        print_line(f"  [dim]{report.unmarked} of them are not marked in the journal yet.[/]")
    for problem in report.problems:
        print_line(f"[red]✗[/] {escape(problem)}")
    if report.more:
        print_line(f"  … and {report.more} problems more.")


def show_proven(proven: "ProvenRound") -> None:
    """Prints what a proof has shown."""
    record = proven.record
    label = f", label {record['label']}" if "label" in record else ""
    sentence = (
        f"Proven: round {proven.round} of {proven.task} (answer {record.get('answer')}{label}) was settled "
        f"under {proven.policy} in block {proven.block}, with exactly this record, in a chain of "
        f"{proven.height} blocks that all replay."
    )
    print_line(f"[green]✓[/] {escape(sentence)}")
    print_line(f"  [dim]Whether this is the real chain, its last hash shows; compare it:[/]\n  {proven.hash}")


def _describe_event(body: Mapping[str, object]) -> str:
    match body:
        case {"kind": "params", "policy": policy}:
            asks = f", asks the nodes of {body['asks']}" if "asks" in body else ""
            return f"policy {policy}{asks}"
        case {"kind": "open", "node": node, "deposit": int(deposit), "accuracy": int(accuracy)}:
            stated = f", stated accuracy {accuracy / 1e6:.3f}" if accuracy else ""
            return f"{node} opens with {format_stake(deposit)}{stated}"
        case {"kind": "deposit", "node": node, "amount": int(amount)}:
            return f"{node} pays in {format_stake(amount)}{_describe_reason(body)}"
        case {"kind": "withdraw", "node": node, "amount": int(amount)}:
            return f"{node} takes out {format_stake(amount)}{_describe_reason(body)}"
        case {"kind": "settle", "rounds": int(rounds), "nodes": dict(nodes)}:
            moved = ", ".join(
                f"{node} {format_stake(sums[1] + sums[2])}"
                for node, sums in nodes.items()
                if sums[1] + sums[2]
            )
            return f"{count(rounds, 'round')}; {moved or 'no stake moved'}"
    return _describe_standing(body)


def _describe_reason(body: Mapping[str, object]) -> str:
    """By whom and why; empty where an older ledger does not say so."""
    return f", by {body['by']}: {body['why']}" if "by" in body and "why" in body else ""


def _describe_standing(body: Mapping[str, object]) -> str:
    match body:
        case {"kind": "appoint", "node": node}:
            return f"{node}: {describe_decision(body)}"
        case {"kind": "promote", "node": node, "version": version}:
            return f"{node} serves version {version}"
        case {"kind": "jail", "node": node, "reason": reason}:
            return f"{node} is jailed for {reason}"
        case {"kind": "release", "node": node, "to": to, "by": by, "why": why}:
            return f"{node} is {to} now, by {by}: {why}"
    return ""
