"""`concord nodes`: who answers, with health, stake and weight."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import Command, json_option, out, print_line, print_result, table
from concord.cli.home import connect

if TYPE_CHECKING:
    from rich.table import Table

    from concord.types.nodes import NodeView

STATUS: Final = {"up": "[green]✓[/] up", "down": "[red]✗[/] down", "mismatched": "[yellow]![/] mismatched"}

STANDING: Final = {"probation": "[yellow]probation[/]", "jailed": "[red]jailed[/]"}
"""Instead of `up`: a node that is up and does not count."""


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
    with connect() as client:
        print_result(client.nodes(task), _show_nodes, as_json=as_json)


def _show_nodes(views: "Sequence[NodeView]") -> None:
    console = out()
    rows = _list_nodes(views, with_latency=True)
    if console.measure(rows, options=console.options.update(width=10**3)).maximum > console.width:
        # The numbers that stake follows from are the last that may be cut.
        rows = _list_nodes(views, with_latency=False)
    console.print(rows)
    for view in views:
        if view.reason:
            print_line(f"[red]✗[/] {view.task}.{view.node}: {view.reason}")
        if view.standing_reason:
            print_line(f"[yellow]![/] {view.task}.{view.node}: {view.standing_reason}")


def _list_nodes(views: Sequence["NodeView"], *, with_latency: bool) -> "Table":
    has_labels = any(view.labelled for view in views)
    scores = ("hits", "skill") if has_labels else ("accuracy",)
    numbers = ("stake", "weight", *scores, *(("latency",) if with_latency else ()))
    rows = table("task", "node", "v", "status", *numbers, right=numbers)
    last = None
    for view in views:
        latency = "" if view.latency_ms is None else f"{view.latency_ms:.1f} ms"
        shares = (view.hit_rate, view.skill) if has_labels else (view.accuracy,)
        rows.add_row(
            view.task if view.task != last else "",
            view.node,
            view.version or "",
            _status(view),
            # Labels move stake by fractions; `concord ledger show` has all of them.
            f"{view.stake:,.2f}" if has_labels else f"{view.stake:,.10g}",
            f"{view.weight:.3f}",
            *("–" if share is None else f"{share:.3f}" for share in shares),
            *((latency,) if with_latency else ()),
        )
        last = view.task
    return rows


def _status(view: "NodeView") -> str:
    status = STATUS.get(view.status, f"[dim]{view.status}[/]")
    return STANDING.get(view.standing, status) if view.status == "up" else status
