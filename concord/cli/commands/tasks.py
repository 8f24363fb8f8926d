"""`concord tasks`: the tasks that can be asked."""

import click

from concord.cli.console import Command, json_option, out, print_json, table
from concord.cli.home import connect


@click.command("tasks", cls=Command)
@json_option
def tasks(*, as_json: bool) -> None:
    """List the tasks that can be asked.

    \b
    Example:
      concord tasks
    """
    with connect() as client:
        summaries = client.tasks()
    if as_json:
        print_json(summaries)
        return
    rows = table("task", "ready", "nodes", "policy", "what", right=("nodes",))
    for task in summaries:
        asks = f" Asks the nodes of {task.asks}." if task.asks else ""
        ready = "[green]✓[/]" if task.ready else "[red]✗[/]"
        rows.add_row(task.task, ready, f"{task.nodes_up}/{task.nodes}", task.policy, f"{task.title}.{asks}")
    out().print(rows)
