"""`concord tasks` and `concord nodes`: what can be asked, and who answers."""

import click

from concord.cli.screen import Command, json_option, out, print_json, table

STATUS = {"up": "[green]✓[/] up", "down": "[red]✗[/] down", "mismatched": "[yellow]![/] mismatched"}

STANDING = {"active": "", "probation": ", [yellow]probation[/]", "jailed": ", [red]jailed[/]"}


@click.command("tasks", cls=Command)
@json_option
def tasks(*, as_json: bool) -> None:
    """List the tasks that can be asked.

    \b
    Example:
      concord tasks
    """
    from concord.cli.place import connect

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
    from concord.cli.place import connect

    with connect() as client:
        found = client.nodes(task)
    if as_json:
        print_json(found)
        return
    learned = any(one.labelled for one in found)
    right = ("stake", "weight", "accuracy", "hits", "skill", "latency")
    earned = ("hits", "skill") if learned else ("accuracy",)
    made = table("task", "node", "v", "status", "stake", "weight", *earned, "latency", right=right)
    last = None
    for one in found:
        made.add_row(
            one.task if one.task != last else "",
            one.node,
            one.version or "",
            STATUS.get(one.status, f"[dim]{one.status}[/]") + STANDING[one.standing],
            f"{one.stake:,.10g}",
            f"{one.weight:.3f}",
            *(_share(share) for share in ((one.hit_rate, one.skill) if learned else (one.accuracy,))),
            "" if one.latency_ms is None else f"{one.latency_ms:.1f} ms",
        )
        last = one.task
    console = out()
    console.print(made)
    for one in found:
        if one.reason:
            console.print(f"[red]✗[/] {one.task}.{one.node}: {one.reason}", soft_wrap=True)
        if one.standing_reason:
            console.print(f"[yellow]![/] {one.task}.{one.node}: {one.standing_reason}", soft_wrap=True)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"
