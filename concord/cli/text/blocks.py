"""The ledger for people: its newest balances, and what happened in one of its blocks."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from concord.cli.console import out, table

if TYPE_CHECKING:
    from concord.ledger import Block, Head


def stake(micro: int) -> str:
    """µS as stake, exactly, with its thousands apart."""
    return f"{Decimal(micro) / 1_000_000:,f}"


def plain_stake(micro: int) -> str:
    """µS as stake, exactly, as one would type it."""
    return f"{Decimal(micro) / 1_000_000:f}"


def when(micros: int) -> str:
    """µs since the epoch as local time."""
    return f"{datetime.fromtimestamp(micros / 1e6, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def show_head(head: "Head") -> None:
    """Prints the balances of all tasks."""
    console = out()
    if not head.height:
        console.print("The ledger is empty.")
        return
    console.print(f"Height [bold]{head.height}[/], {when(head.time)}, hash {head.hash[:16]}…\n")
    right = ("stake", "paid in", "rounds")
    made = table("task", "policy", "node", "stake", "paid in", "rounds", right=right)
    for name, task in sorted(head.state.tasks.items()):
        for index, (node, account) in enumerate(sorted(task.accounts.items())):
            first = (name, task.policy) if not index else ("", "")
            made.add_row(*first, node, stake(account.stake), stake(account.deposit), str(account.rounds))
        if task.treasury:
            made.add_row("", "", "[dim]treasury[/]", stake(task.treasury), "", "")
    console.print(made)


def show_block(block: "Block") -> None:
    """Prints what happened in a block."""
    from rich.markup import escape

    console = out()
    console.print(f"Block [bold]{block.height}[/], {when(block.time)}, hash {block.hash[:16]}…\n")
    made = table("event", "task", "what")
    for body in block.events.values():
        made.add_row(
            str(body["kind"]),
            str(body["task"]),
            # An operator's reason is any text, and stays for good.
            escape(_words(dict(body))),
        )
    console.print(made)


def _words(body: dict[str, "object"]) -> str:
    match body:
        case {"kind": "params", "policy": policy}:
            asks = f", asks the nodes of {body['asks']}" if "asks" in body else ""
            return f"policy {policy}{asks}"
        case {"kind": "open", "node": node, "deposit": int(deposit), "accuracy": int(accuracy)}:
            return f"{node} opens with {stake(deposit)}, stated accuracy {accuracy / 1e6:.3f}"
        case {"kind": "deposit", "node": node, "amount": int(amount)}:
            return f"{node} pays in {stake(amount)}"
        case {"kind": "withdraw", "node": node, "amount": int(amount)}:
            return f"{node} takes out {stake(amount)}"
        case {"kind": "settle", "rounds": count, "nodes": dict(nodes)}:
            moved = ", ".join(
                f"{node} {stake(sums[1] + sums[2])}" for node, sums in nodes.items() if sums[1] + sums[2]
            )
            rounds = "1 round" if count == 1 else f"{count} rounds"
            return f"{rounds}; {moved or 'no stake moved'}"
    return _standing_words(body)


def _standing_words(body: dict[str, "object"]) -> str:
    match body:
        case {"kind": "appoint", "node": node}:
            from concord.ledger.decisions import describe_decision

            return f"{node}: {describe_decision(body)}"
        case {"kind": "promote", "node": node, "version": version}:
            return f"{node} serves version {version}"
        case {"kind": "jail", "node": node, "reason": reason}:
            return f"{node} is jailed for {reason}"
        case {"kind": "release", "node": node, "to": to, "by": by, "why": why}:
            return f"{node} is {to} now, by {by}: {why}"
    return ""
