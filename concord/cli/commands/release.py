"""`concord release`: a jailed node counts again. The service asks for a token that administers."""

import click

from concord.cli.console import Command, json_option
from concord.cli.operations import key_option, reason_option, run_operation


@click.command("release", cls=Command, short_help="Let a jailed node count again.")
@click.argument("task")
@click.argument("node")
@reason_option
@key_option
@json_option
def release(*, task: str, node: str, reason: str, key: str | None, as_json: bool) -> None:
    """Let NODE of TASK, which is jailed or in probation, count again.

    \b
    Example:
      concord release iris knn --reason "its features were swapped; mended"
    """
    done = f"{task}.{node} counts again"
    run_operation(key, lambda client, key: client.release(task, node, reason, key=key), done, as_json=as_json)
