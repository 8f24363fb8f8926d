"""`concord tasks`: the tasks that can be asked."""

from typing import TYPE_CHECKING

import click

from concord.cli.console import Command, json_option, out, print_result, table
from concord.cli.home import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from concord.types.tasks import TaskSummary


@click.command("tasks", cls=Command)
@json_option
def tasks(*, as_json: bool) -> None:
    """List the tasks that can be asked.

    \b
    Example:
      concord tasks
    """
    with connect() as client:
        print_result(client.tasks(), _show_tasks, as_json=as_json)


def _show_tasks(summaries: "Sequence[TaskSummary]") -> None:
    rows = table("task", "ready", "nodes", "policy", "what", right=("nodes",))
    for task in summaries:
        asks = f" Asks the nodes of {task.asks}." if task.asks else ""
        ready = "[green]✓[/]" if task.ready else "[red]✗[/]"
        rows.add_row(task.task, ready, f"{task.nodes_up}/{task.nodes}", task.policy, f"{task.title}.{asks}")
    out().print(rows)
