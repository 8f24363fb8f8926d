"""`concord tasks` and `concord nodes`: what can be asked, and who answers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from concord.cli.console import Command, json_option, out, print_json, table

if TYPE_CHECKING:
    from rich.table import Table

    from concord.types.nodes import NodeView

STATUS = {"up": "[green]✓[/] up", "down": "[red]✗[/] down", "mismatched": "[yellow]![/] mismatched"}

STANDING = {"probation": "[yellow]probation[/]", "jailed": "[red]jailed[/]"}
"""Instead of `up`: a node that is up and does not count."""


@click.command("tasks", cls=Command)
@json_option
def tasks(*, as_json: bool) -> None:
    """List the tasks that can be asked.

    \b
    Example:
      concord tasks
    """
    from concord.cli.home import connect

    with connect() as client:
        found = client.tasks()
    if as_json:
        print_json(found)
        return
    made = table("task", "ready", "nodes", "policy", "what", right=("nodes",))
    for one in found:
        asks = f" Asks the nodes of {one.asks}." if one.asks else ""
        ready = "[green]✓[/]" if one.ready else "[red]✗[/]"
        made.add_row(one.task, ready, f"{one.nodes_up}/{one.nodes}", one.policy, f"{one.title}.{asks}")
    out().print(made)


@click.command("nodes", cls=Command, short_help="List nodes: version, health, stake, weight.")
@click.argument("task", required=False)
@json_option
def nodes(*, task: str | None, as_json: bool) -> None:
    """List the nodes of TASK, or of all tasks: version, health, stake, weight.

    \b
    Examples:
      concord nodes
      concord nodes iris
    """
    from concord.cli.home import connect

    with connect() as client:
        found = client.nodes(task)
    if as_json:
        print_json(found)
        return
    console = out()
    made = _nodes(found, with_latency=True)
    if console.measure(made, options=console.options.update(width=10**3)).maximum > console.width:
        # The numbers that stake follows from are the last that may be cut.
        made = _nodes(found, with_latency=False)
    console.print(made)
    for one in found:
        if one.reason:
            console.print(f"[red]✗[/] {one.task}.{one.node}: {one.reason}", soft_wrap=True)
        if one.standing_reason:
            console.print(f"[yellow]![/] {one.task}.{one.node}: {one.standing_reason}", soft_wrap=True)


def _nodes(found: Sequence["NodeView"], *, with_latency: bool) -> "Table":
    learned = any(one.labelled for one in found)
    earned = ("hits", "skill") if learned else ("accuracy",)
    numbers = ("stake", "weight", *earned, *(("latency",) if with_latency else ()))
    made = table("task", "node", "v", "status", *numbers, right=numbers)
    last = None
    for one in found:
        latency = "" if one.latency_ms is None else f"{one.latency_ms:.1f} ms"
        made.add_row(
            one.task if one.task != last else "",
            one.node,
            one.version or "",
            _status(one),
            # Labels move stake by fractions; `concord ledger show` has all of them.
            f"{one.stake:,.2f}" if learned else f"{one.stake:,.10g}",
            f"{one.weight:.3f}",
            *(_share(share) for share in ((one.hit_rate, one.skill) if learned else (one.accuracy,))),
            *((latency,) if with_latency else ()),
        )
        last = one.task
    return made


def _status(one: "NodeView") -> str:
    status = STATUS.get(one.status, f"[dim]{one.status}[/]")
    return STANDING.get(one.standing, status) if one.status == "up" else status


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"
